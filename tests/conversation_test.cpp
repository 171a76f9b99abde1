#include "traces/protocol/conversation.h"

#include "tests/hand_made_trace.h"

#include <algorithm>
#include <random>

#include <catch2/catch.hpp>

namespace chorus::protocol {
namespace {

using Catch::Contains;
using format::EventKind;
using std::chrono::milliseconds;

struct Said {
  Side from;
  std::string bytes;
  bool operator==(const Said&) const = default;
};

std::vector<Said> said(const Conversation& conversation) {
  std::vector<Said> all;
  for (const Message& message : conversation.messages)
    all.push_back({message.from, std::string(message.bytes)});
  return all;
}

std::string because(HandMadeTrace& hand) {
  const auto recognised = recognise(hand.trace());
  return recognised ? std::string(recognised->page.name()) + ": " + recognised->because
                    : recognised.error().what;
}

}  // namespace

TEST_CASE("messages are cut out of chunks and have the time of their last byte") {
  HandMadeTrace hand;
  hand.opened(3).client(3, "NICK alice\r\nUSER a").client(3, " 0 * :a\r\n").server(3, ":s 001 alice :Hi\r\n");
  hand.add(3, EventKind::ClientEnd).add(3, EventKind::ServerEnd).add(3, EventKind::Closed);
  Page page = *Page::find("irc");
  const auto conversations = converse(hand.trace(), page);
  REQUIRE(conversations.size() == 1);
  const Conversation& one = conversations[0];
  CHECK(one.connection == 3);
  CHECK(said(one) == std::vector<Said>{{Side::client, "NICK alice\r\n"},
                                       {Side::client, "USER a 0 * :a\r\n"},
                                       {Side::server, ":s 001 alice :Hi\r\n"}});
  CHECK(one.opened == milliseconds(1));
  CHECK(one.messages[0].time == milliseconds(2));
  CHECK(one.messages[1].time == milliseconds(3));
  CHECK(page.kind_name(one.messages[1].kind) == "USER");
  CHECK(one.client_end == milliseconds(5));
  CHECK(one.server_end == milliseconds(6));
  CHECK(one.closed == milliseconds(7));
  CHECK_FALSE(one.client_reset);
  CHECK(one.broken.empty());
}

TEST_CASE("how the bytes were cut into chunks does not change what was said") {
  std::string client, server;
  std::mt19937 random(5);
  for (int i = 0; i < 60; ++i) {
    client += multicast("alice", std::string(random() % 200, 'c'));
    server += multicast("bob", std::string(random() % 200, 's'));
  }
  std::vector<std::vector<Said>> seen;
  for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{90}, std::size_t{100'000}}) {
    HandMadeTrace hand;
    std::size_t sent[2] = {0, 0};
    while (sent[0] < client.size() || sent[1] < server.size()) {
      const std::size_t side = random() % 2;
      const std::string& all = side == 0 ? client : server;
      const std::size_t size = std::min(1 + random() % most, all.size() - sent[side]);
      if (size == 0) continue;
      const auto chunk = std::string_view(all).substr(sent[side], size);
      side == 0 ? hand.client(0, chunk) : hand.server(0, chunk);
      sent[side] += size;
    }
    Page page = *Page::find("packet-chat");
    const auto conversations = converse(hand.trace(), page);
    REQUIRE(conversations.size() == 1);
    seen.push_back(said(conversations[0]));
    std::stable_partition(seen.back().begin(), seen.back().end(),
                          [](const Said& one) { return one.from == Side::client; });
    CHECK(conversations[0].unfinished[0] == 0);
  }
  CHECK(seen[0].size() == 120);
  for (const auto& one : seen) CHECK(one == seen[0]);
}

TEST_CASE("connections are told apart") {
  HandMadeTrace hand;
  hand.opened(9).opened(4).client(4, "NICK b").client(9, "NICK a\r\n").client(4, "ob\r\n");
  hand.add(7, EventKind::Refused, "connection refused");
  Page page = *Page::find("irc");
  const auto conversations = converse(hand.trace(), page);
  REQUIRE(conversations.size() == 3);
  CHECK(conversations[0].connection == 9);
  CHECK(said(conversations[1]) == std::vector<Said>{{Side::client, "NICK bob\r\n"}});
  CHECK(conversations[2].refused == "connection refused");
}

TEST_CASE("what never became a message is counted") {
  HandMadeTrace hand;
  hand.client(0, "NICK a\r\nUSE").server(0, ":s");
  hand.add(0, EventKind::ServerReset, "reset by peer");
  Page page = *Page::find("irc");
  const auto conversations = converse(hand.trace(), page);
  CHECK(conversations[0].unfinished[0] == 3);
  CHECK(conversations[0].unfinished[1] == 2);
  CHECK(conversations[0].server_reset);
  CHECK(conversations[0].server_end == milliseconds(3));
}

TEST_CASE("framing that breaks leaves the rest of that side out and says where") {
  HandMadeTrace hand;
  hand.client(0, enter("alice")).server(0, server_message(2) + std::string("\xff\xff\x01\x00 nonsense", 13));
  hand.server(0, server_message(1)).client(0, multicast("alice", "still here"));
  Page page = *Page::find("packet-chat");
  const auto conversations = converse(hand.trace(), page);
  CHECK(conversations[0].messages.size() == 3);
  CHECK(conversations[0].messages[2].bytes == multicast("alice", "still here"));
  CHECK_THAT(
      conversations[0].broken,
      Contains(
          "the server's bytes from offset 8 on are no messages of packet-chat: a length field promises"));
  CHECK(conversations[0].unfinished[1] == 0);
}

TEST_CASE("nonsense of any kind is heard without harm") {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    HandMadeTrace hand;
    for (int i = 0; i < 30; ++i) {
      std::string bytes(random() % 50, '\0');
      for (char& c : bytes)
        c = static_cast<char>(random() % 2 == 0 ? random() : "\r\n :@\0\x01\x0b"[random() % 8]);
      hand.add(random() % 3, static_cast<EventKind>(random() % 10), bytes);
    }
    for (const char* name : {"irc", "packet-chat", "raw"}) {
      Page page = *Page::find(name);
      for (const Conversation& conversation : converse(hand.trace(), page)) {
        for (const Message& message : conversation.messages) {
          std::vector<Page::Field> fields;
          page.fields(message.from, message.kind, message.bytes, fields);
          for (const auto& field : fields) Page::value(field, message.bytes);
          page.failure(message.kind, message.bytes);
          page.is_ready(message.kind, message.bytes);
          page.is_own(message.kind, message.bytes, std::vector<std::string>{"alice"});
          CHECK(page.kind_of(message.from, message.bytes) == message.kind);
        }
      }
    }
    CHECK(recognise(hand.trace()).has_value());
  }
}

