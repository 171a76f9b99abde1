// What framing.cpp chooses from. Nobody else needs it: include framing.h.
#pragma once

#include "traces/protocol/framing.h"

namespace chorus::protocol {

constexpr Frame message_of(std::size_t size) {
  return {Frame::Is::message, size, nullptr};
}
constexpr Frame more(std::size_t size) {
  return {Frame::Is::more, size, nullptr};
}
constexpr Frame broken(const char* why) {
  return {Frame::Is::broken, 0, why};
}

// framing_length.cpp
Frame next_counted(const Framing& framing, Bytes bytes) noexcept;
std::size_t counted_header(const Framing& framing) noexcept;  // the bytes before the counted ones
Frame next_varint(const Framing& framing, Bytes bytes) noexcept;
std::size_t varint_header(const Framing& framing, Bytes message) noexcept;  // 0: it has no whole varint
bool set_counted(const Framing& framing, std::string& message, std::size_t start) noexcept;
bool set_varint(const Framing& framing, std::string& message, std::size_t start) noexcept;

// framing_xml.cpp
Frame next_element(const Framing& framing, Bytes bytes, Scan& scan) noexcept;

}  // namespace chorus::protocol
