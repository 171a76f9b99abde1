#include "tests/framing_sample.h"

#include <catch2/catch.hpp>

namespace chorus::tests {

TEST_CASE("a varint counts what follows it") {
  const Framing mqtt = varint();
  CHECK(next_frame(mqtt, std::string_view("\xc0\0", 2)).size == 2);
  CHECK(header_size(mqtt, std::string_view("\xc0\0", 2)) == 2);
  for (const std::size_t body : {0u, 1u, 127u, 128u, 16383u, 16384u, 60000u}) {
    std::string message = std::string("\x30\0", 2) + std::string(body, 'b');
    REQUIRE(set_length(mqtt, message));
    const std::size_t header = body < 128 ? 2 : body < 16384 ? 3 : 4;
    CHECK(message.size() == header + body);
    CHECK(header_size(mqtt, message) == header);
    CHECK(next_frame(mqtt, message).size == message.size());
    CHECK(next_frame(mqtt, message + "more").size == message.size());
    if (body == 0) continue;
    const Frame cut_short = next_frame(mqtt, Bytes(message).substr(0, message.size() - 1));
    CHECK(cut_short.is == Frame::Is::more);
    CHECK(cut_short.size == message.size());
  }
}

TEST_CASE("a varint's bytes move the body when its length changes") {
  std::string out = "before" + std::string("\x30\x05", 2) + "hello";
  out.append(123, '!');
  REQUIRE(set_length(varint(), out, 6));
  CHECK(out == "before\x30\x80\x01hello" + std::string(123, '!'));
  out.resize(out.size() - 123);
  REQUIRE(set_length(varint(), out, 6));
  CHECK(out == "before\x30\x05hello");
}

TEST_CASE("a varint that is longer than it need be is read, and written short") {
  std::string message("\x30\x82\x80\x00hi", 6);
  CHECK(next_frame(varint(), message).size == 6);
  CHECK(header_size(varint(), message) == 4);
  REQUIRE(set_length(varint(), message));
  CHECK(message == "\x30\x02hi");
}

TEST_CASE("a lying varint is broken before a byte of it is waited for") {
  CHECK(verdict(varint(), "\x30\xff\xff\xff") == Frame::Is::more);
  CHECK(verdict(varint(), "\x30\xff\xff\xff\xff") == Frame::Is::broken);  // a fifth byte
  CHECK(verdict(varint(), "\x30\xff\xff\xff\x7f") == Frame::Is::broken);  // 268,435,455 bytes
  CHECK(verdict(varint(0, 5), "\xff\xff\xff\xff\x7f") == Frame::Is::broken);
  Framing small = varint();
  small.max_message = 10;
  CHECK(verdict(small, "\x30\x08") == Frame::Is::more);
  CHECK(verdict(small, "\x30\x09") == Frame::Is::broken);
}

TEST_CASE("a varint that does not fit its bytes or the largest message is refused") {
  const auto is_refused = [](const Framing& framing, std::string message) {
    const std::string before = message;
    const bool set = set_length(framing, message);
    CHECK(message == before);
    return !set;
  };
  CHECK(is_refused(varint(1, 1), std::string("\x30\0", 2) + std::string(128, 'x')));
  CHECK(is_refused(varint(), std::string("\x30\0", 2) + std::string(65'536, 'x')));
  CHECK(is_refused(varint(), "\x30"));
  CHECK(is_refused(varint(), "\x30\xff"));
  CHECK(is_refused(varint(), "\x30\xff\xff\xff\xff\x01"));
}

TEST_CASE("kinds with sizes of their own are framed by them") {
  const std::string room_enter = std::string("\x06\0\x15\0", 4) + std::string(36, 'r');
  const std::string unicast = std::string("\x02\0\x21\0", 4) + std::string(64, 'n') + "hi";
  const std::string reply("\x08\0\x33\0\x02\0\0\0", 8);
  const std::string enter = std::string("\x06\0\x0b\0", 4) + std::string("alice\0", 6);
  const std::vector<std::string> messages = {enter, reply, room_enter, unicast, enter};
  const std::string bytes = enter + reply + room_enter + unicast + enter;
  CHECK(cut(dialect(), bytes).messages == messages);
  CHECK(cut(dialect(), bytes, 1).messages == messages);
  for (std::string message : messages) {
    const std::string before = message;
    CHECK(set_length(dialect(), message));
    CHECK(message == before);
  }
}

TEST_CASE("the length of a kind with a size of its own is set as it counts") {
  std::string unicast = std::string("\x02\0\x21\0", 4) + std::string(64, 'n') + "hello";
  REQUIRE(set_length(dialect(), unicast));
  CHECK(unicast[0] == 5);
  std::string cut_unicast = unicast.substr(0, 67);  // its length would be negative
  CHECK_FALSE(set_length(dialect(), cut_unicast));
  std::string room_enter = std::string("\x06\0\x15\0", 4) + std::string(37, 'r');
  CHECK_FALSE(set_length(dialect(), room_enter));
  room_enter.pop_back();
  CHECK(set_length(dialect(), room_enter));
  CHECK(room_enter[0] == 6);
}

TEST_CASE("special kinds lie no better than others") {
  Framing framing = dialect();
  CHECK(verdict(framing, std::string_view("\x04\0\x33\0", 4)) == Frame::Is::message);
  CHECK(verdict(framing, std::string_view("\x03\0\x33\0", 4)) == Frame::Is::broken);  // in its own header
  framing.max_message = 39;
  CHECK(verdict(framing, std::string_view("\x06\0\x15\0", 4)) == Frame::Is::broken);
  CHECK(verdict(framing, std::string_view("\x01\0\x21\0", 4)) == Frame::Is::broken);
  framing = counted(0, 8, 8);
  framing.specials = {{0, 0, INT32_MAX}};
  CHECK(verdict(framing, std::string(8, '\xff')) == Frame::Is::broken);
  framing.specials = {{0, 0, INT32_MIN}};
  CHECK(verdict(framing, std::string(8, '\0')) == Frame::Is::broken);
}

TEST_CASE("a kind behind the header is waited for") {
  Framing framing = counted(0, 1, 1);
  framing.specials = {{'k', 5, 0}};
  framing.kind_at = 2;
  framing.kind_width = 1;
  CHECK(next_frame(framing, "\x09").size == 3);
  CHECK(next_frame(framing, "\x09.k..").size == 5);
  CHECK(next_frame(framing, "\x03.x.").size == 4);
  CHECK(verdict(framing, "\x01.x") == Frame::Is::broken);  // ends before its kind does
}

TEST_CASE("the body begins behind the header") {
  CHECK(header_size(counted(0, 2, 4), "12345678") == 4);
  CHECK(header_size(counted(0, 2, 4), "12") == 2);
  CHECK(header_size(lines(), "NICK a\n") == 0);
  CHECK(header_size(xml(), "<a/>") == 0);
  CHECK(header_size(Framing{}, "abc") == 0);
}

}  // namespace chorus::tests
