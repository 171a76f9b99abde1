// Bad input and bad luck while replaying: one clear line, the right exit status, no hang.
#include "tests/chat_server/packets.h"
#include "tests/loop/chat_fixture.h"
#include "tests/loop/socket.h"

#include <csignal>
#include <fstream>

#include <catch2/catch.hpp>

using namespace chorus::test;
namespace json = boost::json;

namespace {

std::int64_t count(const json::object& document, const char* part, const char* key) {
  return document.at(part).as_object().at(key).to_number<std::int64_t>();
}

double micros(const json::object& document, const char* part, const char* key) {
  return document.at(part).as_object().at(key).to_number<double>();
}

void expect_trouble(const Finished& finished, const std::string& words) {
  INFO(finished.out << finished.err);
  CHECK(finished.status == 2);
  CHECK(finished.err.find(words) != std::string::npos);
  CHECK(finished.out.empty());
}

}  // namespace

TEST_CASE("a server that is full turns clients away, which is counted and told apart", "[loop][sanitize]") {
  ChatServer server({"--max-clients", "8"});
  // The trial's two clients come first and are gone again.
  const Finished replayed =
      run_chorus(replay(sample("packet-chat.trace"), server, {"--clients", "20", "--ramp", "1ms"}));
  const auto result = document_of(replayed);
  INFO(replayed.out);
  CHECK(ended_with(replayed, 1));
  CHECK(count(result, "clients", "completed") == 8);
  CHECK(count(result, "clients", "refused") == 12);
  CHECK(ended_with(run_chorus(replay(sample("packet-chat.trace"), server,
                                     {"--clients", "20", "--ramp", "1ms", "--tolerate", "60%"})),
                   0));
}

TEST_CASE("refused clients that may retry come in when others have left", "[loop]") {
  ChatServer server({"--max-clients", "10"});
  const Finished replayed =
      run_chorus(replay(sample("packet-chat.trace"), server,
                        {"--clients", "16", "--ramp", "1ms", "--speed", "8", "--on-refused", "retry"}));
  INFO(replayed.out);
  CHECK(count(document_of(replayed), "clients", "completed") == 16);
}

TEST_CASE("a crowd that used the recorded names would fail, and the run says where and what to try",
          "[loop]") {
  ChatServer server;
  const Finished replayed =
      run_chorus({"replay", sample("packet-chat.trace"), "--target", server.address(), "--clients", "10",
                  "--ramp", "1ms", "--rename", "alice=alice", "--no-trial"});
  INFO(replayed.out);
  CHECK(ended_with(replayed, 1));
  CHECK(replayed.out.find("4 clients after 1 of") != std::string::npos);
  CHECK(replayed.out.find("nickname is already in use") != std::string::npos);
  CHECK(replayed.out.find("--rename alice=") != std::string::npos);
}

TEST_CASE("the trial login stops a crowd that could not get in", "[loop]") {
  ChatServer server;
  Socket taken = Socket::connect(server.port());
  taken.send(chorus::chat::named_packet(chorus::chat::Type::server_enter, "alice"));
  REQUIRE(taken.receive_exactly(8).size() == 8);  // "created"
  const Finished replayed = run_chorus({"replay", sample("packet-chat.trace"), "--target", server.address(),
                                        "--clients", "10", "--rename", "alice=alice"});
  CHECK(replayed.status == 1);
  CHECK(replayed.err.find("trial login") != std::string::npos);
  CHECK(replayed.err.find("already in use") != std::string::npos);
  CHECK(replayed.out.empty());
}

TEST_CASE("a server that dies midway ends the run, with everybody counted", "[loop][sanitize]") {
  ChatServer server({"--kill-at", "3s"});
  const Finished replayed =
      run_chorus(replay(sample("packet-chat.trace"), server,
                        {"--clients", "30", "--ramp", "1ms", "--no-trial", "--loop", "--duration", "10m"}));
  const auto result = document_of(replayed);
  INFO(replayed.out);
  CHECK(ended_with(replayed, 1));
  CHECK(count(result, "clients", "completed") == 0);
  CHECK(count(result, "clients", "disconnected") == 30);
}

TEST_CASE("a server that resets connections as they enter is told apart from one that answers", "[loop]") {
  ChatServer server({"--reset-one-in", "5"});
  const Finished replayed = run_chorus(
      replay(sample("packet-chat.trace"), server, {"--clients", "20", "--ramp", "1ms", "--no-trial"}));
  const auto result = document_of(replayed);
  INFO(replayed.out);
  CHECK(ended_with(replayed, 1));
  CHECK(count(result, "clients", "completed") + 4 == 20);
}

TEST_CASE("nobody listens there", "[loop]") {
  std::uint16_t port = 0;
  {
    Listener listener;
    port = listener.port();
  }
  const Finished replayed = run_chorus({"replay", sample("packet-chat.trace"), "--target",
                                        "127.0.0.1:" + std::to_string(port), "--clients", "4"});
  expect_trouble(replayed, "connection refused");
}

TEST_CASE("a server that never answers fails its clients at the timeout", "[loop]") {
  Listener silent;  // accepts by its backlog, says nothing
  const Finished replayed =
      run_chorus({"replay", sample("packet-chat.trace"), "--target",
                  "127.0.0.1:" + std::to_string(silent.port()), "--clients", "4", "--timeout", "300ms"});
  CHECK(replayed.status == 1);
  CHECK(replayed.err.find("no SERVER_MESSAGE within 300ms") != std::string::npos);
}

