// Replays against a server that is frozen, slow, full, hangs up or dies, at each phase of a conversation. The
// phases are the server's own: it counts who came, entered, spoke and left, so no test guesses at a time.
#include "tests/loop/bad_luck.h"

#include <csignal>
#include <map>
#include <memory>

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace chorus::test;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

constexpr int crowd = 20;
const Words usual{"--clients", "20", "--ramp", "1ms", "--no-trial"};

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

struct UnderWay {
  UnderWay(const Words& server_options, const Words& options)
      : server(server_options), replay(server.port(), usual + Words{"--speed", "4"} + options) {}

  ChatServer server;
  Replay replay;
};

// Each row's server and replay, all at once: they mostly wait.
struct Rows {
  explicit Rows(const std::map<std::string, std::pair<Words, Words>>& rows) {
    for (const auto& [name, options] : rows)
      under_way.emplace(name, std::make_unique<UnderWay>(options.first, options.second));
  }
  Finished finish(const std::string& name) { return under_way.at(name)->replay.finish(); }

  std::map<std::string, std::unique_ptr<UnderWay>> under_way;
};

Words frozen(const std::string& from, const std::string& length) {
  return {"--count-from", from, "--freeze-at", "0s", "--freeze-for", length};
}

}  // namespace

TEST_CASE("a server that stands still for less than the patience costs time and nobody", "[loop][bad-luck]") {
  const Words patient{"--timeout", "30s", "--drain", "30s"};
  Rows rows({{"while connecting", {frozen("accepted=5", "700ms"), patient}},
             {"at login", {frozen("entered=5", "700ms"), patient}},
             {"in chat", {frozen("said=20", "700ms"), patient}},
             {"at farewell", {frozen("left=5", "700ms"), patient}}});
  const std::map<std::string, const char*> waits{{"while connecting", "SERVER_ENTER"},
                                                 {"at login", "SERVER_ENTER"},
                                                 {"in chat", "CHAT_MULTICAST"},
                                                 {"at farewell", "SERVER_EXIT"}};
  for (const auto& [phase, kind] : waits) {
    const Finished replayed = rows.finish(phase);
    const Account account(replayed);
    INFO(phase << "\n" << account.brief() << replayed.err);
    check_account(account, crowd, 30s);
    CHECK(ended_with(replayed, 0));
    CHECK(account.count("completed") == crowd);
    CHECK(account.message("unanswered") == 0);
    CHECK(account.latency_micros(kind, "max") > 500'000);
  }
}

TEST_CASE("a server that stands still for longer than the patience ends the run in time",
          "[loop][bad-luck]") {
  const Words short_of_patience{"--timeout", "1s", "--drain", "1s"};
  Rows rows({{"while connecting", {frozen("accepted=5", "10m"), short_of_patience}},
             {"at login", {frozen("entered=5", "10m"), short_of_patience}},
             {"in chat", {frozen("said=20", "10m"), short_of_patience}},
             {"at farewell", {frozen("left=5", "10m"), short_of_patience}}});
  for (const auto& [phase, under_way] : rows.under_way) {
    const Finished replayed = rows.finish(phase);
    const Account account(replayed);
    INFO(phase << "\n" << account.brief() << replayed.err);
    check_account(account, crowd, 1s + 1s + 8s);
    CHECK(ended_with(replayed, 1));
    CHECK(account.count("connected") == crowd);
    CHECK(account.count("failed") + account.count("completed") == crowd);
    CHECK(account.message("unanswered") >= account.count("failed"));
    const auto at_login = account.outcome("no SERVER_MESSAGE within 1s");
    const auto at_the_end = account.outcome_with("within 1s of the end");
    CHECK(at_login + at_the_end == account.count("failed"));
    if (phase == "while connecting") CHECK(at_login >= crowd - 4);
    if (phase == "at login") CHECK(at_login == crowd - 4);
    if (phase == "in chat") CHECK(at_the_end == crowd);
    if (phase == "at farewell") {
      CHECK(account.outcome("no answer to SERVER_EXIT within 1s of the end") > 0);
      CHECK(account.count("completed") <= 4);
    }
  }
}

TEST_CASE("a slow server is waited for as long as asked", "[loop][bad-luck]") {
  const Words slow{"--latency", "2s"};
  Rows rows({{"patient", {slow, {"--timeout", "30s", "--drain", "30s"}}},
             {"impatient", {slow, {"--timeout", "1s", "--drain", "1s"}}}});
  {
    const Finished replayed = rows.finish("patient");
    const Account account(replayed);
    INFO(account.brief() << replayed.err);
    check_account(account, crowd, 30s);
    CHECK(ended_with(replayed, 0));
    CHECK(account.count("completed") == crowd);
    for (const char* kind : {"SERVER_ENTER", "ROOM_ENTER", "CHAT_MULTICAST", "SERVER_EXIT"})
      CHECK(account.latency_micros(kind, "p50") > 1'900'000);
  }
  {
    const Finished replayed = rows.finish("impatient");
    const Account account(replayed);
    INFO(account.brief() << replayed.err);
    check_account(account, crowd, 10s);
    CHECK(ended_with(replayed, 1));
    CHECK(account.outcome("no SERVER_MESSAGE within 1s") == crowd);
  }
}

TEST_CASE("a server that dies is told at each phase", "[loop][bad-luck]") {
  const auto killed = [](const std::string& from) { return Words{"--count-from", from, "--kill-at", "0s"}; };
  const Words more{"--timeout", "2s", "--drain", "2s"};
  Rows rows({{"while connecting", {killed("accepted=10"), more}},
             {"at login", {killed("entered=10"), more}},
             {"in chat", {killed("said=20"), more}},
             {"at farewell", {killed("left=10"), more}}});
  for (const auto& [phase, under_way] : rows.under_way) {
    const Finished replayed = rows.finish(phase);
    INFO(phase << "\n" << replayed.out << replayed.err);
    CHECK(under_way->server.process().wait() == 1);
    const Account account(replayed);
    check_account(account, crowd, 2s + 2s + 8s);
    CHECK(ended_with(replayed, 1));
    CHECK(account.count("completed") < crowd);
    CHECK(account.count("interrupted") == 0);
    if (phase == "in chat") CHECK(account.count("disconnected") == crowd);
    if (phase == "at farewell") CHECK(account.count("completed") <= 9);
  }
}

TEST_CASE("a server that resets half of the clients loses just these", "[loop][bad-luck]") {
  ChatServer server({"--reset-one-in", "2"});
  const Finished replayed = Replay(server.port(), usual).finish();
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, crowd, 20s);
  CHECK(ended_with(replayed, 1));
  CHECK(account.count("connected") == crowd);
  CHECK(account.count("completed") == crowd / 2);
  CHECK(account.outcome("completed") == crowd / 2);
}

