// Framings to try, and a receiver as every caller of next_frame() is one.
#pragma once

#include "traces/protocol/framing.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus::tests {

using protocol::Bytes;
using protocol::Frame;
using protocol::Framing;
using protocol::Scan;

inline Framing lines() {
  Framing framing;
  framing.type = Framing::Type::line;
  return framing;
}

inline Framing counted(std::uint8_t offset, std::uint8_t width, std::uint16_t header, bool big_endian = false,
                       bool includes_header = false) {
  Framing framing;
  framing.type = Framing::Type::length;
  framing.offset = offset;
  framing.width = width;
  framing.header = header;
  framing.big_endian = big_endian;
  framing.includes_header = includes_header;
  return framing;
}

inline Framing varint(std::uint8_t offset = 1, std::uint8_t width = 4) {
  Framing framing;
  framing.type = Framing::Type::varint;
  framing.offset = offset;
  framing.width = width;
  return framing;
}

inline Framing xml(std::string root = "stream:stream") {
  Framing framing;
  framing.type = Framing::Type::xml;
  framing.root = std::move(root);
  return framing;
}

// The original packet chat: ROOM_ENTER has always 40 bytes, CHAT_UNICAST's length leaves two names out.
inline Framing dialect() {
  Framing framing = counted(0, 2, 4);
  framing.specials = {{21, 40, 0}, {33, 0, 64}, {51, 0, -4}};
  framing.kind_at = 2;
  framing.kind_width = 2;
  return framing;
}

struct Cut {
  std::vector<std::string> messages;
  std::string rest;
  std::string broken;

  bool operator==(const Cut&) const = default;
};

// A receiver: it keeps what is no message yet.
class Receiver {
 public:
  explicit Receiver(const Framing& framing) : framing_(framing) {}

  void receive(std::string_view bytes) {
    if (!cut.broken.empty()) return;
    cut.rest += bytes;
    while (!cut.rest.empty()) {
      const Frame frame = next_frame(framing_, cut.rest, scan_);
      if (frame.is == Frame::Is::broken) cut.broken = frame.why;
      if (frame.is != Frame::Is::message) break;
      cut.messages.push_back(cut.rest.substr(0, frame.size));
      cut.rest.erase(0, frame.size);
    }
    if (!cut.broken.empty()) cut.rest.clear();  // how much had come by then is chance
  }

  Cut cut;

 private:
  Framing framing_;
  Scan scan_;
};

inline Cut cut(const Framing& framing, std::string_view bytes, std::size_t chunk = std::string::npos) {
  Receiver receiver(framing);
  for (std::size_t at = 0; at < bytes.size(); at += std::min(chunk, bytes.size())) {
    receiver.receive(bytes.substr(at, chunk));
  }
  return receiver.cut;
}

inline Frame::Is verdict(const Framing& framing, std::string_view bytes) {
  return next_frame(framing, bytes).is;
}

}  // namespace chorus::tests
