// What an ordinary client feels beside the crowd: one from before it, one that joins when it is complete.
#include "tests/loop/chat_fixture.h"
#include "traces/format/reader.h"

#include <set>

#include <catch2/catch.hpp>

using namespace chorus::test;
namespace json = boost::json;
using chorus::format::Canary;

namespace {

std::int64_t count(const json::object& document, const char* part, const char* key) {
  return document.at(part).at(key).to_number<std::int64_t>();
}

// The connections of a trace that belong to such a canary, and what they said.
struct Kept {
  std::set<std::uint32_t> clients;
  std::size_t sent = 0, heard = 0;
};

Kept kept(const chorus::format::Trace& trace, Canary which) {
  Kept found;
  for (const auto& row : trace.clients) {
    if (row.canary != which) continue;
    found.clients.insert(row.client);
    CHECK(row.outcome == chorus::format::Outcome::Completed);
  }
  for (const auto& event : trace.events) {
    if (found.clients.count(event.connection) == 0) continue;
    found.sent += event.kind == chorus::format::EventKind::ToServer;
    found.heard += event.kind == chorus::format::EventKind::ToClient;
  }
  return found;
}

}  // namespace

TEST_CASE("canaries beside a crowd complete, are kept whole, and are what was recorded", "[loop]") {
  ScratchFolder folder;
  ChatServer server;
  const std::string recording = sample("packet-chat.trace"), run = folder / "crowd.trace";
  const Finished replayed = run_chorus(
      replay(recording, server, {"--clients", "20", "--canary", "--speed", "2", "--keep", "1", "-o", run}));
  INFO(replayed.out << replayed.err);
  const auto document = document_of(replayed);
  CHECK(ended_with(replayed, 0));
  CHECK(count(document, "clients", "requested") == 20);  // canaries are no clients of the crowd
  CHECK(count(document, "clients", "connected") == 20);
  CHECK(count(document, "clients", "completed") == 20);
  CHECK(count(document, "messages", "sent") == 140);

  const auto& canary = document.at("canary").as_object();
  REQUIRE(canary.at("before").as_array().size() >= 1);
  const auto& before = canary.at("before").at(0).as_object();
  const auto& joined = canary.at("joined").as_object();
  std::set<std::int64_t> firsts;
  for (const auto* one : {&before, &joined}) {
    CHECK(one->at("outcome") == "completed");
    CHECK(one->at("sent").to_number<int>() == 14);
    CHECK(one->at("unanswered").to_number<int>() == 0);
    CHECK(one->at("latency_us").at("CHAT_MULTICAST").at("count").to_number<int>() == 6);
    // As recorded, whatever the crowd's --speed is: the recording takes 2.9 s from first to last.
    CHECK(one->at("ends_s").to_number<double>() - one->at("begins_s").to_number<double>() > 2.9);
    firsts.insert(one->at("first_client").to_number<int>());
    CHECK(one->at("first_client").to_number<int>() >= 20);
  }
  CHECK(firsts.size() == 2);
  CHECK(before.at("begins_s").to_number<double>() < joined.at("begins_s").to_number<double>());

  const auto trace = chorus::format::load(run);
  REQUIRE(trace.has_value());
  CHECK(trace->clients.size() == 20 + 2 * (canary.at("before").as_array().size() + 1));
  const Kept first = kept(*trace, Canary::FromBefore), second = kept(*trace, Canary::JoinedLate);
  CHECK(first.clients.size() == 2 * canary.at("before").as_array().size());
  CHECK(second.clients.size() == 2);
  CHECK(second.sent == 14);
  CHECK(second.heard >= 14);
  CHECK(first.sent == 14 * canary.at("before").as_array().size());
  const Finished shown = run_chorus({"show", run});
  CHECK(shown.out.find("(canary, from before the crowd)") != std::string::npos);
  CHECK(shown.out.find("(canary, joined the complete crowd)") != std::string::npos);

  const Finished compared = run_chorus({"diff", recording, run});
  INFO(compared.out << compared.err);
  if (document.at("verdict") == "VALID") {
    CHECK(compared.status == 0);
    CHECK(compared.out.rfind("SAME", 0) == 0);
  } else {
    CHECK(compared.err.find("INVALID") != std::string::npos);
  }
}

TEST_CASE("a server that is full when the crowd is complete turns the second canary away", "[loop][slow]") {
  ChatServer server({"--max-clients", "22"});  // the crowd and the first canary
  const Finished replayed =
      run_chorus(replay(sample("steady.trace"), server, {"--clients", "20", "--canary", "--speed", "2"}));
  INFO(replayed.out << replayed.err);
  const auto document = document_of(replayed);
  CHECK(ended_with(replayed, 1));
  CHECK(count(document, "clients", "completed") == 20);
  const auto& canary = document.at("canary").as_object();
  REQUIRE(canary.at("before").as_array().size() == 1);
  CHECK(canary.at("before").at(0).at("outcome") == "completed");
  CHECK(canary.at("joined").at("outcome") != "completed");
  CHECK(canary.at("joined").at("received").to_number<int>() == 0);
  CHECK_FALSE(canary.at("joined").at("stops").as_array().empty());
}

TEST_CASE("--duration is the crowd's: a canary's head start does not eat it", "[loop]") {
  ChatServer server;
  const Finished replayed = run_chorus(
      replay(sample("packet-chat.trace"), server, {"--clients", "4", "--canary", "--duration", "1s"}));
  INFO(replayed.out << replayed.err);
  const auto document = document_of(replayed);
  CHECK(count(document, "clients", "connected") == 4);
  CHECK(document.at("canary").at("joined").is_object());
}

TEST_CASE("without --canary there is none", "[loop]") {
  ChatServer server;
  const auto document = document_of(
      run_chorus(replay(sample("packet-chat.trace"), server, {"--clients", "2", "--speed", "10"})));
  CHECK(document.at("canary").is_null());
}
