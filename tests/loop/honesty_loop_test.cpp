// The engine must not hide what the server did, nor change it by how it reads.
#include "tests/loop/chat_fixture.h"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace chorus::test;
namespace json = boost::json;

namespace {

std::int64_t count(const json::object& document, const char* part, const char* key) {
  return document.at(part).at(key).to_number<std::int64_t>();
}

// bob enters 76 ms after alice's first message, of which he gets no copy: whether it was so is a matter of
// being punctual to this share of it.
bool punctual(const json::object& run, double speed) {
  const auto worst = run.at("lateness_us").at("max").to_number<double>() +
                     run.at("latency_us").at("SERVER_ENTER").at("max").to_number<double>();
  return run.at("verdict") == "VALID" && worst < 76'000 / speed;
}

}  // namespace

TEST_CASE("a frozen server is in the latency of all that was to be sent meanwhile", "[loop]") {
  // 200 clients, each with a message every half second from 0.7 to 5.5 s. A generator that waits for an
  // answer before it sends again would show the freeze once for each client, at most in a tenth of all.
  ChatServer server({"--freeze-at", "2500ms", "--freeze-for", "1s"});
  const Finished replayed =
      run_chorus(replay(sample("steady.trace"), server,
                        {"--clients", "200", "--ramp", "1ms", "--phase", "500ms", "--speed", "2"}));
  INFO(replayed.out << replayed.err);
  const auto document = document_of(replayed);
  CHECK(count(document, "clients", "completed") == 200);
  CHECK(count(document, "messages", "unanswered") == 0);
  CHECK(count(document, "messages", "sent") == 2600);
  const auto& latency = document.at("latency_us").at("CHAT_MULTICAST").as_object();
  const auto micros = [](const json::value& of, const char* key) { return of.at(key).to_number<double>(); };
  CHECK(latency.at("count").to_number<int>() == 2000);
  CHECK(micros(latency, "max") > 900'000);
  CHECK(micros(latency, "p99") > 700'000);  // a fifth of the messages wait, evenly from 0 to 1 s
  CHECK(micros(latency, "p90") > 250'000);
  CHECK(micros(latency, "p50") < 250'000);
  CHECK(micros(document.at("delivery_us"), "max") > 900'000);
  if (document.at("verdict") == "VALID") {
    CHECK(micros(document.at("lateness_us"), "max") < 250'000);
    CHECK(micros(document.at("lateness_us"), "p90") < 20'000);
  }
}

TEST_CASE("how long a worker rests changes nothing of what is counted", "[loop]") {
  ChatServer server;
  std::vector<json::object> documents;
  for (const std::string coalesce : {"0", "auto", "500us"}) {
    const Finished replayed =
        run_chorus(replay(sample("steady.trace"), server,
                          {"--clients", "40", "--ramp", "1ms", "--speed", "6", "--coalesce", coalesce}));
    INFO(replayed.out << replayed.err);
    CHECK(ended_with(replayed, 0));
    documents.push_back(document_of(replayed));
    const auto& document = documents.back();
    CHECK(document.at("options").at("coalesce").as_string() == coalesce);
    CHECK(count(document, "clients", "completed") == 40);
    CHECK(count(document, "messages", "sent") == 520);
    CHECK(count(document, "messages", "unanswered") == 0);
    CHECK(document.at("fanout").at("ratio").to_number<double>() == 1);
    CHECK(count(document, "fanout", "duplicated") == 0);
    if (!punctual(document, 6) || !punctual(documents[0], 6)) continue;
    for (const char* key : {"received", "bytes_received"})
      CHECK(count(document, "messages", key) == count(documents[0], "messages", key));
    for (const char* key : {"expected", "delivered"})
      CHECK(count(document, "fanout", key) == count(documents[0], "fanout", key));
  }
}

TEST_CASE("wrong rests are refused in one line", "[loop]") {
  for (const char* wrong : {"never", "-1us", "5", "1s", ""}) {
    const Finished refused = run_chorus(
        {"replay", sample("steady.trace"), "--target", "127.0.0.1:1", "--clients", "1", "--coalesce", wrong});
    INFO(wrong << ": " << refused.err);
    CHECK(refused.status == 2);
    CHECK(refused.err.find("--coalesce") != std::string::npos);
    CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
  }
}