TEST_CASE("the intended time of a send is kept") {
  HandMadeTrace hand;
  hand.client(0, "NICK a\r\n");
  hand.trace().events[0].intended = milliseconds(42);
  Page page = *Page::find("irc");
  CHECK(converse(hand.trace(), page)[0].messages[0].intended == milliseconds(42));
}

TEST_CASE("the built-in protocols are recognised by their first messages") {
  HandMadeTrace irc;
  irc.opened(0)
      .client(0, "CAP LS 302\r\nNICK alice\r\nUSER alice 0 * :a\r\n")
      .server(0, ":irc.local CAP * LS :\r\n");
  CHECK(because(irc) == "irc: recognised irc by its first messages");
  HandMadeTrace chat;
  chat.opened(0).client(0, enter("alice")).server(0, server_message(2)).opened(1).client(1, enter("bob"));
  CHECK(because(chat) == "packet-chat: recognised packet-chat by its first messages");
}

TEST_CASE("what no page fits is raw") {
  HandMadeTrace mail;
  mail.client(0, "EHLO me\r\n").server(0, "220 mail\r\n");
  CHECK_THAT(because(mail), Contains("raw: no built-in protocol fits"));
  HandMadeTrace web;
  web.client(0, "GET / HTTP/1.1\r\n\r\n");
  CHECK_THAT(because(web), Contains("raw: "));
  HandMadeTrace silent;
  silent.opened(0);
  CHECK_THAT(because(silent), Contains("raw: "));
}

TEST_CASE("a page that fits at first but not to the end is not taken") {
  HandMadeTrace hand;
  hand.client(0, enter("alice")).server(0, server_message(2));
  for (int i = 0; i < 500; ++i) hand.server(0, multicast("alice", "talk"));
  hand.server(0, "\xff\xff\xff\xff");
  CHECK_THAT(because(hand), Contains("raw: "));
}

TEST_CASE("a trace that names its protocol is believed") {
  HandMadeTrace hand;
  hand.client(0, "hello");
  hand.trace().info = R"({"mode":"recording","protocol":"irc"})";
  CHECK(because(hand) == "irc: named by the recording");
  hand.trace().info =
      R"({"mode":"run","protocol":"x","page":"name = \"mine\"\n[framing]\ntype = \"line\"\n[kind]\nword = 1\n"})";
  CHECK(because(hand) == "mine: named by the run");
  hand.trace().info = R"({"protocol":"./gone.toml"})";
  CHECK_THAT(because(hand), Contains("cannot read the page ./gone.toml"));
  CHECK_THAT(because(hand), Contains("--protocol"));
}

}  // namespace chorus::protocol
