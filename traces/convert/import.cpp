// Everything that includes libtins stands here.
//
// Of libtins only its StreamFollower is used, which puts the bytes of a connection in order. It decides by a
// FIN that a direction is over, also while bytes before it are still missing; so it never sees one: a
// direction has ended when the bytes before its FIN have all come. It takes a connection for closed at a RST,
// and that is how one is taken out of it.
#include "traces/convert/import.h"

#ifndef CHORUS_HAS_TINS

namespace chorus::convert {

bool can_import() noexcept {
  return false;
}

Expected<ImportReport> import_capture(const ImportOptions&) {
  return Trouble{
      "this build has no libtins and no libpcap, which read captures; import on Linux, in a build made "
      "where libtins-dev and libpcap-dev are installed: its traces replay everywhere"};
}

}  // namespace chorus::convert

#else

#include "traces/convert/capture_file.h"
#include "traces/convert/captured.h"
#include "traces/convert/files.h"
#include "traces/convert/summary.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include <boost/json.hpp>
#include <tins/exceptions.h>
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/tcp_ip/stream_follower.h>

namespace chorus::convert {
namespace {

namespace json = boost::json;
using format::Bytes;
using format::Nanos;
using Tins::TCP;
using Side = CapturedConnection::Side;

constexpr std::size_t most_followed = 100'000;      // connections at once
constexpr std::size_t most_remembered = 200'000;    // connections that are over, or began before the capture
constexpr std::uint64_t most_buffered = 64u << 20;  // bytes of all connections that wait for what is missing

struct Connection {
  CapturedConnection seen;
  std::string pair;                             // of addresses
  std::uint64_t number;                         // in the order of beginning
  std::uint32_t first;                          // the SYN's sequence number
  Tins::TCPIP::Stream* stream = nullptr;        // while libtins follows it
  bool flipped = false;                         // what libtins calls the client is the server
  std::optional<std::uint32_t> end_at[2] = {};  // the sequence number of a side's FIN
  std::uint64_t buffered = 0;

  const Tins::TCPIP::Flow& flow(Side side) const {
    return (side == Side::client) != flipped ? stream->client_flow() : stream->server_flow();
  }
};

class Follower {
 public:
  Follower(const ImportOptions& options, format::Writer& writer, ImportReport& report)
      : options_(options), report_(report), events_(writer, report) {
    streams_.follow_partial_streams(options.partial);
    // Chats are silent for hours, and time in a capture is not ours: nothing is given up by the clock.
    streams_.stream_keep_alive(std::chrono::hours(24 * 365 * 200));
    streams_.new_stream_callback([this](Stream& stream) { adopt(stream); });
    streams_.stream_termination_callback([this](Stream& stream, auto) {
      if (!current_ || current_->stream != &stream) return;
      give_up();
      released();
    });
  }

  void packet(Nanos now, Bytes datagram) {
    now_ = now;
    if (datagram.empty()) return;
    try {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(datagram.data());
      const auto size = static_cast<std::uint32_t>(datagram.size());
      const unsigned version = bytes[0] >> 4;
      if (version == 4) {
        Tins::IP ip(bytes, size);
        if (ip.is_fragmented())
          ++report_.fragments;
        else
          segment(ip, endpoint(datagram, 12, false), endpoint(datagram, 16, false));
      } else if (version == 6) {
        Tins::IPv6 ip(bytes, size);
        segment(ip, endpoint(datagram, 8, true), endpoint(datagram, 24, true));
      }
    } catch (const Tins::exception_base&) {
      ++report_.malformed;
    }
  }

  void finish(Nanos now) {
    std::vector<Connection*> open;
    for (auto& [key, connection] : connections_)
      if (!connection->seen.over()) open.push_back(connection.get());
    std::sort(open.begin(), open.end(), [](const auto* a, const auto* b) { return a->number < b->number; });
    for (Connection* connection : open) {
      if (connection->buffered > 0) ++report_.holes;
      connection->seen.close(now, "the capture ends here");
    }
    events_.flush();
  }

 private:
  using Stream = Tins::TCPIP::Stream;

  static Endpoint endpoint(Bytes datagram, std::size_t at, bool v6) {
    Endpoint end;
    end.ip.v6 = v6;
    std::copy_n(datagram.begin() + static_cast<std::ptrdiff_t>(at), end.ip.size(), end.ip.bytes.begin());
    return end;
  }
  static std::string key(const Endpoint& a, const Endpoint& b) {
    std::string one = show_endpoint(a), two = show_endpoint(b);
    if (two < one) one.swap(two);
    return one + ' ' + two;
  }
  bool is_server(const Endpoint& end) const {
    return (!options_.server || *options_.server == end) && (!options_.port || *options_.port == end.port);
  }

