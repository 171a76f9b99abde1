#include "traces/convert/exports.h"
#include "traces/convert/pcapng.h"
#include "traces/convert/printable.h"
#include "traces/format/quantity.h"

#include <algorithm>

namespace chorus::convert {
namespace {

using format::Event;
using format::EventKind;
using Side = TcpConversation::Side;

constexpr std::size_t comment_width = 500;

// A client that the trace gives no address: 10.x.y.z by its number, of which a run has up to 2^24.
Endpoint invented_client(std::uint32_t number) {
  Ip ip;
  ip.bytes[0] = 10;
  for (int i = 1; i <= 3; ++i)
    ip.bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  return {ip, static_cast<std::uint16_t>(49152 + (number >> 24))};
}

// Numbers far apart, so that a second conversation between the same ports is never taken for the first one.
std::uint32_t initial_number(std::uint32_t conversation, std::uint32_t salt) {
  return (conversation + salt) * 2654435761u;  // 2^32 over the golden ratio: neighbours land far apart
}

std::uint16_t port_of(format::Bytes address, std::uint16_t otherwise) {
  const auto parsed = parse_address(std::string(address));
  return parsed ? parsed->port : otherwise;
}

}  // namespace

void PacketExport::add(const Event& event, bool bytes_kept) {
  bytes_kept_ = bytes_kept;
  now_ns_ = static_cast<std::uint64_t>(wall_time(start_, event.time));
  const bool words = event.kind != EventKind::ToServer && event.kind != EventKind::ToClient &&
                     event.kind != EventKind::Opened && !event.payload.empty();
  comment_ = words ? printable_words(event.payload, comment_width) : "";
  ++report_.events;
  if (event.kind == EventKind::Refused) return refuse(event.connection);
  if (event.kind == EventKind::Opened) {
    close(event.connection);  // a client of a run that connects again
    open(event.connection, event.payload);
    return;
  }
  const auto found = open_.find(event.connection);
  if (found == open_.end() && event.kind == EventKind::Closed) {
    ++report_.left_out;
    return;
  }
  Open& conversation = found == open_.end() ? open(event.connection, {}) : found->second;
  if (!play(conversation, event)) ++report_.left_out;
  if (event.kind == EventKind::Closed) close(event.connection);
}

bool PacketExport::play(Open& conversation, const Event& event) {
  TcpConversation& tcp = *conversation.tcp;
  const bool by_client = event.kind == EventKind::ToServer || event.kind == EventKind::ClientEnd ||
                         event.kind == EventKind::ClientReset;
  const Side side = by_client ? Side::client : Side::server;
  switch (event.kind) {
    case EventKind::ToServer:
    case EventKind::ToClient:
      if (tcp.is_reset() || tcp.ended(side)) return event.payload.empty();
      tcp.data(side, event.payload);
      return true;
    case EventKind::ClientEnd:
    case EventKind::ServerEnd:
      if (tcp.is_reset() || tcp.ended(side)) return false;
      tcp.end(side);
      return true;
    case EventKind::ClientReset:
    case EventKind::ServerReset:
      if (tcp.is_reset()) return false;
      tcp.reset(side);
      return true;
    default:
      if (!tcp.is_reset() && !(tcp.ended(Side::client) && tcp.ended(Side::server))) {
        comment_ = "closed from outside" + (comment_.empty() ? "" : ": " + comment_);
        tcp.nothing();
      }
      return true;
  }
}

PacketExport::Open& PacketExport::open(std::uint32_t connection, format::Bytes addresses) {
  const auto space = addresses.find(' ');
  const bool both = space != format::Bytes::npos;
  auto client = both ? parse_endpoint(std::string(addresses.substr(0, space))) : std::nullopt;
  const format::Bytes server_text = both ? addresses.substr(space + 1) : addresses;
  if (const auto server = parse_endpoint(std::string(server_text)))
    server_ = *server;
  else
    server_.port = port_of(server_text, server_.port);
  const auto text = [&] { return show_endpoint(*client) + ' ' + show_endpoint(server_); };
  if (!client || in_use_.count(text())) {
    ++report_.invented;
    std::uint32_t number = connection;
    do {
      client = invented_client(number++);
    } while (in_use_.count(text()));
  }
  Open& conversation = open_[connection];
  conversation.addresses = text();
  in_use_.insert(conversation.addresses);
  ++begun_;
  conversation.tcp = std::make_unique<TcpConversation>(
      *client, server_, TcpConversation::Initial{initial_number(begun_, 0), initial_number(begun_, 1u << 31)},
      [this](format::Bytes packet, std::size_t headers) { append(packet, headers); });
  conversation.tcp->open();
  return conversation;
}

void PacketExport::refuse(std::uint32_t connection) {
  ++begun_;
  ++report_.invented;
  TcpConversation tcp(invented_client(connection), server_,
                      {initial_number(begun_, 0), initial_number(begun_, 1u << 31)},
                      [this](format::Bytes packet, std::size_t headers) { append(packet, headers); });
  tcp.refuse();
}

void PacketExport::append(format::Bytes packet, std::size_t headers) {
  ++report_.packets;
  pcapng::append_packet(to_, now_ns_, packet, std::exchange(comment_, {}),
                        bytes_kept_ ? packet.size() : headers);
}

void PacketExport::close(std::uint32_t connection) {
  const auto found = open_.find(connection);
  if (found == open_.end()) return;
  in_use_.erase(found->second.addresses);
  open_.erase(found);
}

}  // namespace chorus::convert
