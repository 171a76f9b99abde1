#include "tests/framing_sample.h"

#include <random>

#include <catch2/catch.hpp>

namespace chorus::tests {
namespace {

std::string with_length(const Framing& framing, std::string_view body) {
  std::string message(framing.header, 'h');
  message.append(body);
  REQUIRE(set_length(framing, message));
  return message;
}

}  // namespace

TEST_CASE("a line ends after its LF, with or without CR") {
  const Cut result = cut(lines(), "NICK a\r\nUSER b\n\r\nPIN", 100);
  CHECK(result.messages == std::vector<std::string>{"NICK a\r\n", "USER b\n", "\r\n"});
  CHECK(result.rest == "PIN");
  CHECK(without_delimiter(lines(), "NICK a\r\n") == "NICK a");
  CHECK(without_delimiter(lines(), "NICK a\n") == "NICK a");
  CHECK(without_delimiter(lines(), "a\rb") == "a\rb");
  CHECK(without_delimiter(lines(), "\r\n").empty());
}

TEST_CASE("messages do not depend on how the bytes arrive") {
  std::mt19937 random(7);
  const std::vector<Framing> framings = {
      lines(),          counted(0, 2, 4), counted(0, 2, 4, true),       counted(3, 4, 9, true, true),
      counted(1, 1, 2), counted(0, 8, 8), counted(2, 3, 5, false, true)};
  for (const Framing& framing : framings) {
    std::string bytes;
    std::vector<std::string> expected;
    for (int i = 0; i < 40; ++i) {
      std::string body(random() % 60, static_cast<char>('a' + i % 26));
      if (framing.type == Framing::Type::line) {
        expected.push_back(body + "\r\n");
      } else {
        expected.push_back(with_length(framing, body));
      }
      bytes += expected.back();
    }
    for (const std::size_t chunk :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{17}, bytes.size()}) {
      const Cut result = cut(framing, bytes, chunk);
      CHECK(result.messages == expected);
      CHECK(result.rest.empty());
      CHECK(result.broken.empty());
    }
  }
}

TEST_CASE("a cut message says how many bytes it needs") {
  const Framing framing = counted(0, 2, 4);
  const std::string message = with_length(framing, "hello");
  CHECK(next_frame(framing, "").size == 4);
  CHECK(next_frame(framing, message.substr(0, 3)).size == 4);
  const Frame frame = next_frame(framing, message.substr(0, 6));
  CHECK(frame.is == Frame::Is::more);
  CHECK(frame.size == message.size());
}

TEST_CASE("lying lengths are broken before a byte of them is waited for") {
  Framing framing = counted(0, 4, 4);
  CHECK(next_frame(framing, "\xff\xff\xff\xff").is == Frame::Is::broken);
  CHECK(next_frame(counted(0, 8, 8), std::string(8, '\xff')).is == Frame::Is::broken);
  framing.max_message = 10;
  CHECK(next_frame(framing, std::string("\x06\0\0\0", 4)).is == Frame::Is::more);
  CHECK(next_frame(framing, std::string("\x07\0\0\0", 4)).is == Frame::Is::broken);
  const Framing inclusive = counted(0, 2, 4, false, true);
  CHECK(next_frame(inclusive, std::string("\x03\0..", 4)).is == Frame::Is::broken);
  CHECK(next_frame(inclusive, std::string("\x04\0..", 4)).is == Frame::Is::message);
}

TEST_CASE("an endless line is broken at the largest message") {
  Framing framing = lines();
  framing.max_message = 16;
  CHECK(next_frame(framing, std::string(15, 'x')).is == Frame::Is::more);
  CHECK(next_frame(framing, std::string(16, 'x')).is == Frame::Is::broken);
  CHECK(next_frame(framing, std::string(16, 'x') + "\n").is == Frame::Is::broken);
  CHECK(next_frame(framing, std::string(15, 'x') + "\n").is == Frame::Is::message);
}

