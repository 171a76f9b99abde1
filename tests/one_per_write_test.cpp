// The client's bytes cut into one write per message, without sockets.
#include "recorder/one_per_write.h"

#include "recorder/summary.h"
#include "tests/chat_server/packets.h"
#include "traces/protocol/page.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace chorus;
using recorder::OnePerWrite;
using recorder::Recut;

namespace {

using Texts = std::vector<std::string>;

std::string original(std::string packet) {
  return chat::in_dialect(chat::Dialect::original, std::move(packet));
}

const Texts packets = {chat::named_packet(chat::Type::server_enter, "alice"),
                       original(chat::room_enter("alice", 1)),
                       original(chat::unicast("bob", "alice", "hello")),
                       original(chat::chat_packet(chat::Type::multicast, "alice", ""))};

struct Scene {
  // What goes out after one read.
  Texts read(std::string_view bytes) {
    messages.add(bytes);
    Texts writes;
    while (messages.has_next()) writes.push_back(*messages.next());
    CHECK_FALSE(messages.next());
    return writes;
  }

  protocol::Page page = *protocol::Page::find("packet-chat-original");
  Recut recut;
  OnePerWrite messages{page.framing(protocol::Side::client), recut};
};

}  // namespace

TEST_CASE("one per write: messages that came in one read go out one by one") {
  Scene scene;
  CHECK(scene.read(packets[0] + packets[1] + packets[2] + packets[3]) == packets);
  CHECK(scene.read(packets[1]) == Texts{packets[1]});
  CHECK(scene.recut.split == 1);
  CHECK(scene.recut.joined == 0);
  CHECK(scene.recut.unframed == 0);
}

TEST_CASE("one per write: wherever the reads cut, the writes are the messages") {
  std::string bytes;
  for (const auto& packet : packets) bytes += packet;
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Scene scene;
    Texts writes = scene.read(bytes.substr(0, cut));
    for (auto& one : scene.read(bytes.substr(cut))) writes.push_back(one);
    REQUIRE(writes == packets);
    REQUIRE(scene.messages.empty());
  }
}

TEST_CASE("one per write: a message that came byte by byte goes out once, and counts once") {
  Scene scene;
  Texts writes;
  for (const char& byte : packets[1]) {
    for (auto& one : scene.read({&byte, 1})) writes.push_back(one);
  }
  CHECK(writes == Texts{packets[1]});
  CHECK(scene.recut.joined == 1);
  CHECK(scene.recut.split == 0);
}

TEST_CASE("one per write: bytes that are no messages go on as they come, from there on") {
  Scene scene;
  const std::string nonsense(20, '\xff');
  CHECK(scene.read(packets[0] + nonsense) == Texts{packets[0], nonsense});
  CHECK(scene.read(packets[0] + packets[1]) == Texts{packets[0] + packets[1]});
  CHECK(scene.recut.unframed == 20 + packets[0].size() + packets[1].size());
}

TEST_CASE("one per write: half a message at the end is not kept back") {
  Scene scene;
  CHECK(scene.read(packets[0] + packets[1].substr(0, 9)) == Texts{packets[0]});
  CHECK(scene.messages.take_rest() == packets[1].substr(0, 9));
  CHECK(scene.messages.empty());
  CHECK(scene.recut.unframed == 9);
}

TEST_CASE("one per write: the trace's header says it from the start, and with figures at the end") {
  recorder::RecordOptions options;
  CHECK_FALSE(boost::json::parse(info_json(options, {})).as_object().contains("changed"));
  options.one_per_write = protocol::Framing{};
  CHECK(boost::json::parse(info_json(options, {})).at("changed") ==
        "each message of a client goes to the server as one write");
  CHECK(boost::json::parse(recorder::changed_json({.split = 3, .joined = 1, .unframed = 0})).at("changed") ==
        "each message of a client goes to the server as one write: 3 reads split, 1 messages joined");
}

TEST_CASE("one per write: a page says it beside its framing, and it needs one that finds messages") {
  CHECK(protocol::Page::find("packet-chat-original")->one_per_write());
  CHECK_FALSE(protocol::Page::find("packet-chat")->one_per_write());
  const auto raw =
      protocol::Page::parse("name = \"a\"\n[framing]\ntype = \"raw\"\none_per_write = true\n", "a.toml");
  REQUIRE_FALSE(raw.has_value());
  CHECK(raw.error().what.find("a.toml") != std::string::npos);
  CHECK(raw.error().what.find("one_per_write") != std::string::npos);
}
