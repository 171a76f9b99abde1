// The original chat server's dialect: one receive is one packet there. Recorded through the recorder,
// replayed as a crowd under names of other lengths, compared.
#include "tests/chat_server/packets.h"
#include "tests/loop/chat_fixture.h"
#include "tests/loop/recorder_fixture.h"

#include <csignal>
#include <thread>

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace chorus::test;
using namespace chorus::chat;
namespace json = boost::json;

namespace {

std::string original(std::string packet) {
  return in_dialect(Dialect::original, std::move(packet));
}

// `chorus record` in front of the server; its port.
struct Recorder {
  Recorder(const ChatServer& server, const std::string& trace, std::vector<std::string> more)
      : process([&] {
          std::vector<std::string> arguments{CHORUS_EXECUTABLE,
                                             "record",
                                             "--listen",
                                             "127.0.0.1:0",
                                             "--upstream",
                                             server.address(),
                                             "--protocol",
                                             "packet-chat-original",
                                             "-o",
                                             trace};
          arguments.insert(arguments.end(), more.begin(), more.end());
          return arguments;
        }()) {
    const std::string line = process.err_line_with("recording 127.0.0.1:");
    port = static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1)));
  }
  Process process;
  std::uint16_t port = 0;
};

Process chat_client(const Recorder& recorder, const std::string& nick, const std::string& messages) {
  return Process({CHAT_CLIENT_EXECUTABLE, "--connect", "127.0.0.1:" + std::to_string(recorder.port), "--nick",
                  nick, "--messages", messages, "--every", "300ms", "--dialect", "original"});
}

std::vector<std::string> to_server(const chorus::format::Trace& trace) {
  std::vector<std::string> writes;
  for (const auto& event : trace.events)
    if (event.kind == chorus::format::EventKind::ToServer) writes.emplace_back(event.payload);
  return writes;
}

std::string changed(const chorus::format::Trace& trace) {
  return std::string(json::parse(trace.info).at("changed").as_string());
}

}  // namespace

TEST_CASE("two users of the original dialect are recorded and replayed fifty times under names of any length",
          "[loop]") {
  ScratchFolder folder;
  ChatServer server({"--dialect", "original", "--stats"});
  const std::string two = folder / "two.trace";
  {
    Recorder recorder(server, two, {"--sessions", "2"});
    auto alice = chat_client(recorder, "alice", "8");
    alice.out_line_with("in room");
    std::this_thread::sleep_for(
        std::chrono::milliseconds(100));  // bob comes later: that belongs to the recording
    auto bob = chat_client(recorder, "bob", "6");
    CHECK(alice.wait() == 0);
    CHECK(bob.wait() == 0);
    REQUIRE(recorder.process.wait() == 0);
  }
  const Finished shown = run_chorus({"show", two});
  CHECK(shown.out.find("packet-chat-original") != std::string::npos);
  CHECK(shown.out.find("one write") != std::string::npos);

  for (const std::string name : {"u{client:07}", "someone{client:07}", "a{client}"}) {
    const std::string crowd = folder / (name.substr(0, 1) + ".trace");
    const Finished replayed =
        run_chorus(replay(two, server, {"--scale", "50x", "--rename", "alice=" + name, "-o", crowd}));
    INFO(replayed.out << replayed.err);
    const auto result = document_of(replayed);
    CHECK(result.at("clients").at("requested") == 100);
    CHECK(result.at("clients").at("completed") == 100);
    CHECK(result.at("messages").at("unanswered") == 0);
    CHECK(result.at("fanout").at("ratio").to_number<double>() == 1.0);
    if (result.at("verdict") != "VALID") continue;  // a busy machine may spoil the timing, never the content
    const Finished compared = run_chorus({"diff", two, crowd});
    INFO(compared.out << compared.err);
    CHECK(compared.status == 0);
    CHECK(compared.out.find("SAME") != std::string::npos);
  }
  server.process().signal(SIGTERM);
  CHECK(server.process().wait() == 0);
  const auto stats = json::parse(server.process().out_rest());
  CHECK(stats.at("lost") == 0);
  CHECK(stats.at("misread") == 0);
}

