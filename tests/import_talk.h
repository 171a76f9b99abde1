// A connection's packets made by hand, to be changed before `chorus import` reads them, and what it makes of
// them.
#pragma once

#include "tests/convert_sample.h"
#include "traces/convert/import.h"
#include "traces/convert/import_command.h"
#include "traces/convert/pcapng.h"

#include <boost/json.hpp>

namespace chorus::convert::sample {

inline constexpr std::uint8_t fin = 1, syn = 2, rst = 4, psh = 8, ack = 16;
inline constexpr auto missing = "packets are missing in the capture";
inline constexpr auto peers = "10.0.0.1:40000 10.0.0.2:6667";

// One connection's packets, a millisecond apart, to be changed before they are written.
struct Talk {
  explicit Talk(std::uint32_t server_number = 0x90000000, std::uint32_t client_number = 1000)
      : next{client_number, server_number} {}

  struct Packet {
    std::uint64_t time_ns;
    std::string datagram;
  };
  std::vector<Packet> packets;
  std::uint32_t next[2];
  std::uint64_t now = 1'700'000'000'000'000'000;

  Talk& send(int side, unsigned flags, const std::string& text = {}, std::int64_t off = 0) {
    const auto seq = static_cast<std::uint32_t>(next[side] + off);
    now += 1'000'000;
    packets.push_back({now, datagram(side, seq, (flags & ack) ? next[1 - side] : 0, flags, text)});
    if (off == 0)
      next[side] += static_cast<std::uint32_t>(text.size()) + ((flags & (syn | fin)) != 0 ? 1 : 0);
    return *this;
  }
  Talk& client(unsigned flags, const std::string& text = {}, std::int64_t off = 0) {
    return send(0, flags, text, off);
  }
  Talk& server(unsigned flags, const std::string& text = {}, std::int64_t off = 0) {
    return send(1, flags, text, off);
  }
  Talk& open() { return client(syn).server(syn | ack).client(ack); }
  Talk& chat() {
    return client(ack | psh, "NICK a\n")
        .server(ack | psh, "hi a\n")
        .client(ack | psh, "PING\n")
        .server(ack | psh, "PONG\n");
  }
  Talk& close() { return client(fin | ack).server(ack).server(fin | ack).client(ack); }
  Talk& without(std::size_t i) {
    packets.erase(packets.begin() + static_cast<std::ptrdiff_t>(i));
    return *this;
  }
  // They change places, each with the time of the other.
  Talk& swap(std::size_t i, std::size_t k) {
    std::swap(packets[i].datagram, packets[k].datagram);
    return *this;
  }

  static std::string datagram(int side, std::uint32_t seq, std::uint32_t acked, unsigned flags,
                              const std::string& text) {
    std::string bytes;
    const auto add = [&bytes](std::uint32_t value, int size) {
      while (size-- > 0) bytes += static_cast<char>(value >> 8 * size & 0xff);
    };
    const std::uint32_t address[2] = {0x0a000001, 0x0a000002}, port[2] = {40000, 6667};
    add(0x4500, 2);
    add(static_cast<std::uint32_t>(40 + text.size()), 2);
    add(0x4000, 4);
    add(0x40060000, 4);
    add(address[side], 4);
    add(address[1 - side], 4);
    add(port[side], 2);
    add(port[1 - side], 2);
    add(seq, 4);
    add(acked, 4);
    add(0x5000 | flags, 2);
    add(0xffff, 2);
    add(0, 4);
    return bytes + text;
  }
};

struct Imported {
  Answer answer;
  std::vector<std::pair<EventKind, std::string>> events;
  std::string to_server, to_client, incomplete;
  std::string last() const { return events.empty() ? "" : events.back().second; }
  std::size_t count(EventKind kind) const {
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(), [&](const auto& one) { return one.first == kind; }));
  }
};

inline Imported import_of(const std::vector<Talk::Packet>& packets, std::vector<std::string> more = {}) {
  const Folder folder;
  std::string file = pcapng::beginning("test", "test");
  for (const auto& packet : packets) pcapng::append_packet(file, packet.time_ns, packet.datagram);
  write_file(folder / "in.pcapng", file);
  more.insert(more.begin(), {(folder / "in.pcapng").string(), "-o", (folder / "out.trace").string()});
  Imported result;
  result.answer = run(add_import_command, "import", more);
  if (result.answer.status != 0) return result;
  const auto trace = loaded_in_part(folder / "out.trace");
  for (const Event& event : trace.events) {
    const std::string text(event.payload);
    result.events.emplace_back(event.kind, text);
    if (event.kind == EventKind::ToServer || event.kind == EventKind::ToClient) CHECK_FALSE(text.empty());
    if (event.kind == EventKind::ToServer) result.to_server += text;
    if (event.kind == EventKind::ToClient) result.to_client += text;
  }
  const auto info = boost::json::parse(trace.info).as_object();
  if (const auto* text = info.if_contains("incomplete")) result.incomplete = text->as_string().c_str();
  return result;
}

// All is there, as if nothing had happened on the way.
inline void whole(const Imported& imported, const std::string& to_server = "NICK a\nPING\n",
                  const std::string& to_client = "hi a\nPONG\n") {
  INFO(imported.answer.err);
  CHECK(imported.answer.status == 0);
  CHECK(imported.answer.err.empty());
  CHECK(imported.incomplete.empty());
  CHECK(imported.to_server == to_server);
  CHECK(imported.to_client == to_client);
  REQUIRE_FALSE(imported.events.empty());
  CHECK(imported.events.front() == std::pair<EventKind, std::string>(EventKind::Opened, peers));
  CHECK(imported.count(EventKind::Opened) == 1);
  CHECK(imported.count(EventKind::Closed) == 1);
}

inline void lacks(const Imported& imported, std::uint64_t to_server, std::uint64_t to_client) {
  INFO(imported.answer.err);
  CHECK(imported.answer.status == 0);
  CHECK(has(imported.answer.err, "1 connection with packets missing"));
  CHECK(has(imported.answer.err, std::string("#0 ") + peers + " lacks " + std::to_string(to_server) +
                                     " B to the server, " + std::to_string(to_client) + " B to the client"));
  CHECK(has(imported.incomplete, "1 of 1 connection lacks " + std::to_string(to_server + to_client) +
                                     (to_server + to_client == 1 ? " byte:" : " bytes:")));
  CHECK(imported.last() == missing);
}

inline bool unavailable() {
  if (can_import()) return false;
  WARN("this build has no libtins: import is not tested");
  return true;
}

}  // namespace chorus::convert::sample