  void segment(Tins::PDU& pdu, Endpoint from, Endpoint to) {
    auto* tcp = pdu.find_pdu<TCP>();
    if (!tcp) return;
    from.port = tcp->sport();
    to.port = tcp->dport();
    constexpr unsigned beside_congestion = 0x3f;  // the follower knows a SYN only without ECE and CWR
    const unsigned flags = static_cast<unsigned>(tcp->flags()) & beside_congestion;
    tcp->flags(static_cast<std::uint8_t>(flags));
    const std::string pair = key(from, to);
    const auto found = connections_.find(pair);
    Connection* known = found == connections_.end() ? nullptr : found->second.get();
    current_ = known;
    if ((flags & (TCP::SYN | TCP::ACK | TCP::RST)) == TCP::SYN) {
      if (known && !known->seen.over() && known->first == tcp->seq() && known->seen.client == from) return;
      if (known && !known->seen.over()) replace(pdu);
      current_ = begin(pair, from, to, tcp->seq());
      if (current_) follow(pdu);
    } else if (known && !known->seen.over()) {
      continued(pdu, *tcp, flags, from == known->seen.client ? Side::client : Side::server);
    } else if (!known) {
      unknown(pdu, *tcp, pair, from, to);
    }
    current_ = nullptr;
  }

  Connection* begin(const std::string& pair, const Endpoint& client, const Endpoint& server,
                    std::uint32_t first) {
    connections_.erase(pair);
    if (!is_server(server)) {
      ++report_.others;
      return nullptr;
    }
    if (following_ >= most_followed) {
      ++report_.unfollowed;
      return nullptr;
    }
    auto connection = std::make_unique<Connection>(
        Connection{CapturedConnection(events_, report_, client, server), pair, begun_++, first});
    ++following_;
    return (connections_[pair] = std::move(connection)).get();
  }

  // The first that is seen of a connection is not its SYN.
  void unknown(Tins::PDU& pdu, const TCP& tcp, const std::string& pair, const Endpoint& from,
               const Endpoint& to) {
    if (!tcp.find_pdu<Tins::RawPDU>()) return;
    if (!is_server(from) && !is_server(to)) return;
    if (!options_.partial) {
      if (beheaded_.size() < most_remembered && beheaded_.insert(pair).second) ++report_.began_before;
      return;
    }
    const bool flipped = !is_server(to);
    Connection* connection = begin(pair, flipped ? to : from, flipped ? from : to, tcp.seq());
    if (!connection) return;
    ++report_.began_before;
    connection->flipped = flipped;
    current_ = connection;
    connection->seen.open(now_);
    follow(pdu);
  }

  void continued(Tins::PDU& pdu, TCP& tcp, unsigned flags, Side side) {
    CapturedConnection& seen = current_->seen;
    if ((flags & TCP::RST) != 0) {
      if (current_->buffered > 0) ++report_.holes;
      seen.reset(now_, side);
      return forget(pdu);
    }
    if (!(side == Side::client && !seen.opened() && !tcp.find_pdu<Tins::RawPDU>())) seen.open(now_);
    if ((flags & TCP::FIN) != 0) {
      const auto* raw = tcp.find_pdu<Tins::RawPDU>();
      current_->end_at[static_cast<std::size_t>(side)] =
          tcp.seq() + static_cast<std::uint32_t>(raw ? raw->payload_size() : 0);
      tcp.flags(static_cast<std::uint8_t>(flags & ~unsigned{TCP::FIN}));
    }
    follow(pdu);
    if (!current_->stream) return;
    for (const Side each : {side, side == Side::client ? Side::server : Side::client}) {
      const auto& end_at = current_->end_at[static_cast<std::size_t>(each)];
      if (!end_at || seen.ended(each)) continue;
      if (static_cast<std::int32_t>(current_->flow(each).sequence_number() - *end_at) >= 0)
        seen.end(now_, each);
    }
    if (seen.over()) forget(pdu);
  }

  void follow(Tins::PDU& pdu) {
    streams_.process_packet(pdu);
    if (!current_->stream) return;
    const std::uint64_t now_buffered = current_->stream->client_flow().total_buffered_bytes() +
                                       std::uint64_t{current_->stream->server_flow().total_buffered_bytes()};
    buffered_ += now_buffered - current_->buffered;
    current_->buffered = now_buffered;
    if (buffered_ > most_buffered) {
      give_up();
      forget(pdu);
    }
  }

  // Bytes are missing, and what came behind them is too much to wait for them.
  void give_up() {
    ++report_.holes;
    current_->seen.close(now_, "packets are missing in the capture");
  }

