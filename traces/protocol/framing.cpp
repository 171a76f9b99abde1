// Framing by line and by length prefix. Both look at a few bytes only and never at what the length field
// promises beyond max_message, so a hostile peer can make neither memory nor time grow.
#include "traces/protocol/framing.h"

#include <algorithm>
#include <cstring>

namespace chorus::protocol {
namespace {

constexpr Frame message_of(std::size_t size) {
  return {Frame::Is::message, size, nullptr};
}
constexpr Frame more(std::size_t size) {
  return {Frame::Is::more, size, nullptr};
}
constexpr Frame broken(const char* why) {
  return {Frame::Is::broken, 0, why};
}

std::uint64_t read_length(const Framing& framing, const char* bytes) noexcept {
  std::uint64_t length = 0;
  for (unsigned i = 0; i < framing.width; ++i) {
    const unsigned from = framing.offset + (framing.big_endian ? i : framing.width - 1u - i);
    length = length << 8 | static_cast<unsigned char>(bytes[from]);
  }
  return length;
}

Frame next_line(const Framing& framing, Bytes bytes, std::size_t scanned) noexcept {
  scanned = std::min(scanned, bytes.size());
  const std::size_t window = std::min<std::size_t>(bytes.size(), framing.max_message);
  if (scanned < window) {
    if (const void* end = std::memchr(bytes.data() + scanned, '\n', window - scanned)) {
      return message_of(static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data()) + 1);
    }
  }
  if (bytes.size() >= framing.max_message) return broken("a line is longer than any message may be");
  return more(bytes.size() + 1);
}

Frame next_counted(const Framing& framing, Bytes bytes) noexcept {
  const std::size_t header = std::max<std::size_t>(framing.header, framing.offset + framing.width);
  if (bytes.size() < header) return more(header);
  const std::uint64_t length = read_length(framing, bytes.data());
  if (length > framing.max_message) return broken("a length field promises more than any message may have");
  if (framing.includes_header && length < header)
    return broken("a length field is smaller than its own header");
  const std::size_t size = static_cast<std::size_t>(length) + (framing.includes_header ? 0 : header);
  if (size > framing.max_message) return broken("a length field promises more than any message may have");
  return bytes.size() < size ? more(size) : message_of(size);
}

}  // namespace

Frame next_frame(const Framing& framing, Bytes bytes, std::size_t scanned) noexcept {
  switch (framing.type) {
    case Framing::Type::line:
      return next_line(framing, bytes, scanned);
    case Framing::Type::length:
      return next_counted(framing, bytes);
    case Framing::Type::raw:
      break;
  }
  return bytes.empty() ? more(1) : message_of(bytes.size());
}

Bytes without_delimiter(const Framing& framing, Bytes message) noexcept {
  if (framing.type != Framing::Type::line || message.empty() || message.back() != '\n') return message;
  message.remove_suffix(1);
  if (!message.empty() && message.back() == '\r') message.remove_suffix(1);
  return message;
}

bool set_length(const Framing& framing, std::string& message, std::size_t start) noexcept {
  const std::size_t size = message.size() - std::min(start, message.size());
  if (framing.type == Framing::Type::raw) return true;
  if (size > framing.max_message) return false;
  if (framing.type == Framing::Type::line) return true;
  const std::size_t header = std::max<std::size_t>(framing.header, framing.offset + framing.width);
  if (size < header) return false;
  const std::uint64_t length = framing.includes_header ? size : size - header;
  if (framing.width < 8 && length >> (8 * framing.width) != 0) return false;
  for (unsigned i = 0; i < framing.width; ++i) {
    const unsigned shift = 8 * (framing.big_endian ? framing.width - 1u - i : i);
    message[start + framing.offset + i] = static_cast<char>(length >> shift & 0xff);
  }
  return true;
}

}  // namespace chorus::protocol
