// Real users: every row of "recorded once, replayed as a crowd", with real servers and real clients. CI plays
// smaller crowds; CHORUS_FULL=1 (./dev test --full) plays the whole table.
//
// A busy machine may spoil the timing of a run (INVALID) and with it the right to compare; what was said and
// heard must be right all the same.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/irc_fixture.h"
#include "tests/loop/mqtt_fixture.h"
#include "tests/loop/socket.h"
#include "tests/loop/xmpp_fixture.h"
#include "traces/format/reader.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>

using namespace chorus::test;
namespace json = boost::json;

namespace {

int crowd(int in_ci, int in_full) {
  const char* full = std::getenv("CHORUS_FULL");
  return full != nullptr && std::string(full) == "1" ? in_full : in_ci;
}

std::vector<std::string> replay_of(const std::string& trace, const std::string& address, int clients,
                                   std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{
      "replay", trace, "--target", address, "--json", "--clients", std::to_string(clients)};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::int64_t count(const json::object& document, const char* part, const char* key) {
  return document.at(part).at(key).to_number<std::int64_t>();
}

// Replays, and checks what must hold on any machine: all completed, nothing unanswered or different.
json::object all_complete(const std::vector<std::string>& arguments, int clients) {
  const Finished replayed = run_chorus(arguments);
  INFO(replayed.out << replayed.err);
  json::object result = document_of(replayed);
  CHECK(count(result, "clients", "connected") == clients);
  CHECK(count(result, "clients", "completed") == clients);
  CHECK(count(result, "messages", "unanswered") == 0);
  CHECK(result.at("divergences").as_array().empty());
  CHECK(ended_with(replayed, 0));
  return result;
}

// Every copy that was expected came, once.
void all_copies(const json::object& result, std::int64_t at_least) {
  INFO(json::value(result.at("fanout")));
  CHECK(count(result, "fanout", "expected") >= at_least);
  CHECK(count(result, "fanout", "delivered") == count(result, "fanout", "expected"));
  CHECK(count(result, "fanout", "duplicated") == 0);
  CHECK(result.at("delivery_us").at("count").to_number<std::int64_t>() ==
        count(result, "fanout", "delivered"));
}

void same(const json::object& result, const std::string& recording, const std::string& run) {
  if (result.at("verdict") != "VALID") return;
  const Finished compared = run_chorus({"diff", recording, run});
  INFO(compared.out << compared.err);
  CHECK(compared.status == 0);
  CHECK(compared.out.rfind("SAME", 0) == 0);
}

std::string file_of(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("ngircd and ii: one recording, a crowd in rooms of its own", "[loop][users]") {
  const int clients = crowd(200, 1000);
  ScratchFolder folder;
  IrcServer server;
  const std::string alice = folder / "alice.trace", run = folder / "crowd.trace";
  record_ii(server, alice);
  const auto result =
      all_complete(replay_of(alice, server.address(), clients, {"--ramp", "10ms", "-o", run}), clients);
  same(result, alice, run);
}

TEST_CASE("ngircd that wants its cookie back, and irssi: a crowd in rooms of its own", "[loop][users]") {
  const int clients = crowd(200, 1000);
  ScratchFolder folder;
  IrcServer server({.auth_ping = true});
  const std::string alice = folder / "irssi.trace", run = folder / "crowd.trace";
  record_irssi(server, alice);
  const auto result =
      all_complete(replay_of(alice, server.address(), clients, {"--ramp", "10ms", "-o", run}), clients);
  CHECK(count(result, "messages", "replies") >= clients);
  same(result, alice, run);
}

TEST_CASE("irssi's crowd in one room: everybody hears everybody", "[loop][users]") {
  const int clients = crowd(60, 300);
  ScratchFolder folder;
  IrcServer server({.auth_ping = true});
  const std::string alice = folder / "irssi.trace";
  record_irssi(server, alice);
  // Only the first in a room is its operator, and each sees the others' modes: answers differ, copies do not.
  const Finished replayed =
      run_chorus(replay_of(alice, server.address(), clients,
                           {"--ramp", "10ms", "--cohort", "all", "--loop", "--duration", "12s"}));
  INFO(replayed.out << replayed.err);
  const auto result = document_of(replayed);
  CHECK(count(result, "clients", "completed") == clients);
  all_copies(result, clients * (clients - 1));
  CHECK(result.at("fanout").at("rooms").as_array().size() == 1);
}

TEST_CASE("ngircd as Debian configures it takes ten of twenty, and the account says so", "[loop][users]") {
  ScratchFolder folder;
  IrcServer server({.debian_limits = true});
  const Finished replayed = run_chorus(replay_of(sample("irc.trace"), server.address(), 20, {"--no-trial"}));
  INFO(replayed.out << replayed.err);
  const auto result = document_of(replayed);
  CHECK(count(result, "clients", "completed") == 10);
  CHECK(result.at("clients")
            .at("outcomes")
            .at("ERROR: the server's connection limit is reached")
            .to_number<int>() == 10);
  CHECK(replayed.status != 0);
}

TEST_CASE("who is not the first in a room is no operator: told per kind, and no failure", "[loop][users]") {
  ScratchFolder folder;
  IrcServer server;
  const std::string alice = folder / "alice.trace", run = folder / "crowd.trace";
  {
    Recording recording(server, 1, alice);
    Socket user = Socket::connect(recording.port());
    const auto say = [&](const std::string& line, const std::string& answer) {
      user.send(line + "\r\n");
      for (std::string heard; heard.find(answer) == std::string::npos;) heard += user.receive();
    };
    say("NICK alice\r\nUSER alice 0 * :Alice", " 376 ");
    say("JOIN #room", " 366 ");
    say("MODE #room +t", "MODE #room +t");
    say("TOPIC #room :ours", "TOPIC #room");
    think();  // so that others come before the operator is gone
    think();
    say("QUIT :bye", "ERROR");
    user.close();
    recording.finish();
  }
  const Finished replayed =
      run_chorus(replay_of(alice, server.address(), 20, {"--ramp", "2ms", "--cohort", "all", "-o", run}));
  INFO(replayed.out << replayed.err);
  const auto result = document_of(replayed);
  CHECK(count(result, "clients", "completed") == 20);
  std::int64_t others = 0;
  std::set<std::string> reasons;
  for (const json::value& divergence : result.at("divergences").as_array()) {
    if (!divergence.as_object().contains("answers"))
      continue;  // of copies: on a busy machine some meet otherwise
    reasons.insert(std::string(divergence.at("reason").as_string()));
    CHECK(divergence.at("of") == 20);
    others += divergence.at("answers").to_number<std::int64_t>();
  }
  CHECK(reasons ==
        std::set<std::string>{"MODE answered 482 instead of MODE", "TOPIC answered 482 instead of TOPIC"});
  const auto trace = chorus::format::load(run);
  REQUIRE(trace.has_value());
  CHECK(static_cast<std::int64_t>(trace->divergences.size()) == others);
  for (const auto& divergence : trace->divergences) CHECK(divergence.got == "482");
}

TEST_CASE("prosody and mcabber: pairs in rooms of their own, with accounts from a file", "[loop][users]") {
  const int clients = crowd(100, 1000);
  ScratchFolder folder;
  XmppServer server;
  server.account({"alice", "secret"});
  server.account({"bob", "secret"});
  const std::string talk = folder / "talk.trace", run = folder / "crowd.trace", users = folder / "users.csv";
  record_xmpp(server, talk);
  std::ofstream(users) << "name,password\n";
  for (int i = 0; i < clients; ++i) {
    const std::string name = (i % 2 ? "person" : "p") + std::to_string(i),
                      password = "pass" + std::to_string(i);
    server.account({name, password});
    std::ofstream(users, std::ios::app) << name << "," << password << "\n";
  }
  const auto result = all_complete(
      replay_of(talk, server.address(), clients, {"--ramp", "20ms", "--users", users, "-o", run}), clients);
  all_copies(result, clients / 2 * 7);  // three lines to both, and one in private
  same(result, talk, run);
  CHECK(file_of(run).find("pass1") == std::string::npos);  // not even compressed: no binding has it
}

TEST_CASE("mosquitto, mosquitto_sub and mosquitto_pub: every delivery is accounted for", "[loop][users]") {
  const auto version = GENERATE(MqttVersion::v311, MqttVersion::v5);
  const int clients = crowd(200, 1000);
  ScratchFolder folder;
  MqttServer server;
  const std::string talk = folder / "talk.trace", run = folder / "crowd.trace";
  record_mqtt(server, talk, version);
  const auto result =
      all_complete(replay_of(talk, server.address(), clients, {"--ramp", "10ms", "-o", run}), clients);
  all_copies(result, clients / 4 * 4);  // five messages for each subscriber; it may leave with the last one
  same(result, talk, run);
}

TEST_CASE("the packet chat with a longer and a shorter nickname than recorded", "[loop][users]") {
  const int clients = crowd(1000, 10000);
  ScratchFolder folder;
  ChatServer server;
  for (const std::string name : {"alice=a{client}", "alice=somebodywithalongname{client:09}"}) {
    const std::string run = folder / ("crowd" + std::to_string(name.size()) + ".trace");
    const auto result = all_complete(replay_of(sample("steady.trace"), server.address(), clients,
                                               {"--ramp", "1ms", "--rename", name, "-o", run}),
                                     clients);
    all_copies(result,
               clients * 15);  // twenty lines to two people, less what one says before the other comes
    same(result, sample("steady.trace"), run);
  }
}

TEST_CASE("a page copied under another name with its kinds renamed gives the same run", "[loop][users]") {
  const int clients = 100;
  ScratchFolder folder;
  ChatServer server;
  std::string text = file_of(std::string(CHORUS_SOURCE) + "/schema/protocols/packet-chat.toml");
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"name = \"packet-chat\"", "name = \"mygame\""},
                                                        {"SERVER_MESSAGE", "PLOP"},
                                                        {"SERVER_ENTER", "UN"},
                                                        {"SERVER_EXIT", "DEUX"},
                                                        {"ROOM_ENTER", "TROIS"},
                                                        {"ROOM_EXIT", "QUATRE"},
                                                        {"CHAT_BROADCAST", "CINQ"},
                                                        {"CHAT_MULTICAST", "SIX"},
                                                        {"CHAT_UNICAST", "SEPT"}}) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  }
  const std::string page = folder / "mygame.toml";
  std::ofstream(page) << text;
  const auto run = [&](std::vector<std::string> more) {
    return all_complete(replay_of(sample("packet-chat.trace"), server.address(), clients, std::move(more)),
                        clients);
  };
  const auto ours = run({}), theirs = run({"--protocol", page});
  for (const char* key : {"scheduled", "sent", "replies", "bytes_sent"})
    CHECK(count(ours, "messages", key) == count(theirs, "messages", key));
  all_copies(ours, clients);  // who hears a broadcast before it leaves is chance; that nothing is lost is not
  all_copies(theirs, clients);
  CHECK(ours.at("latency_us").at("CHAT_MULTICAST").at("count") ==
        theirs.at("latency_us").at("SIX").at("count"));
}
