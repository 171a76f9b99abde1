// The page of the original chat server's dialect: where its messages end, and that neither of the two packet
// chats is taken for the other. Its steps in a score stand in loop/dialect_loop_test.cpp's replays.
#include "replayer/score.h"
#include "tests/chat_server/packets.h"
#include "tests/hand_made_trace.h"
#include "traces/protocol/conversation.h"

#include <catch2/catch.hpp>

using namespace chorus;
using chat::Code;
using chat::Dialect;
using chat::Type;
using protocol::HandMadeTrace;

namespace {

// The packet as the dialect has it, whichever it is.
struct Speaker {
  Dialect dialect;
  std::string operator()(std::string packet) const { return in_dialect(dialect, std::move(packet)); }
};

// alice enters, joins, talks, whispers and leaves: the first `packets` of what both sides say.
HandMadeTrace session(Dialect dialect, std::size_t packets = 99) {
  const Speaker in{dialect};
  const std::string join = in(chat::room_enter("alice", 1)),
                    bye = chat::named_packet(Type::server_exit, "alice");
  const std::string said = in(chat::chat_packet(Type::multicast, "alice", "hello"));
  const std::vector<std::pair<bool, std::string>> all = {
      {true, chat::named_packet(Type::server_enter, "alice")},
      {false, in(server_message(Code::created))},
      {true, join},
      {false, join},
      {true, said},
      {false, said},
      {true, in(chat::unicast("alice", "alice", "note to self"))},
      {false, in(chat::unicast("alice", "alice", "note to self"))},
      {true, bye},
      {false, bye}};
  HandMadeTrace hand;
  hand.opened(0, "127.0.0.1:50000 127.0.0.1:9898");
  for (std::size_t i = 0; i < std::min(packets, all.size()); ++i) {
    if (all[i].first)
      hand.client(0, all[i].second);
    else
      hand.server(0, all[i].second);
  }
  return hand;
}

std::string recognised(HandMadeTrace hand) {
  const auto found = protocol::recognise(hand.trace());
  return found ? std::string(found->page.name()) : found.error().what;
}

}  // namespace

TEST_CASE("original page: a recording of either packet chat is never taken for one of the other") {
  for (std::size_t packets = 2; packets <= 10; ++packets) {
    INFO(packets << " packets");
    CHECK(recognised(session(Dialect::original, packets)) == "packet-chat-original");
    CHECK(recognised(session(Dialect::regular, packets)) == "packet-chat");
  }
}

TEST_CASE("original page: a broadcast before the login's answer confuses neither") {
  for (const Dialect dialect : {Dialect::regular, Dialect::original}) {
    const Speaker in{dialect};
    HandMadeTrace hand;
    hand.opened(0).server(0, in(chat::chat_packet(Type::broadcast, "bob", "hello all")));
    hand.client(0, chat::named_packet(Type::server_enter, "alice"))
        .server(0, in(server_message(Code::created)));
    hand.client(0, in(chat::room_enter("alice", 1))).server(0, in(chat::room_enter("alice", 1)));
    CHECK(recognised(std::move(hand)) ==
          (dialect == Dialect::regular ? "packet-chat" : "packet-chat-original"));
  }
}

TEST_CASE("original page: somebody refused by a full server beside somebody served changes nothing") {
  for (const Dialect dialect : {Dialect::regular, Dialect::original}) {
    HandMadeTrace hand = session(dialect);
    hand.opened(1)
        .client(1, chat::named_packet(Type::server_enter, "bob"))
        .add(1, format::EventKind::ServerEnd);
    CHECK(recognised(std::move(hand)) ==
          (dialect == Dialect::regular ? "packet-chat" : "packet-chat-original"));
  }
}

TEST_CASE("original page: every packet of a session is one message of its kind") {
  auto hand = session(Dialect::original);
  auto page = *protocol::Page::find("packet-chat-original");
  const auto conversations = protocol::converse(hand.trace(), page);
  REQUIRE(conversations.size() == 1);
  CHECK(conversations[0].broken.empty());
  CHECK(conversations[0].unfinished[0] + conversations[0].unfinished[1] == 0);
  std::string kinds;
  for (const auto& message : conversations[0].messages)
    kinds += std::string(page.kind_name(message.kind)) + ' ';
  CHECK(kinds ==
        "SERVER_ENTER SERVER_MESSAGE ROOM_ENTER ROOM_ENTER CHAT_MULTICAST CHAT_MULTICAST CHAT_UNICAST "
        "CHAT_UNICAST SERVER_EXIT SERVER_EXIT ");
}

TEST_CASE("original page: each packet waits for the reply to the last one, until the end") {
  auto hand = session(Dialect::original);
  auto page = *protocol::Page::find("packet-chat-original");
  const auto conversations = protocol::converse(hand.trace(), page);
  const auto score = replayer::compile_score(std::move(page), conversations, {});
  REQUIRE(score.has_value());
  const auto& steps = score->parts[0].steps;
  REQUIRE(steps.size() == 6);
  CHECK(steps[0].gate == replayer::no_slot);
  for (std::uint32_t i = 1; i < steps.size(); ++i) {
    CHECK(steps[i].gate == 0);
    CHECK(steps[i].gate_count == i);
  }
}

TEST_CASE("original page: from the lobby the farewell is neither answered nor closed by the server") {
  HandMadeTrace hand;
  hand.opened(0).client(0, chat::named_packet(Type::server_enter, "alice"));
  hand.server(0, in_dialect(Dialect::original, server_message(Code::created)));
  hand.client(0, chat::named_packet(Type::server_exit, "alice")).add(0, format::EventKind::ClientEnd);
  hand.add(0, format::EventKind::ServerEnd).add(0, format::EventKind::Closed);
  auto page = *protocol::Page::find("packet-chat-original");
  const auto conversations = protocol::converse(hand.trace(), page);
  const auto score = replayer::compile_score(std::move(page), conversations, {});
  REQUIRE(score.has_value());
  CHECK(score->parts[0].steps[0].answered);
  CHECK_FALSE(score->parts[0].steps[1].answered);
  CHECK_FALSE(score->parts[0].server_closes);
}
