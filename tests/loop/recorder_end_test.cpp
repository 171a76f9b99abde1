// How `chorus record` starts, ends and fails. What goes through it is tested in recorder_loop_test.cpp.
#include "tests/loop/recorder_fixture.h"

#include <atomic>
#include <csignal>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::test;

namespace {

// Runs `chorus record` with arguments that it must refuse: exit status 2 and one line, which is returned.
std::string refusal(const std::vector<std::string>& arguments, const std::string& prefix = "true") {
  std::vector<std::string> words{"/bin/sh", "-c", prefix + " && exec \"$0\" record \"$@\"",
                                 CHORUS_EXECUTABLE};
  words.insert(words.end(), arguments.begin(), arguments.end());
  Process process(words);
  const int status = process.wait();
  const std::string said = process.err_rest();
  CHECK(status == 2);
  CHECK(process.out_rest().empty());
  CHECK(std::count(said.begin(), said.end(), '\n') == 1);
  return said;
}

void wait_until(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("waited in vain");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

TEST_CASE("SIGTERM closes what is open and leaves a whole trace") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  client.send("hello");
  CHECK(server.receive_exactly(5) == "hello");
  const format::Trace trace = recorder.finish();
  CHECK(client.receive_rest().empty());
  CHECK(server.receive_rest().empty());
  const Told one = told(trace).at(0);
  CHECK(one.kinds == "Opened ToServer Closed");
  CHECK(one.last == "recording ended");
  CHECK(boost::json::parse(trace.info).at("mode") == "recording");
  CHECK(recorder.process->out_rest().starts_with(
      "recorded 1 connection: 5 B to the server, 0 B to the client, 3 "));
}

// The connections are spread over the recorder's threads, and none of them is at rest.
TEST_CASE("SIGTERM while many talk keeps what each of them said so far, and counts all passwords",
          "[sanitize]") {
  constexpr std::size_t crowd = 12;
  RecorderUnderTest recorder({"--protocol", "irc"});
  std::vector<RecorderUnderTest::Pair> pairs;
  for (std::size_t i = 0; i < crowd; ++i) pairs.push_back(recorder.connect());
  std::atomic<std::size_t> talking{0};
  format::Trace trace;
  {
    std::vector<std::jthread> threads;
    for (auto& [client, server] : pairs)
      threads.emplace_back([&] {
        client.send("PASS hunter2\r\n");
        server.receive_exactly(14);
        try {
          for (int line = 0;; ++line) {
            client.send("PING " + std::to_string(line) + "\r\n");
            server.send(server.receive());
            client.receive();
            if (line == 20) ++talking;
          }
        } catch (const std::exception&) {  // the recorder has ended
        }
      });
    wait_until([&] { return talking == crowd; });
    trace = recorder.finish();
  }
  const auto all = told(trace);
  REQUIRE(all.size() == crowd);
  for (const auto& [connection, one] : all) {
    CHECK(one.to_server.starts_with("PASS xxxxxxx\r\nPING 0\r\nPING 1\r\n"));
    CHECK(one.to_server.find("PING 20\r\n") != std::string::npos);
    CHECK(one.to_server.find(one.to_client) != std::string::npos);
    CHECK(one.last == "recording ended");
  }
  CHECK(boost::json::parse(trace.info).at("redacted").at("client").at("secrets") == crowd);
}

TEST_CASE("Ctrl-C ends a recording in which nobody came") {
  RecorderUnderTest recorder;
  recorder.process->signal(SIGINT);
  CHECK(recorder.process->wait() == 0);
  CHECK(recorder.load().events.empty());
}

TEST_CASE("Who tells a recorder to end often says it twice, as timeout does: the trace is whole") {
  for (int i = 0; i < 5; ++i) {
    RecorderUnderTest recorder;
    auto pair = recorder.connect();
    pair.client.send("hello");
    CHECK(pair.server.receive_exactly(5) == "hello");
    recorder.process->signal(SIGTERM);
    recorder.process->signal(SIGTERM);
    recorder.process->signal(SIGINT);
    CHECK(recorder.process->wait() == 0);
    CHECK_FALSE(recorder.load().damage.any());
  }
}

TEST_CASE("A recording of two sessions ends when both have ended", "[sanitize]") {
  RecorderUnderTest recorder({"--sessions", "2"});
  auto first = recorder.connect();
  auto second = recorder.connect();
  first.client.close();
  first.server.close();
  second.client.send("still here");
  CHECK(second.server.receive_exactly(10) == "still here");
  second.server.close();
  second.client.close();
  CHECK(recorder.process->wait() == 0);
  CHECK(told(recorder.load()).size() == 2);
}

TEST_CASE("A recording with a duration ends by itself") {
  RecorderUnderTest recorder({"--duration", "200ms", "--json"});
  CHECK(recorder.process->wait() == 0);
  const auto document = boost::json::parse(recorder.process->out_rest());
  CHECK(document.at("ended_by") == "duration");
  CHECK(document.at("duration_s").as_double() >= 0.2);
  CHECK(recorder.load().events.empty());
}

TEST_CASE("The summary can be had as one JSON document, and the protocol stands in the trace") {
  RecorderUnderTest recorder({"--json", "--protocol", "irc", "--sessions", "1"});
  auto [client, server] = recorder.connect();
  client.send("hello");
  CHECK(server.receive_exactly(5) == "hello");
  client.close();
  server.close();
  CHECK(recorder.process->wait() == 0);
  const auto document = boost::json::parse(recorder.process->out_rest());
  CHECK(document.at("schema") == "chorus.record/1");
  CHECK(document.at("complete") == true);
  CHECK(document.at("ended_by") == "sessions");
  CHECK(document.at("connections") == 1);
  CHECK(document.at("to_server_bytes") == 5);
  CHECK(document.at("file_bytes") == std::filesystem::file_size(recorder.trace_file()));
  CHECK(boost::json::parse(recorder.load().info).at("protocol") == "irc");
}

TEST_CASE("A refused upstream closes the client and is noted, and recording goes on") {
  const std::uint16_t upstream = Listener().port();  // nobody listens there any more
  RecorderUnderTest recorder(upstream, {});
  CHECK(Socket::connect(recorder.port).receive_rest().empty());
  const std::string said = recorder.process->err_line_with("upstream cannot be reached");
  CHECK(said.ends_with(": Connection refused"));
  Listener late(upstream);
  Socket client = Socket::connect(recorder.port);
  Socket server = late.accept();
  client.send("hello");
  CHECK(server.receive_exactly(5) == "hello");
  const auto all = told(recorder.finish());
  CHECK(all.at(0).kinds == "Refused");
  CHECK(all.at(0).last == "Connection refused");
  CHECK(all.at(1).kinds == "Opened ToServer Closed");
}

TEST_CASE(
    "When the trace cannot grow any more that is said at once, the chat goes on, and the end is trouble") {
  RecorderUnderTest recorder(std::vector<std::string>{}, "ulimit -f 64");  // the file: some tens of KiB
  auto [client, server] = recorder.connect();
  std::mt19937 random(1);
  std::string bytes(400'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  client.send(bytes.substr(0, 5000));
  CHECK((server.receive_exactly(5000) == bytes.substr(0, 5000)));
  // One whole block on the disk before that is full; a block is closed by time.
  const auto empty = std::filesystem::file_size(recorder.partial_file());
  wait_until([&] { return std::filesystem::file_size(recorder.partial_file()) > empty + 5000; });
  client.send(bytes);
  CHECK((server.receive_exactly(bytes.size()) == bytes));
  recorder.process->err_line_with("forwarding goes on");
  client.send("the chat goes on");
  CHECK(server.receive_exactly(16) == "the chat goes on");
  recorder.process->signal(SIGTERM);
  CHECK(recorder.process->wait() == 2);
  CHECK_FALSE(std::filesystem::exists(recorder.trace_file()));
  const auto trace = format::load(recorder.partial_file());
  REQUIRE(trace.has_value());
  const std::string kept = told(*trace).at(0).to_server;
  CHECK(kept.size() >= 5000);
  CHECK((bytes.substr(0, 5000) + bytes).starts_with(kept));
}

TEST_CASE("Without the files that a recorder itself needs it says so and ends") {
  ScratchFolder folder;
  const std::string file = (folder / "one.trace").string();
  for (const std::string limit : {"6", "10"})
    CHECK(refusal({"--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:9", "-o", file}, "ulimit -n " + limit)
              .find("Too many open files") != std::string::npos);
}

#ifndef __SANITIZE_ADDRESS__  // out of files, UBSan's vptr check has no pipe to probe memory with and raises
                              // a false alarm
TEST_CASE("Too few open files are said once, and the clients that waited are served when others have ended") {
  RecorderUnderTest recorder(std::vector<std::string>{}, "ulimit -n 24");
  std::vector<Socket> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(Socket::connect(recorder.port));
  const std::string said = recorder.process->err_line_with("cannot take another client now");
  CHECK(said.find("(the limit is 24)") != std::string::npos);
  for (Socket& client : clients) {  // each in its turn: those that are there go on
    client.send("me too");
    Socket server = recorder.listener.accept();
    CHECK(server.receive_exactly(6) == "me too");
    server.send("and you");
    CHECK(client.receive_exactly(7) == "and you");
    client.close();
  }
  CHECK(recorder.process->err_rest().find("cannot take") == std::string::npos);
  CHECK(told(recorder.finish()).size() == 20);
}
#endif

TEST_CASE("An existing trace is refused and stays as it is") {
  ScratchFolder folder;
  const std::string file = (folder / "one.trace").string();
  std::ofstream(file) << "precious";
  CHECK(refusal({"--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:9", "-o", file}).find("--force") !=
        std::string::npos);
  std::string content;
  std::ifstream(file) >> content;
  CHECK(content == "precious");
}

TEST_CASE("A port in use is refused, and no trace is left behind") {
  ScratchFolder folder;
  Listener taken;
  const std::string address = "127.0.0.1:" + std::to_string(taken.port());
  const std::string file = (folder / "one.trace").string();
  CHECK(refusal({"--listen", address, "--upstream", "127.0.0.1:9", "-o", file})
            .find("cannot listen on " + address + ": Address already in use") != std::string::npos);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("An upstream that is the recorder itself is refused") {
  ScratchFolder folder;
  const std::string address = "127.0.0.1:" + std::to_string(Listener().port());
  CHECK(refusal({"--listen", address, "--upstream", address, "-o", (folder / "one.trace").string()})
            .find("the same address") != std::string::npos);
}

TEST_CASE("Bad addresses, durations and folders are refused in one line that names the option") {
  ScratchFolder folder;
  const std::string file = (folder / "one.trace").string();
  CHECK(refusal({"--upstream", "nonsense", "-o", file}).find("--upstream") != std::string::npos);
  CHECK(refusal({"--listen", "127.0.0.1:99999", "--upstream", "127.0.0.1:9", "-o", file}).find("--listen") !=
        std::string::npos);
  CHECK(refusal({"--upstream", "127.0.0.1:9", "--sessions", "-1", "-o", file}).find("--sessions") !=
        std::string::npos);
  CHECK(refusal({"--upstream", "127.0.0.1:9", "--duration", "soon", "-o", file}).find("--duration") !=
        std::string::npos);
  CHECK(refusal({"--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:9", "-o",
                 (folder / "no/such/one.trace").string()})
            .find("no/such/one.trace") != std::string::npos);
  CHECK(refusal({"--upstream", "no-such-host.invalid:9", "-o", file}).find("cannot resolve the host") !=
        std::string::npos);
}
