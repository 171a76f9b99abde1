// The choice between the framings, and the two short ones: raw bytes and lines. All of them look at a
// message's own bytes only and never wait for more than max_message, so a hostile peer can make neither
// memory nor time grow. Lengths stand in framing_length.cpp, XML in framing_xml.cpp.
#include "traces/protocol/framing.h"

#include "traces/protocol/framing_kinds.h"

#include <algorithm>
#include <cstring>

namespace chorus::protocol {
namespace {

using Type = Framing::Type;

Frame next_line(const Framing& framing, Bytes bytes, Scan& scan) noexcept {
  const std::size_t window = std::min<std::size_t>(bytes.size(), framing.max_message);
  if (scan.at < window) {
    if (const void* end = std::memchr(bytes.data() + scan.at, '\n', window - scan.at)) {
      return message_of(static_cast<std::size_t>(static_cast<const char*>(end) - bytes.data()) + 1);
    }
    scan.at = window;
  }
  if (bytes.size() >= framing.max_message) return broken("a line is longer than any message may be");
  return more(bytes.size() + 1);
}

Frame next_of_type(const Framing& framing, Bytes bytes, Scan& scan) noexcept {
  switch (framing.type) {
    case Type::line:
      return next_line(framing, bytes, scan);
    case Type::length:
      return next_counted(framing, bytes);
    case Type::varint:
      return next_varint(framing, bytes);
    case Type::xml:
      return next_element(framing, bytes, scan);
    case Type::raw:
      break;
  }
  return bytes.empty() ? more(1) : message_of(bytes.size());
}

}  // namespace

Frame next_frame(const Framing& framing, Bytes bytes, Scan& scan) noexcept {
  const Frame frame = next_of_type(framing, bytes, scan);
  if (frame.is != Frame::Is::more) scan = {};
  return frame;
}

Frame next_frame(const Framing& framing, Bytes bytes) noexcept {
  Scan scan;
  return next_of_type(framing, bytes, scan);
}

Bytes without_delimiter(const Framing& framing, Bytes message) noexcept {
  if (framing.type != Type::line || message.empty() || message.back() != '\n') return message;
  message.remove_suffix(1);
  if (!message.empty() && message.back() == '\r') message.remove_suffix(1);
  return message;
}

std::size_t header_size(const Framing& framing, Bytes message) noexcept {
  if (framing.type == Type::length) return std::min(counted_header(framing), message.size());
  if (framing.type == Type::varint) return varint_header(framing, message);
  return 0;
}

bool set_length(const Framing& framing, std::string& message, std::size_t start) noexcept {
  start = std::min(start, message.size());
  if (framing.type == Type::raw) return true;
  if (framing.type == Type::varint) return set_varint(framing, message, start);
  if (message.size() - start > framing.max_message) return false;
  return framing.type != Type::length || set_counted(framing, message, start);
}

}  // namespace chorus::protocol