TEST_CASE("Ctrl-C ends a run early with a full report", "[loop][sanitize]") {
  ScratchFolder folder;
  ChatServer server;
  const std::string crowd = folder / "crowd.trace";
  std::vector<std::string> arguments{CHORUS_EXECUTABLE};
  for (auto& argument : replay(sample("packet-chat.trace"), server,
                               {"--clients", "20", "--loop", "--duration", "10m", "-o", crowd})) {
    arguments.push_back(argument);
  }
  Process process(arguments);
  process.err_line_with("20 clients");
  process.err_line_with("connected");  // the plain live line, after 10 s at the latest
  process.signal(SIGINT);
  process.wait();
  const Finished finished{0, process.out_rest(), process.err_rest()};
  const auto result = document_of(finished);
  CHECK(result.at("interrupted").as_bool());
  CHECK(count(result, "clients", "interrupted") == 20);
  CHECK(std::filesystem::exists(crowd));
}

TEST_CASE("a replayer that was stopped says so and is invalid; a stopped server shows in the latency",
          "[slow]") {
  ChatServer server;
  const auto stopped = [&](pid_t process) {
    ::kill(process, SIGSTOP);
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(320);
    while (std::chrono::steady_clock::now() < until) ::usleep(1000);  // the stop itself is what takes time
    ::kill(process, SIGCONT);
  };
  // The copies start over 3 s, which is longer than the longest pause of the recording: something is always
  // due.
  for (const bool stop_the_server : {false, true}) {
    std::vector<std::string> arguments{CHORUS_EXECUTABLE};
    for (auto& argument :
         replay(sample("steady.trace"), server,
                {"--clients", "600", "--ramp", "10ms", "--watch", std::to_string(server.process().pid())})) {
      arguments.push_back(argument);
    }
    Process process(arguments);
    process.err_line_with("600 clients");
    const auto middle = std::chrono::steady_clock::now() + std::chrono::seconds(4);
    while (std::chrono::steady_clock::now() < middle) ::usleep(1000);
    stopped(stop_the_server ? server.process().pid() : process.pid());
    const int status = process.wait();
    const Finished finished{status, process.out_rest(), process.err_rest()};
    const auto result = document_of(finished);
    INFO(finished.out);
    CHECK(count(result, "clients", "completed") == 600);
    if (stop_the_server) {
      CHECK(micros(result.at("latency_us").as_object(), "CHAT_MULTICAST", "max") >= 250'000);
      CHECK(micros(result, "lateness_us", "max") < 250'000);
    } else {
      CHECK(status == 2);
      CHECK(result.at("verdict") == "INVALID");
      CHECK(micros(result, "lateness_us", "max") >= 300'000);
    }
  }
}

TEST_CASE("files that are no whole trace are refused in one line", "[loop]") {
  ScratchFolder folder;
  const std::string file = folder / "x.trace";
  const auto replayed = [&] {
    return run_chorus({"replay", file, "--target", "127.0.0.1:1", "--clients", "1"});
  };
  expect_trouble(replayed(), "x.trace");
  std::ofstream(file).flush();
  expect_trouble(replayed(), "empty");
  std::ofstream(file) << "GET / HTTP/1.1\r\n\r\n" << std::string(1000, 'x');
  expect_trouble(replayed(), "is no trace");
}

TEST_CASE("wrong flags are refused in one line that says what is right", "[loop]") {
  const auto replayed = [](std::vector<std::string> more) {
    std::vector<std::string> arguments{"replay", sample("packet-chat.trace"), "--target", "127.0.0.1:1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_chorus(arguments);
  };
  expect_trouble(replayed({}), "--clients");
  expect_trouble(replayed({"--clients", "0"}), "--clients");
  expect_trouble(replayed({"--clients", "1", "--ramp", "5"}), "--ramp");
  expect_trouble(replayed({"--clients", "1", "--ramp", "-1ms"}), "--ramp");
  expect_trouble(replayed({"--clients", "1", "--speed", "nan"}), "--speed");
  expect_trouble(replayed({"--scale", "tenfold"}), "--scale");
  expect_trouble(replayed({"--clients", "1", "--loop"}), "--duration");
  expect_trouble(replayed({"--clients", "1", "--protocol", "smoke-signals"}), "smoke-signals");
  expect_trouble(replayed({"--clients", "1", "--rename", "zoe=z{client}"}), "zoe");
  expect_trouble(
      replayed({"--clients", "1", "--rename", "alice=an-alice-whose-name-is-far-too-long-{client}"}),
      "at most 31 fit");
}

TEST_CASE("a page that finds no whole message in a recording is refused by replay and diff", "[loop]") {
  const std::string recording = sample("packet-chat.trace");
  expect_trouble(
      run_chorus({"replay", recording, "--target", "127.0.0.1:1", "--clients", "1", "--protocol", "irc"}),
      "not of the protocol irc");
  expect_trouble(run_chorus({"diff", recording, sample("steady.trace"), "--protocol", "irc"}),
                 "not of the protocol irc");
}

TEST_CASE("more clients than one process may have files are refused where only one was granted", "[loop]") {
  Process process({"/bin/sh", "-c", "ulimit -n 200; exec \"$0\" \"$@\"", CHORUS_EXECUTABLE, "replay",
                   sample("packet-chat.trace"), "--target", "127.0.0.1:1", "--clients", "1000", "--processes",
                   "1"});
  CHECK(process.wait() == 2);
  CHECK(process.err_rest().find("open files") != std::string::npos);
}

TEST_CASE("a page with a mistake is refused with file, line and key", "[loop]") {
  ScratchFolder folder;
  const std::string page = folder / "mine.toml";
  std::ofstream(page) << "name = \"mine\"\n\n[framing]\ntype = \"lines\"\n";
  const Finished replayed = run_chorus({"replay", sample("packet-chat.trace"), "--target", "127.0.0.1:1",
                                        "--clients", "1", "--protocol", page});
  expect_trouble(replayed, "mine.toml:4");
}
