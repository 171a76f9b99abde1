// Where a message ends. A pure function over bytes in hand: the caller keeps what is not complete yet.
#pragma once

#include "traces/format/event.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace chorus::protocol {

using format::Bytes;

// The page reader has checked the numbers: a width is 1..8 (varint: 1..5), a header holds its length field,
// and no kind overlaps it.
struct Framing {
  enum class Type : std::uint8_t { raw, line, length, varint, xml };
  Type type = Type::raw;

  // length: an unsigned integer of `width` bytes at `offset`; `header` bytes come before the counted ones.
  // varint: 7 bits a byte, least significant group first (MQTT 3.1.1, section 2.2.3), at `offset`, at most
  // `width` bytes; counts what follows it.
  std::uint8_t offset = 0, width = 2;
  std::uint16_t header = 4;
  bool big_endian = false, includes_header = false;

  // length: kinds whose length field does not say how long they are (the original packet chat). The kind is
  // the number of `kind_width` bytes at `kind_at`.
  struct Special {
    std::uint64_t kind = 0;
    std::uint32_t size = 0;  // always so many bytes, header included; 0: not fixed
    std::int32_t add = 0;    // else this is added to what the field says
  };
  std::vector<Special> specials;
  std::uint16_t kind_at = 0;
  std::uint8_t kind_width = 0;
  bool kind_big_endian = false;

  // xml: the element that stays open for the whole connection ("stream:stream"); "" = none. See
  // framing_xml.cpp for what its messages are.
  std::string root;

  std::uint32_t max_message = 64 * 1024;  // bytes, of a whole message; raw bytes are what they are
};

struct Frame {
  enum class Is : std::uint8_t { message, more, broken };
  Is is = Is::more;
  std::size_t size = 0;  // message: its bytes, delimiter or header included. more: bytes needed at least.
  const char* why = nullptr;  // broken: what is wrong
};

// Where an earlier call stopped looking, so that a message that comes in drips costs linear time. The caller
// keeps one per stream and hands in all bytes from the start of the message each time; a message (or broken
// bytes) resets it.
struct Scan {
  std::size_t at = 0;      // this many bytes were looked at
  std::uint32_t tag = 0;   // xml: where the last tag began
  std::uint8_t depth = 0;  // xml: open elements
  std::uint8_t state = 0;  // xml: what the next byte is part of
};

// Looks at the start of `bytes`. How they arrive makes no difference: byte by byte or all at once, the
// messages are the same.
Frame next_frame(const Framing& framing, Bytes bytes, Scan& scan) noexcept;
Frame next_frame(const Framing& framing, Bytes bytes) noexcept;  // from a fresh Scan

// The message without its delimiter (line: CR and LF) or unchanged (other framings).
Bytes without_delimiter(const Framing& framing, Bytes message) noexcept;

// How many bytes of the message come before its body: those of the header or varint, else 0.
std::size_t header_size(const Framing& framing, Bytes message) noexcept;

// Makes the length field of a rendered message true; `message` from `start` on is one. A varint may grow or
// shrink, and the body moves with it. False, and nothing changed, when the length does not fit its field or
// max_message, or a kind of fixed size has another size.
bool set_length(const Framing& framing, std::string& message, std::size_t start = 0) noexcept;

}  // namespace chorus::protocol
