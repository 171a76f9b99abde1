// The formats of an export, event by event. Private to export.cpp and the tests.
#pragma once

#include "traces/convert/export.h"
#include "traces/convert/tcp_packets.h"

#include <map>
#include <memory>
#include <set>
#include <string>

namespace chorus::convert {

// Saturates: a damaged or hostile trace may hold any clock and any time.
std::int64_t wall_time(const format::Start& start, format::Nanos time);

std::string base64(format::Bytes bytes);
bool is_utf8(format::Bytes bytes);
// Without its bytes an event has its size and no payload.
void append_line(std::string& to, const format::Event& event, const format::Start& start,
                 bool bytes_kept = true);

// Events become packets, appended to `to` as blocks of pcapng.
class PacketExport {
 public:
  PacketExport(std::string& to, const format::Start& start, ExportReport& report)
      : to_(to), start_(start), report_(report) {}
  // Without its bytes a chunk's packets are captured up to their payload, as by `tcpdump -s`.
  void add(const format::Event& event, bool bytes_kept = true);

 private:
  struct Open {
    std::unique_ptr<TcpConversation> tcp;
    std::string addresses;  // what nobody else may use meanwhile
  };
  Open& open(std::uint32_t connection, format::Bytes addresses);
  void refuse(std::uint32_t connection);
  void close(std::uint32_t connection);
  bool play(Open& open, const format::Event& event);
  void append(format::Bytes packet, std::size_t headers);

  std::string& to_;
  format::Start start_;
  ExportReport& report_;
  std::map<std::uint32_t, Open> open_;
  std::set<std::string> in_use_;
  Endpoint server_{Ip{.v6 = false, .bytes = {192, 0, 2, 1}}, 9};  // the last one named; TEST-NET until then
  std::uint32_t begun_ = 0;
  std::uint64_t now_ns_ = 0;
  bool bytes_kept_ = true;
  std::string comment_;
};

}  // namespace chorus::convert