  // Takes the current connection, which is over, out of libtins. Turns `pdu` into a RST of it.
  void forget(Tins::PDU& pdu) {
    if (current_->stream) {
      auto* tcp = pdu.find_pdu<TCP>();
      std::unique_ptr<Tins::PDU>(tcp->release_inner_pdu()).reset();
      tcp->flags(TCP::RST);
      streams_.process_packet(pdu);
    }
    released();
  }

  // libtins follows it no more. That it was there is known a while longer: late packets are no new
  // connection.
  void released() {
    current_->stream = nullptr;
    buffered_ -= std::exchange(current_->buffered, 0);
    --following_;
    over_.push_back(current_->pair);
    if (over_.size() <= most_remembered) return;
    const auto oldest = connections_.find(over_.front());
    if (oldest != connections_.end() && oldest->second.get() != current_ && oldest->second->seen.over())
      connections_.erase(oldest);
    over_.pop_front();
  }

  void replace(Tins::PDU& pdu) {
    current_->seen.close(now_, "another connection took its place");
    const std::unique_ptr<Tins::PDU> copy(pdu.clone());
    forget(*copy);
  }

  void adopt(Stream& stream) {
    Connection* connection = current_;
    if (!connection) return;
    connection->stream = &stream;
    const auto hear = [this, connection](Side side, const Stream::payload_type& bytes) {
      connection->seen.data(now_, side, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
    const Side first = connection->flipped ? Side::server : Side::client;
    const Side second = connection->flipped ? Side::client : Side::server;
    stream.client_data_callback([hear, first](Stream& s) { hear(first, s.client_payload()); });
    stream.server_data_callback([hear, second](Stream& s) { hear(second, s.server_payload()); });
    constexpr std::uint32_t recovery_bytes = 64 << 10;
    if (stream.is_partial_stream()) stream.enable_recovery_mode(recovery_bytes);
  }

  const ImportOptions& options_;
  ImportReport& report_;
  CapturedEvents events_;
  Tins::TCPIP::StreamFollower streams_;
  std::unordered_map<std::string, std::unique_ptr<Connection>> connections_;
  std::unordered_set<std::string> beheaded_;
  std::deque<std::string> over_;
  Connection* current_ = nullptr;
  Nanos now_{0};
  std::uint64_t begun_ = 0, buffered_ = 0;
  std::size_t following_ = 0;
};

std::string note(const ImportOptions& options, const ImportReport& report, std::int64_t start_ns) {
  json::object imported{{"capture", options.input.filename().string()}, {"packets", report.packets}};
  if (report.began_before > 0) imported["began_before"] = report.began_before;
  if (report.holes > 0) imported["with_missing_packets"] = report.holes;
  if (!report.cut.empty()) imported["cut"] = report.cut;
  return json::serialize(json::object{{"mode", "recording"},
                                      {"tool", CHORUS_VERSION},
                                      {"started", utc(start_ns)},
                                      {"imported", std::move(imported)}});
}

std::string nothing_found(const ImportOptions& options, const ImportReport& report) {
  std::string text = options.input.string() + " holds no TCP connection to import: ";
  if (!report.cut.empty()) text += report.cut + "; ";
  text += counted(report.packets, "packet");
  if (report.others > 0) text += ", " + counted(report.others, "connection") + " to other servers";
  if (report.began_before == 0) return text;
  return text + ", " + counted(report.began_before, "connection") +
         " without their beginning (--partial with --server or --port takes them)";
}

}  // namespace

bool can_import() noexcept {
  return true;
}

Expected<ImportReport> import_capture(const ImportOptions& options) {
  if (options.partial && !options.server && !options.port)
    return Trouble{
        "--partial needs --server or --port: without a connection's beginning nothing says which side "
        "the server is"};
  auto capture = CaptureFile::open(options.input);
  if (!capture) return capture.error();
  if (const auto apart = keep_apart(options.input, options.output); !apart) return apart.error();

  ImportReport report;
  auto next = capture->next();
  const std::int64_t start_ns = std::max<std::int64_t>(capture->time_ns(), 1);
  auto trace = NewTrace::create(options.output, {start_ns, 0}, options.force);
  if (!trace) return trace.error();
  Follower follower(options, trace->writer(), report);
  Nanos now{0};
  for (; next == CaptureFile::Next::packet && trace->writer().ok(); next = capture->next()) {
    ++report.packets;
    if (capture->shortened()) ++report.shortened;
    now = std::max(Nanos(capture->time_ns() - start_ns), Nanos(0));
    follower.packet(now, capture->datagram());
  }
  if (next == CaptureFile::Next::bad) report.cut = capture->problem();
  follower.finish(now);
  if (report.connections + report.refused == 0) return Trouble{nothing_found(options, report)};
  trace->writer().info(note(options, report, start_ns));
  if (const auto closed = trace->finish(); !closed) return closed.error();
  return report;
}

}  // namespace chorus::convert

#endif