TEST_CASE("no bytes at all can make framing read outside of them") {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    const Framing framing =
        counted(static_cast<std::uint8_t>(random() % 5), static_cast<std::uint8_t>(1 + random() % 8),
                static_cast<std::uint16_t>(random() % 16), random() % 2 == 0, random() % 2 == 0);
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 3 == 0 ? random() : random() % 4);
    const Frame frame = next_frame(framing, std::string(bytes));
    if (frame.is == Frame::Is::message) {
      CHECK(frame.size > 0);
      CHECK(frame.size <= bytes.size());
    }
    if (frame.is == Frame::Is::more) CHECK(frame.size > bytes.size());
    if (frame.is == Frame::Is::broken) CHECK(frame.why != nullptr);
  }
}

TEST_CASE("a length that does not fit its field is refused") {
  const Framing framing = counted(0, 1, 1);
  std::string message(256, 'x');
  CHECK(set_length(framing, message));
  CHECK(message[0] == '\xff');
  message += 'x';
  CHECK_FALSE(set_length(framing, message));
  Framing small = counted(0, 2, 4);
  small.max_message = 8;
  std::string nine(9, 'x');
  CHECK_FALSE(set_length(small, nine));
}

TEST_CASE("a length is set within a longer buffer") {
  const Framing framing = counted(0, 2, 4, true);
  std::string out = "before";
  out += std::string(4, '\0') + "body!";
  REQUIRE(set_length(framing, out, 6));
  CHECK(out.substr(0, 6) == "before");
  CHECK(out[6] == 0);
  CHECK(out[7] == 5);
}

TEST_CASE("raw bytes are messages as they come") {
  CHECK(next_frame(Framing{}, "abc").size == 3);
  CHECK(next_frame(Framing{}, "").is == Frame::Is::more);
}

TEST_CASE("bytes that were looked at are not looked at again") {
  for (const Framing& framing : {lines(), xml()}) {
    std::string bytes = framing.type == Framing::Type::line ? "a long line" : "<a>long text";
    Scan scan;
    REQUIRE(next_frame(framing, bytes, scan).is == Frame::Is::more);
    CHECK(scan.at == bytes.size());
    std::fill(bytes.begin(), bytes.end(), framing.type == Framing::Type::line ? '\n' : '<');
    CHECK(next_frame(framing, bytes + "x", scan).is == Frame::Is::more);
    CHECK(next_frame(framing, bytes + "x</a>\n", scan).size > bytes.size());
    CHECK(scan.at == 0);
    CHECK(scan.state == 0);
  }
}

TEST_CASE("a stream that is cut anywhere gives the same messages") {
  const std::string stanzas =
      "<?xml version='1.0'?> <stream:stream a='>'>\n<a b=\"/>\"><c/><![CDATA[]]]]>t</a> <d/></stream:stream>";
  const std::string mqtt = std::string("\xc0\0\x30\x82\x80\0hi\x30\x81\x01", 11) + std::string(129, 'x');
  const std::string packets = std::string("\x06\0\x0b\0alice\0\x06\0\x15\0", 14) + std::string(36, 'r');
  Framing small = xml();
  small.max_message = 20;
  const std::vector<std::pair<Framing, std::string>> streams = {
      {lines(), "NICK a\r\nUSER b\n\r\n\nPING"},
      {counted(0, 2, 4, true), std::string("\0\2..hi\0\0..\0\1..x\0", 16)},
      {counted(1, 1, 2, false, true), std::string("x\4hix\2x\1", 8)},
      {dialect(), packets},
      {varint(), mqtt},
      {varint(1, 1), mqtt},
      {xml(), stanzas},
      {xml(""), stanzas},
      {xml(), "<a></a><a><?"},
      {small, stanzas},
  };
  for (const auto& [framing, bytes] : streams) {
    const Cut whole = cut(framing, bytes);
    CHECK(cut(framing, bytes, 1) == whole);
    for (std::size_t at = 0; at <= bytes.size(); ++at) {
      Receiver receiver(framing);
      receiver.receive(bytes.substr(0, at));
      receiver.receive(bytes.substr(at));
      CHECK(receiver.cut == whole);
    }
  }
}

}  // namespace chorus::tests
