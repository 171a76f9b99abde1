// A server that goes mad towards one client: bounded memory, a typed failure of that client, and the rest of
// the crowd does not notice. The server is the test's own; its protocols are pages of three lines.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/socket.h"
#include "traces/format/writer.h"

#include <atomic>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

using namespace chorus::test;
using namespace std::string_literals;
using namespace std::chrono_literals;
using chorus::format::EventKind;

namespace {

constexpr int crowd = 10;
constexpr std::uint64_t flood_bytes = 64u << 20;  // how much the mad server would like to send
constexpr std::int64_t most_memory =
    48 * 1024 * 1024;  // a crowd of ten needs 8 MiB; sanitizers are not used here

struct Protocol {
  std::string name, page;
  std::string hello, welcome, bye;  // what the client says, what the server says, what the client says
};

const std::string rules = R"(
[login]
gates = ["WELCOME"]
ready = { kinds = "WELCOME" }
[[answer]]
to = "HELLO"
by = "WELCOME"
required = true
)";

std::vector<Protocol> protocols() {
  const std::string words = "[kind]\nword = 1\n";
  const std::string numbers =
      "[kind]\nat = 0\nwidth = 1\n[kind.names]\n1 = \"HELLO\"\n2 = \"WELCOME\"\n3 = \"BYE\"\n";
  return {
      {"line", "name = \"line\"\n[framing]\ntype = \"line\"\n" + words + rules, "HELLO\n", "WELCOME\n",
       "BYE\n"},
      {"length",
       "name = \"length\"\n[framing]\ntype = \"length\"\noffset = 1\nwidth = 4\nheader = 5\n" + numbers +
           rules,
       "\x01\x00\x00\x00\x00"s, "\x02\x00\x00\x00\x00"s, "\x03\x00\x00\x00\x00"s},
      {"varint", "name = \"varint\"\n[framing]\ntype = \"varint\"\n" + numbers + rules, "\x01\x00"s,
       "\x02\x00"s, "\x03\x00"s},
      {"xml", "name = \"xml\"\n[framing]\ntype = \"xml\"\n[kind]\nelement = true\n" + rules, "<hello/>",
       "<welcome/>", "<bye/>"},
  };
}

void write_recording(const std::string& file, const Protocol& protocol) {
  auto writer = chorus::format::Writer::create(file, {});
  if (!writer) throw std::runtime_error(writer.error().what);
  const auto add = [&](std::chrono::nanoseconds time, EventKind kind, std::string_view bytes) {
    (*writer)->add({time, 0, kind, bytes, std::nullopt});
  };
  add(0ms, EventKind::Opened, "127.0.0.1:1 127.0.0.1:2");
  add(1ms, EventKind::ToServer, protocol.hello);
  add(2ms, EventKind::ToClient, protocol.welcome);
  add(200ms, EventKind::ToServer, protocol.bye);
  add(210ms, EventKind::ClientEnd, "");
  if (auto closed = (*writer)->close(); !closed) throw std::runtime_error(closed.error().what);
}

// Accepts a crowd; the fourth client gets `madness`, again and again, the others what they expect.
class MadServer {
 public:
  MadServer(const Protocol& protocol, std::string first, std::string again)
      : thread_([this, protocol, first, again] { serve(protocol, first, again); }) {}
  ~MadServer() { thread_.join(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(listener_.port()); }
  std::uint64_t sent() const { return sent_; }

 private:
  void serve(const Protocol& protocol, const std::string& first, const std::string& again) {
    std::vector<Socket> clients;
    Socket victim;
    std::thread mad;
    for (int i = 0; i < crowd; ++i) {
      Socket client = listener_.accept();
      if (i == 3) {
        victim = std::move(client);
        mad = std::thread([&] { flood(victim, first, again); });
        continue;
      }
      client.receive_exactly(protocol.hello.size());
      client.send(protocol.welcome);
      clients.push_back(std::move(client));
    }
    mad.join();
    for (Socket& client : clients) {
      try {
        client.receive_rest();
      } catch (const std::exception&) {  // it hung up with a reset: that is its right
      }
    }
  }
  void flood(Socket& client, const std::string& first, const std::string& again) {
    try {
      client.send(first);
      for (sent_ = first.size(); sent_ < flood_bytes; sent_ += again.size()) client.send(again);
    } catch (const std::exception&) {  // the client has had enough
    }
  }

  Listener listener_;
  std::atomic<std::uint64_t> sent_{0};
  std::thread thread_;
};

// The bytes that a mad server of this protocol begins with, and goes on with for ever.
std::vector<std::pair<std::string, std::string>> madness(const std::string& protocol) {
  const std::string much(256 * 1024, 'x');
  if (protocol == "line") return {{"WELCOM", much}};
  if (protocol == "length") return {{"\x02\xff\xff\xff\xff"s, much}, {"\x02\x00\x00\x20\x00"s, much}};
  if (protocol == "varint") return {{"\x02\xff\xff\xff\xff\xff"s, much}, {"\x02\xff\xff\xff\x7f"s, much}};
  return {{"<welcome><a>", much},
          {"<welcome ", much},
          {"</a>", much},
          {"<a>" + std::string(300, '<'), much},
          {std::string("\xff\xfe\x80<\x00>", 6), much}};
}

}  // namespace

TEST_CASE("a server that goes mad costs one client, little memory, and nobody else anything",
          "[loop][hostile]") {
  for (const Protocol& protocol : protocols()) {
    for (const auto& [first, again] : madness(protocol.name)) {
      ScratchFolder folder;
      const std::string recording = folder / "one.trace", page = folder / (protocol.name + ".toml");
      write_recording(recording, protocol);
      std::ofstream(page) << protocol.page;
      MadServer server(protocol, first, again);
      const Finished replayed =
          run_chorus({"replay", recording, "--target", server.address(), "--clients", std::to_string(crowd),
                      "--protocol", page, "--no-trial", "--json", "--ramp", "20ms", "--timeout", "5s"});
      INFO(protocol.name << "\n" << replayed.out << replayed.err);
      const auto result = document_of(replayed);
      CHECK(result.at("clients").at("completed") == crowd - 1);
      CHECK(result.at("clients").at("failed") == 1);
      const std::string reason(result.at("divergences").as_array().at(0).at("reason").as_string());
      CHECK(reason.rfind("the server's bytes are no message of this protocol: ", 0) == 0);
      CHECK(result.at("resources").at("self").at("rss_peak_bytes").to_number<std::int64_t>() < most_memory);
      CHECK(ended_with(replayed, 1));
    }
  }
}
