// The loop on programs that are not ours: ngircd and ii, as Debian has them.
//
// A busy machine may spoil the timing of a run (INVALID) and with it the right to compare; what was said and
// heard must be right all the same. ngircd's own log is asked too: chorus must not be the only witness for
// itself.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/irc_fixture.h"
#include "traces/format/reader.h"

#include <set>
#include <sstream>

#include <catch2/catch.hpp>

using namespace chorus::test;
namespace json = boost::json;

namespace {

std::int64_t number(const json::object& document, std::initializer_list<const char*> keys) {
  const json::object* place = &document;
  for (const char* key : keys) {
    const json::value& value = place->at(key);
    if (key == *(keys.end() - 1)) return value.to_number<std::int64_t>();
    place = &value.as_object();
  }
  return -1;
}

std::vector<std::string> replay(const std::string& trace, const IrcServer& server,
                                std::vector<std::string> more) {
  std::vector<std::string> arguments{"replay", trace, "--target", server.address()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// The nicknames that ngircd says it registered.
std::set<std::string> registered(const IrcServer& server) {
  std::set<std::string> nicks;
  std::istringstream log(server.log());
  for (std::string line; std::getline(log, line);) {
    const auto user = line.find("User \"");
    if (user == std::string::npos || line.find("\" registered (") == std::string::npos) continue;
    nicks.insert(line.substr(user + 6, line.find('!', user) - user - 6));
  }
  return nicks;
}

bool holds(const std::string& trace, chorus::format::EventKind kind, const std::string& text) {
  const auto loaded = chorus::format::load(trace);
  REQUIRE(loaded.has_value());
  for (const auto& event : loaded->events)
    if (event.kind == kind && event.payload.find(text) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("ii on ngircd is replayed by 100 clients in their own rooms, who all register, join and talk",
          "[loop]") {
  ScratchFolder folder;
  IrcServer server;
  const std::string alice = folder / "alice.trace", crowd = folder / "crowd.trace";
  record_ii(server, alice);
  REQUIRE(registered(server) == std::set<std::string>{"alice"});

  const Finished replayed = run_chorus(replay(alice, server, {"--clients", "100", "--json", "-o", crowd}));
  INFO(replayed.out << replayed.err);
  const auto result = document_of(replayed);
  CHECK(number(result, {"clients", "connected"}) == 100);
  CHECK(number(result, {"clients", "completed"}) == 100);
  CHECK(number(result, {"ready_us", "count"}) == 100);
  CHECK(number(result, {"latency_us", "JOIN", "count"}) == 100);
  CHECK(number(result, {"messages", "by_kind", "JOIN", "received"}) ==
        100);  // a room each: nobody hears another's
  CHECK(number(result, {"messages", "by_kind", "PRIVMSG", "sent"}) == 200);
  CHECK(number(result, {"messages", "unanswered"}) == 0);
  CHECK(result.at("divergences").as_array().empty());

  const auto nicks = registered(server);
  for (int client = 0; client < 100; ++client) {
    const std::string digits = std::to_string(client);
    CHECK(nicks.count("u" + std::string(7 - digits.size(), '0') + digits) == 1);
  }

  const bool valid = result.at("verdict") == "VALID";
  CHECK(replayed.status == (valid ? 0 : 2));
  if (valid) {
    const Finished compared = run_chorus({"diff", alice, crowd, "--json"});
    INFO(compared.out << compared.err);
    CHECK(compared.status == 0);
    CHECK(document_of(compared).at("verdict") == "SAME");
  }
}

TEST_CASE("a server that wants its PING's cookie back registers all of 20 clients", "[loop]") {
  ScratchFolder folder;
  IrcServer server({.auth_ping = true});
  const std::string alice = folder / "alice.trace";
  record_ii(server, alice);
  REQUIRE(holds(alice, chorus::format::EventKind::ToClient, "PING :"));
  REQUIRE(holds(alice, chorus::format::EventKind::ToServer, "PONG "));

  const Finished replayed = run_chorus(replay(alice, server, {"--clients", "20", "--json"}));
  INFO(replayed.out << replayed.err);
  const auto result = document_of(replayed);
  CHECK(number(result, {"clients", "completed"}) == 20);
  CHECK(number(result, {"ready_us", "count"}) == 20);
  CHECK(number(result, {"messages", "replies"}) == 20);
}

TEST_CASE("Debian's limit of ten connections an address turns ten of 20 clients away, and each is told why",
          "[loop]") {
  IrcServer server({.connections_per_address = 10});
  const Finished replayed =
      run_chorus(replay(sample("irc.trace"), server, {"--clients", "20", "--json", "--no-trial"}));
  INFO(replayed.out << replayed.err);
  const auto result = document_of(replayed);
  CHECK(number(result, {"clients", "completed"}) == 10);
  CHECK(number(result, {"clients", "refused"}) + number(result, {"clients", "failed"}) == 10);
  // ngircd says it to every one of them, whether or not that client was just sending.
  CHECK(number(result, {"clients", "outcomes", "ERROR: the server's connection limit is reached"}) == 10);
  CHECK(replayed.out.find("MaxConnectionsIP=0") != std::string::npos);  // what to try
  if (result.at("verdict") == "VALID") CHECK(replayed.status == 1);
}

TEST_CASE("an IRC crowd under the recorded nickname is told that it is in use, and how to rename it",
          "[loop]") {
  IrcServer server;
  const Finished replayed = run_chorus(
      replay(sample("irc.trace"), server, {"--clients", "20", "--rename", "alice=alice", "--no-trial"}));
  INFO(replayed.out << replayed.err);
  CHECK(replayed.status != 0);
  CHECK(replayed.out.find("1 completed, 0 refused, 19 failed") != std::string::npos);
  // The 433 answers NICK, so that a client may hear it before or after it has said USER: 1 or 2 of 7
  // messages.
  CHECK(replayed.out.find(" of 7 messages: 433: the nickname is already in use") != std::string::npos);
  CHECK(replayed.out.find("433 (:irc.test 433 * alice :Nickname already in use)") != std::string::npos);
  CHECK(replayed.out.find("--rename alice=u{client:07}") != std::string::npos);
  CHECK(registered(server) == std::set<std::string>{"alice"});
}
