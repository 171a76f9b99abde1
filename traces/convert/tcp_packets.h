// The packets that a recorded conversation would have been: IP and TCP headers (RFC 791, 8200, 9293) made up
// around recorded bytes. Nothing is ever lost, late or resent here, and everything is acknowledged at once.
#pragma once

#include "traces/convert/ip_address.h"
#include "traces/format/event.h"

#include <functional>
#include <string>

namespace chorus::convert {

// RFC 1071: the one's complement sum of 16-bit big-endian words, an odd last byte padded with 0. `sum` is
// what earlier parts of even length came to.
std::uint32_t add_checksum(format::Bytes bytes, std::uint32_t sum = 0);
std::uint16_t fold_checksum(std::uint32_t sum);

using PacketSink = std::function<void(format::Bytes datagram, std::size_t headers)>;  // borrowed for the call

class TcpConversation {
 public:
  enum class Side : std::uint8_t { client = 0, server = 1 };
  struct Initial {
    std::uint32_t client = 0, server = 0;  // sequence numbers of the SYNs
  };
  // Where one address is IPv4 and the other IPv6, the former becomes its mapped one (::ffff:1.2.3.4).
  TcpConversation(Endpoint client, Endpoint server, Initial initial, PacketSink sink);

  void open();    // SYN, SYN+ACK, ACK
  void refuse();  // SYN, RST+ACK
  // Segments of at most the MSS (1460 bytes, 1440 over IPv6), the last one with PSH, and their ACK.
  void data(Side from, format::Bytes bytes);
  void end(Side from);    // FIN, and its ACK
  void reset(Side from);  // RST+ACK
  void nothing();         // an ACK of what was acknowledged before: the time went by and nothing happened

  bool ended(Side side) const noexcept { return legs_[static_cast<std::size_t>(side)].ended; }
  bool is_reset() const noexcept { return reset_; }

 private:
  struct Leg {
    Endpoint address;
    std::uint32_t next = 0;  // sequence number
    bool ended = false;
  };
  void send(Side from, std::uint8_t flags, format::Bytes payload = {});
  std::uint32_t ip_header(const Leg& from, const Leg& to, std::size_t size);

  Leg legs_[2];
  PacketSink sink_;
  std::string packet_;  // scratch
  std::uint16_t number_ = 0;
  bool acknowledges_ = false, reset_ = false;
};

}  // namespace chorus::convert