TEST_CASE("what a client's write merged or cut reaches the original server packet by packet", "[loop]") {
  ScratchFolder folder;
  ChatServer server({"--dialect", "original", "--stats"});
  const std::string file = folder / "one.trace";
  Recorder recorder(server, file, {"--sessions", "1"});
  const std::string enter = named_packet(Type::server_enter, "alice"),
                    join = original(room_enter("alice", 1));
  const std::string said = original(chat_packet(Type::multicast, "alice", "hello"));
  const std::string bye = named_packet(Type::server_exit, "alice");

  Socket alice = Socket::connect(recorder.port);
  const std::string created = original(server_message(Code::created));
  alice.send(enter + join + said.substr(0, 10));
  CHECK(alice.receive_exactly(created.size() + join.size()) == created + join);
  alice.send(said.substr(10) + bye);
  CHECK(alice.receive_rest() == said + bye);
  alice.close();
  REQUIRE(recorder.process.wait() == 0);

  const auto trace = chorus::format::load(file);
  REQUIRE(trace.has_value());
  CHECK(to_server(*trace) == std::vector<std::string>{enter, join, said, bye});
  CHECK(changed(*trace) ==
        "each message of a client goes to the server as one write: 2 reads split, 1 messages joined");
  server.process().signal(SIGTERM);
  CHECK(server.process().wait() == 0);
  const auto stats = json::parse(server.process().out_rest());
  CHECK(stats.at("messages_in") == 4);
  CHECK(stats.at("lost") == 0);
  CHECK(stats.at("misread") == 0);
}

TEST_CASE("without the recorder the original server loses what a client merged", "[loop]") {
  ChatServer server({"--dialect", "original"});
  Socket alice = Socket::connect(server.port());
  const std::string created = original(server_message(Code::created));
  alice.send(named_packet(Type::server_enter, "alice") + original(room_enter("alice", 1)));
  CHECK(alice.receive_exactly(created.size()) == created);
  alice.end();
  CHECK(alice.receive_rest().empty());
}

TEST_CASE("bytes that are no messages go to the server as they came, which is said once", "[loop]") {
  RecorderUnderTest recorder({"--protocol", "packet-chat-original"});
  auto [client, server] = recorder.connect();
  const std::string first(200, '\xff'), second = "and more of it";
  client.send(first);
  CHECK(server.receive_exactly(first.size()) == first);
  client.send(second);
  CHECK(server.receive_exactly(second.size()) == second);
  client.end();
  CHECK(server.receive_rest().empty());
  server.close();
  const auto trace = recorder.finish();
  CHECK(changed(trace).find("214 bytes forwarded as they came") != std::string::npos);
  const std::string err = recorder.process->err_rest();
  const auto said = err.find("no whole message");
  REQUIRE(said != std::string::npos);
  CHECK(err.find("no whole message", said + 1) == std::string::npos);
}

TEST_CASE("half a message at a client's end is not kept back, and one before a reset is noted", "[loop]") {
  RecorderUnderTest recorder({"--protocol", "packet-chat-original"});
  const std::string enter = named_packet(Type::server_enter, "alice");
  const std::string half = original(room_enter("alice", 1)).substr(0, 17);
  auto [client, server] = recorder.connect();
  client.send(enter + half);
  client.end();
  CHECK(server.receive_rest() == enter + half);
  server.close();
  auto [other, its_server] = recorder.connect();
  other.send(enter + half);
  CHECK(its_server.receive_exactly(enter.size()) == enter);
  other.reset();
  CHECK(its_server.is_reset());
  const auto trace = recorder.finish();
  CHECK(told(trace).at(0).to_server == enter + half);
  CHECK(told(trace).at(1).to_server == enter + half);
}
