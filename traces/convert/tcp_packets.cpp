#include "traces/convert/tcp_packets.h"

#include <algorithm>

namespace chorus::convert {
namespace {

using format::Bytes;

constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16;
constexpr std::uint8_t protocol_tcp = 6, time_to_live = 64;
constexpr std::size_t mtu = 1500, header_v4 = 20, header_v6 = 40, header_tcp = 20;
constexpr std::uint16_t window = 65535;
constexpr char window_scale = 7;  // 8 MiB: no recorded chunk is larger than what was offered

void append16(std::string& to, std::uint32_t value) {
  to += static_cast<char>(value >> 8 & 0xff);
  to += static_cast<char>(value & 0xff);
}
void append32(std::string& to, std::uint32_t value) {
  append16(to, value >> 16);
  append16(to, value & 0xffff);
}
void put16(std::string& in, std::size_t at, std::uint16_t value) {
  in[at] = static_cast<char>(value >> 8);
  in[at + 1] = static_cast<char>(value & 0xff);
}
Bytes bytes_of(const Ip& ip) {
  return {reinterpret_cast<const char*>(ip.bytes.data()), ip.size()};
}

void map_to_v6(Ip& ip) {
  if (ip.v6) return;
  Ip mapped{.v6 = true, .bytes = {}};
  mapped.bytes[10] = mapped.bytes[11] = 0xff;
  std::copy_n(ip.bytes.begin(), 4, mapped.bytes.begin() + 12);
  ip = mapped;
}

TcpConversation::Side other(TcpConversation::Side side) {
  return side == TcpConversation::Side::client ? TcpConversation::Side::server
                                               : TcpConversation::Side::client;
}

}  // namespace

std::uint32_t add_checksum(Bytes bytes, std::uint32_t sum) {
  std::uint64_t total = sum;
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint64_t>(static_cast<std::uint8_t>(bytes[i]));
  };
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) total += at(i) << 8 | at(i + 1);
  if (bytes.size() % 2 == 1) total += at(bytes.size() - 1) << 8;
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return static_cast<std::uint32_t>(total);
}

std::uint16_t fold_checksum(std::uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

TcpConversation::TcpConversation(Endpoint client, Endpoint server, Initial initial, PacketSink sink)
    : legs_{Leg{client, initial.client, false}, Leg{server, initial.server, false}}, sink_(std::move(sink)) {
  if (client.ip.v6 == server.ip.v6) return;
  for (Leg& leg : legs_) map_to_v6(leg.address.ip);
}

void TcpConversation::open() {
  send(Side::client, syn);
  acknowledges_ = true;
  send(Side::server, syn | ack);
  send(Side::client, ack);
}

void TcpConversation::refuse() {
  send(Side::client, syn);
  acknowledges_ = true;
  reset(Side::server);
}

void TcpConversation::data(Side from, Bytes bytes) {
  const std::size_t headers = (legs_[0].address.ip.v6 ? header_v6 : header_v4) + header_tcp;
  while (!bytes.empty()) {
    const Bytes segment = bytes.substr(0, mtu - headers);
    bytes.remove_prefix(segment.size());
    send(from, bytes.empty() ? ack | psh : ack, segment);
  }
  send(other(from), ack);
}

void TcpConversation::end(Side from) {
  send(from, fin | ack);
  legs_[static_cast<std::size_t>(from)].ended = true;
  send(other(from), ack);
}

void TcpConversation::reset(Side from) {
  send(from, rst | ack);
  reset_ = true;
}

void TcpConversation::nothing() {
  send(Side::client, ack);
}

// Returns what the pseudo header of the TCP checksum adds up to.
std::uint32_t TcpConversation::ip_header(const Leg& from, const Leg& to, std::size_t size) {
  const bool v6 = from.address.ip.v6;
  if (v6) {
    append32(packet_, 6u << 28);
    append16(packet_, static_cast<std::uint32_t>(size));
    packet_ += static_cast<char>(protocol_tcp);
    packet_ += static_cast<char>(time_to_live);
  } else {
    constexpr std::uint32_t version_and_length = 0x45, do_not_fragment = 0x4000;
    append16(packet_, version_and_length << 8);
    append16(packet_, static_cast<std::uint32_t>(header_v4 + size));
    append16(packet_, number_++);
    append16(packet_, do_not_fragment);
    append16(packet_, time_to_live << 8 | protocol_tcp);
    append16(packet_, 0);
  }
  packet_ += bytes_of(from.address.ip);
  packet_ += bytes_of(to.address.ip);
  if (!v6) put16(packet_, 10, fold_checksum(add_checksum(packet_)));
  const std::uint32_t addresses =
      add_checksum(bytes_of(to.address.ip), add_checksum(bytes_of(from.address.ip)));
  return addresses + protocol_tcp + static_cast<std::uint32_t>(size);
}

void TcpConversation::send(Side side, std::uint8_t flags, Bytes payload) {
  Leg& from = legs_[static_cast<std::size_t>(side)];
  const Leg& to = legs_[static_cast<std::size_t>(other(side))];
  const bool first = (flags & syn) != 0;
  const std::size_t options = first ? 8 : 0;
  packet_.clear();
  const std::uint32_t pseudo = ip_header(from, to, header_tcp + options + payload.size());
  const std::size_t start = packet_.size();
  append16(packet_, from.address.port);
  append16(packet_, to.address.port);
  append32(packet_, from.next);
  append32(packet_, acknowledges_ ? to.next : 0);
  append16(packet_, static_cast<std::uint32_t>((header_tcp + options) / 4) << 12 | flags);
  append16(packet_, window);
  append32(packet_, 0);  // checksum, urgent pointer
  if (first) {
    append32(packet_, 2u << 24 | 4u << 16 | static_cast<std::uint32_t>(mtu - start - header_tcp));  // MSS
    packet_ += {1, 3, 3, window_scale};  // NOP, scale
  }
  packet_ += payload;
  put16(packet_, start + 16, fold_checksum(add_checksum(Bytes(packet_).substr(start), pseudo)));
  from.next += static_cast<std::uint32_t>(payload.size()) + ((flags & (syn | fin)) != 0 ? 1 : 0);
  sink_(packet_, packet_.size() - payload.size());
}

}  // namespace chorus::convert
