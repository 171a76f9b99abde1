#include "tests/loop/bad_luck.h"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

namespace chorus::test {
namespace {

std::vector<std::string> replay_of(std::vector<std::string> words, std::uint16_t port,
                                   const std::vector<std::string>& options) {
  for (const std::string& word :
       {std::string(CHORUS_EXECUTABLE), std::string("replay"), sample("packet-chat.trace"),
        std::string("--json"), std::string("--target"), "127.0.0.1:" + std::to_string(port)})
    words.push_back(word);
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

std::int64_t number(const boost::json::value& value) {
  return value.to_number<std::int64_t>();
}

}  // namespace

Replay::Replay(std::uint16_t port, const std::vector<std::string>& options) : Replay({}, port, options) {}

Replay::Replay(std::vector<std::string> words, std::uint16_t port, const std::vector<std::string>& options)
    : process_(replay_of(std::move(words), port, options)) {}

Finished Replay::finish(std::chrono::milliseconds limit) {
  Finished finished;
  finished.status = process_.wait(limit);
  finished.out = process_.out_rest();
  finished.err = process_.err_rest();
  return finished;
}

Account::Account(const Finished& finished) : document(document_of(finished)) {}

std::int64_t Account::count(const char* key) const {
  return number(document.at("clients").at(key));
}

std::int64_t Account::outcome(const char* key) const {
  const auto* found = document.at("clients").at("outcomes").as_object().if_contains(key);
  return found == nullptr ? 0 : number(*found);
}

std::int64_t Account::outcome_with(const char* part) const {
  std::int64_t sum = 0;
  for (const auto& [reason, clients] : document.at("clients").at("outcomes").as_object()) {
    if (reason.find(part) != boost::json::string_view::npos) sum += number(clients);
  }
  return sum;
}

std::int64_t Account::message(const char* key) const {
  return number(document.at("messages").at(key));
}

double Account::micros(const char* sketch, const char* quantile) const {
  return document.at(sketch).at(quantile).to_number<double>();
}

double Account::latency_micros(const char* kind, const char* quantile) const {
  return document.at("latency_us").at(kind).at(quantile).to_number<double>();
}

double Account::seconds() const {
  return document.at("duration_s").to_number<double>();
}

std::int64_t Account::memory() const {
  return number(document.at("resources").at("self").at("rss_peak_bytes"));
}

std::string Account::brief() const {
  std::string text;
  for (const char* part : {"verdict", "reasons", "clients", "messages", "divergences", "duration_s"})
    text += std::string(part) + " " + boost::json::serialize(document.at(part)) + "\n";
  return text;
}

void check_account(const Account& account, std::int64_t clients, std::chrono::milliseconds longest,
                   std::int64_t most_memory) {
  CHECK(account.count("requested") == clients);
  const std::int64_t lost =
      account.count("refused") + account.count("failed") + account.count("disconnected");
  CHECK(account.count("completed") + account.count("unjudged") + account.count("interrupted") + lost ==
        clients);
  CHECK(account.count("connected") <= clients);

  CHECK(account.outcome_with("") == clients);
  std::int64_t explained = 0;
  for (const auto& divergence : account.document.at("divergences").as_array()) {
    if (divergence.at("clients").is_null()) continue;
    CHECK_FALSE(divergence.at("reason").as_string().empty());
    CHECK_FALSE(divergence.at("expected").as_string().empty());
    CHECK_FALSE(divergence.at("got").as_string().empty());
    explained += number(divergence.at("clients"));
  }
  CHECK(explained == lost);

  CHECK(account.memory() > 0);
  CHECK(account.memory() < most_memory);
  CHECK(account.seconds() < std::chrono::duration<double>(longest).count());
}

}  // namespace chorus::test