TEST_CASE("a full server is asked again a few times, not stormed, and each client is counted once",
          "[loop][bad-luck]") {
  ChatServer server({"--max-clients", "10", "--stats"});
  const Finished replayed = Replay(server.port(), usual + Words{"--on-refused", "retry"}).finish();
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, crowd, 60s);
  server.process().signal(SIGTERM);
  server.process().wait();
  const auto stats = boost::json::parse(server.process().out_line_with("refused"));
  const auto turned_away = stats.at("refused").to_number<std::int64_t>();
  const auto let_in = stats.at("accepted").to_number<std::int64_t>();
  CHECK(account.count("completed") + account.count("refused") == crowd);
  CHECK(account.count("completed") == let_in);
  CHECK(turned_away >= crowd - 10);
  CHECK(turned_away <= 6 * (crowd - 10));
  CHECK(account.outcome("the server is full") == account.count("refused"));
}

TEST_CASE("whoever still knocks when the run ends was refused, not as recorded", "[loop][bad-luck]") {
  ChatServer server({"--max-clients", "10"});
  const Finished replayed =
      Replay(server.port(), usual + Words{"--on-refused", "retry", "--loop", "--duration", "2s"}).finish(20s);
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, crowd, 20s);
  CHECK(account.count("refused") == crowd - 10);
  CHECK(ended_with(replayed, 1));
}

TEST_CASE("a run in which nobody came in before its end is not as recorded", "[loop][bad-luck]") {
  ChatServer server(frozen("entered=1", "10m"));
  const Finished replayed =
      Replay(server.port(), usual + Words{"--loop", "--duration", "1s", "--drain", "1s"}).finish();
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, crowd, 20s);
  CHECK(account.count("completed") == 0);
  CHECK(ended_with(replayed, 1));
}
