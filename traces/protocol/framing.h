// Where a message ends. A pure function over bytes in hand: the caller keeps what is not complete yet.
#pragma once

#include "traces/format/event.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace chorus::protocol {

using format::Bytes;

struct Framing {
  enum class Type : std::uint8_t { raw, line, length };  // more arrive with more protocols
  Type type = Type::raw;
  // length: an unsigned integer of `width` bytes at `offset`; `header` bytes come before the counted ones.
  std::uint8_t offset = 0, width = 2;
  std::uint16_t header = 4;
  bool big_endian = false, includes_header = false;
  std::uint32_t max_message = 64 * 1024;  // bytes, of a whole message
};

struct Frame {
  enum class Is : std::uint8_t { message, more, broken };
  Is is = Is::more;
  std::size_t size = 0;  // message: its bytes, delimiter or header included. more: bytes needed at least.
  const char* why = nullptr;  // broken: what is wrong
};

// Looks at the start of `bytes`. `scanned` is how many of them an earlier call has looked at already (line
// framing does not look twice); the caller passes the size that was there when the answer was `more`, else 0.
Frame next_frame(const Framing& framing, Bytes bytes, std::size_t scanned = 0) noexcept;

// The message without its delimiter (line: CR and LF) or unchanged (other framings).
Bytes without_delimiter(const Framing& framing, Bytes message) noexcept;

// Makes the length field of a rendered message true. False when it does not fit its width or max_message.
bool set_length(const Framing& framing, std::string& message, std::size_t start = 0) noexcept;

}  // namespace chorus::protocol
