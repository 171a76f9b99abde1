// Ctrl-C at each phase of a replay: the report and the trace come, soon, whatever the run waits for.
#include "tests/loop/bad_luck.h"
#include "tests/loop/socket.h"

#include <csignal>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace chorus::test;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

constexpr auto soon = 5s;  // what it waits for takes ten minutes

struct Scene {
  std::string phase;
  Words server;
  std::string moment;  // that the server tells
  Words options;
  int clients;  // in the account
};

const Words for_ever{"--freeze-at", "0s", "--freeze-for", "10m"};
const Words patient{"--timeout", "10m", "--drain", "10m"};

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::vector<Scene> scenes() {
  const auto frozen = [](const std::string& from) { return Words{"--count-from", from} + for_ever; };
  const Words crowd{"--clients", "20", "--ramp", "1ms", "--speed", "4", "--no-trial"};
  return {
      {"the trial", frozen("entered=1"), "entered=1", {"--clients", "20"}, 2},
      {"the ramp",
       frozen("accepted=10"),
       "accepted=10",
       {"--clients", "200", "--ramp", "100ms", "--no-trial"},
       200},
      {"login", frozen("entered=5"), "entered=5", crowd, 20},
      {"chat", frozen("said=20"), "said=20", crowd, 20},
      {"the drain", frozen("left=5"), "left=5", crowd, 20},
  };
}

}  // namespace

TEST_CASE("Ctrl-C gives the report and the trace at each phase", "[loop][bad-luck]") {
  for (const Scene& scene : scenes()) {
    ScratchFolder folder;
    const std::string trace = folder / "crowd.trace";
    ChatServer server(scene.server);
    Replay replay(server.port(), scene.options + patient + Words{"-o", trace});
    server.process().out_line_with(scene.moment + " reached");
    replay.process().signal(SIGINT);
    const Finished replayed = replay.finish(soon);
    INFO(scene.phase << "\n" << replayed.err);
    CHECK(replayed.status == 2);
    CHECK_FALSE(std::filesystem::exists(trace + ".partial"));
    CHECKED_ELSE(!replayed.out.empty()) {
      continue;
    }
    const Account account(replayed);
    INFO(account.brief());
    check_account(account, scene.clients, 30s);
    CHECK(account.document.at("interrupted") == true);
    CHECK(account.count("interrupted") > 0);
    if (scene.phase == "the trial") continue;  // there is no crowd that could have left a trace
    const Finished shown = run_chorus({"show", trace});
    INFO(shown.out << shown.err);
    CHECK(shown.status == 0);
    CHECK(shown.out.find("a run") != std::string::npos);
  }
}

TEST_CASE("Ctrl-C ends clients that still knock at a full server", "[loop][bad-luck]") {
  ChatServer server({"--max-clients", "10", "--count-from", "refused=20"});
  Replay replay(server.port(), {"--clients", "20", "--ramp", "1ms", "--no-trial", "--on-refused", "retry",
                                "--loop", "--duration", "10m"});
  server.process().out_line_with(
      "refused=20 reached");  // everybody else was turned away, some more than once
  replay.process().signal(SIGINT);
  const Finished replayed = replay.finish(soon);
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, 20, 30s);
  CHECK(account.count("interrupted") + account.count("refused") == 20);
  CHECK(replayed.status == 2);
}

TEST_CASE("a second Ctrl-C aborts a replay whose report nobody reads", "[loop][bad-luck]") {
  ScratchFolder folder;
  const std::string full = folder / "full";
  REQUIRE(::mkfifo(full.c_str(), 0600) == 0);
  const Socket pipe(::open(full.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  REQUIRE(pipe.file() >= 0);
  const std::string much(4096, 'x');
  while (::write(pipe.file(), much.data(), much.size()) > 0) continue;

  ChatServer server(Words{"--count-from", "said=20"} + for_ever);
  Replay replay({"sh", "-c", "exec \"$0\" \"$@\" > " + full}, server.port(),
                Words{"--clients", "20", "--ramp", "1ms", "--speed", "4", "--no-trial"} + patient);
  server.process().out_line_with("said=20 reached");
  replay.process().signal(SIGINT);
  replay.process().err_line_with("ending early");
  CHECK_THROWS(replay.process().wait(300ms));  // it waits for a reader
  replay.process().signal(SIGINT);
  CHECK(replay.process().wait(soon) == 130);
}
