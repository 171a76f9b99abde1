// Everything that includes libtins stands here.
//
// Of libtins the headers' parsers are used, and its DataTracker, the part of its StreamFollower that puts the
// bytes of one direction in order. The rest of that guesses where a SYN, a SYN+ACK or the bytes before a FIN
// are missing, and believes every RST: tcp_evidence.h does not.
#ifdef CHORUS_HAS_TINS

#include "traces/convert/tcp_follower.h"

#include "traces/convert/captured.h"

#include <algorithm>
#include <deque>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <tins/exceptions.h>
#include <tins/ip.h>
#include <tins/ipv6.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>
#include <tins/tcp_ip/data_tracker.h>

namespace chorus::convert {
namespace {

using format::Bytes;
using format::Nanos;
using Side = TcpEvidence::Side;
using Flag = TcpSegment::Flag;
using Tins::TCPIP::DataTracker;

constexpr std::size_t most_followed = 100'000;      // connections at once
constexpr std::size_t most_remembered = 100'000;    // connections that are over, or began before the capture
constexpr std::size_t most_reported = 10;           // connections that lack bytes, one by one
constexpr std::uint64_t most_buffered = 32u << 20;  // bytes of all connections that wait for what is missing
constexpr std::size_t most_waiting_segments = 512;  // of one connection
constexpr std::uint64_t most_waiting_bytes = 3u << 20;
constexpr std::uint64_t segment_bytes = 96;  // that a waiting segment costs beside its payload
// What is missing of a connection that is over else may still come, out of order, so long.
constexpr Nanos patience = std::chrono::seconds(5);
constexpr auto packets_missing = "packets are missing in the capture";

struct Pair {
  Endpoint low, high;
  Pair(const Endpoint& a, const Endpoint& b) {
    const auto order = [](const Endpoint& one) { return std::tie(one.ip.bytes, one.port); };
    low = order(a) < order(b) ? a : b;
    high = order(a) < order(b) ? b : a;
  }
  friend bool operator==(const Pair&, const Pair&) = default;
};

struct PairHash {
  std::size_t operator()(const Pair& pair) const noexcept {
    std::uint64_t hash = 14695981039346656037u;  // FNV-1a
    const auto add = [&hash](const Endpoint& one) {
      for (const std::uint8_t byte : one.ip.bytes) hash = (hash ^ byte) * 1099511628211u;
      hash = (hash ^ one.port) * 1099511628211u;
    };
    add(pair.low);
    add(pair.high);
    return static_cast<std::size_t>(hash);
  }
};

struct Connection {
  Connection(CapturedConnection captured, std::uint64_t in_order, bool is_whole)
      : seen(std::move(captured)), number(in_order), whole(is_whole) {}
  CapturedConnection seen;
  TcpEvidence tcp;
  std::unique_ptr<DataTracker> order[2];
  std::uint64_t number;        // in the order of beginning
  std::uint64_t buffered = 0;  // what this one's bytes cost that wait
  bool whole;                  // the capture has its beginning
  bool awaited = false;        // stands in `awaited_`
};

// A connection that is over: late packets are no new one.
struct Buried {
  std::uint64_t number;
  std::uint32_t client_first;
  bool saw_syn;
};

Endpoint endpoint(Bytes datagram, std::size_t address, bool v6, std::uint16_t port) {
  Endpoint end;
  end.ip.v6 = v6;
  std::copy_n(datagram.begin() + static_cast<std::ptrdiff_t>(address), end.ip.size(), end.ip.bytes.begin());
  end.port = port;
  return end;
}

}  // namespace

struct TcpFollower::Impl {
  using Connections = std::unordered_map<Pair, Connection, PairHash>;
  struct Named {
    Pair pair;
    std::uint64_t number;
    Nanos until{};
  };

  Impl(const ImportOptions& options, format::Writer& writer, ImportReport& report)
      : options_(options), report_(report), events_(writer, report) {}

  void packet(Nanos now, Bytes datagram, bool shortened) {
    now_ = now;
    wait_no_longer();
    if (datagram.empty()) return;
    try {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(datagram.data());
      const auto size = static_cast<std::uint32_t>(datagram.size());
      const unsigned version = bytes[0] >> 4;
      if (version == 4) {
        const Tins::IP ip(bytes, size);
        const std::uint32_t sent = ip.tot_len() - std::min<std::uint32_t>(ip.tot_len(), ip.head_len() * 4u);
        if (ip.is_fragmented())
          ++report_.fragments;
        else
          parsed(ip, datagram, false, shortened ? sent : 0);
      } else if (version == 6) {
        const Tins::IPv6 ip(bytes, size);
        const std::uint32_t headers = ip.header_size() - 40;
        const std::uint32_t sent =
            ip.payload_length() - std::min<std::uint32_t>(ip.payload_length(), headers);
        parsed(ip, datagram, true, shortened ? sent : 0);
      }
    } catch (const Tins::exception_base&) {
      ++report_.malformed;
    }
  }

  // `sent`: bytes of the TCP header and payload, where not all of them were captured.
  void parsed(const Tins::PDU& ip, Bytes datagram, bool v6, std::uint32_t sent) {
    const auto* tcp = ip.find_pdu<Tins::TCP>();
    if (!tcp) return;
    constexpr unsigned beside_congestion = 0x3f;
    TcpSegment segment;
    segment.seq = tcp->seq();
    segment.ack = tcp->ack_seq();
    segment.flags = static_cast<std::uint8_t>(static_cast<unsigned>(tcp->flags()) & beside_congestion);
    if (const auto* raw = tcp->find_pdu<Tins::RawPDU>())
      segment.payload = {reinterpret_cast<const char*>(raw->payload().data()), raw->payload().size()};
    const std::uint32_t header = tcp->data_offset() * 4u;
    segment.length = std::max(static_cast<std::uint32_t>(segment.payload.size()),
                              sent > header ? sent - header : std::uint32_t{0});
    follow(segment, endpoint(datagram, v6 ? 8 : 12, v6, tcp->sport()),
           endpoint(datagram, v6 ? 24 : 16, v6, tcp->dport()));
  }

  void follow(const TcpSegment& segment, const Endpoint& from, const Endpoint& to) {
    const Pair pair(from, to);
    auto found = connections_.find(pair);
    if (segment.has(Flag::syn) && !segment.has(Flag::rst)) {
      const bool answer = segment.has(Flag::acknowledges);
      const Endpoint &client = answer ? to : from, &server = answer ? from : to;
      const std::uint32_t first = answer ? segment.ack : segment.first();
      if (late(pair, first, answer)) return;
      const auto same = [&](const Connection& one) {
        return one.seen.client == client && (answer ? one.tcp.answered_by(first) : one.tcp.begins_at(first));
      };
      if (found != connections_.end() && !same(found->second)) {
        settle(found, "another connection took its place");
        found = connections_.end();
      }
      if (found == connections_.end()) found = begin(pair, client, server, true);
      if (found != connections_.end()) found->second.whole = true;
    } else if (found == connections_.end() && !buried_.contains(pair)) {
      found = unknown(segment, pair, from, to);
    }
    if (found != connections_.end()) take(found, from, segment);
  }

  // A SYN or SYN+ACK of a connection that is over.
  bool late(const Pair& pair, std::uint32_t first, bool answer) const {
    const auto found = buried_.find(pair);
    if (found == buried_.end()) return false;
    constexpr std::uint32_t most_on_syn = 1u << 16;
    const std::uint32_t apart = first - found->second.client_first;
    return answer ? apart < most_on_syn : apart == 0 && !found->second.saw_syn;
  }

  bool is_server(const Endpoint& end) const {
    return (!options_.server || *options_.server == end) && (!options_.port || *options_.port == end.port);
  }

  Connections::iterator begin(const Pair& pair, const Endpoint& client, const Endpoint& server, bool whole) {
    buried_.erase(pair);
    if (!is_server(server)) {
      if (others_.size() < most_remembered && others_.insert(pair).second) ++report_.others;
      return connections_.end();
    }
    if (connections_.size() >= most_followed) {
      ++report_.unfollowed;
      return connections_.end();
    }
    return connections_
        .try_emplace(pair, CapturedConnection(events_, report_, client, server), begun_++, whole)
        .first;
  }

  // The first that is seen of a connection is neither SYN nor SYN+ACK.
  Connections::iterator unknown(const TcpSegment& segment, const Pair& pair, const Endpoint& from,
                                const Endpoint& to) {
    const bool usable = segment.has(Flag::acknowledges) && !segment.has(Flag::rst);
    if (!usable || (!is_server(from) && !is_server(to))) return connections_.end();
    if (options_.partial) return is_server(to) ? begin(pair, from, to, false) : begin(pair, to, from, false);
    if (segment.length > 0 && beheaded_.size() < most_remembered && beheaded_.insert(pair).second)
      ++report_.began_before;
    return connections_.end();
  }

  void take(Connections::iterator place, const Endpoint& from, const TcpSegment& segment) {
    Connection& one = place->second;
    const Side side = from == one.seen.client ? Side::client : Side::server;
    const TcpEvidence::Verdict verdict = one.tcp.take(side, segment);
    if (verdict.outside) {
      ++report_.outside;
      return;
    }
    if (!one.seen.over()) {
      if (one.whole && one.tcp.answered()) one.seen.open(now_);
      if (verdict.fresh) store(one, side, segment);
      for (const Side each : {side, side == Side::client ? Side::server : Side::client}) {
        deliver(one, each);
        if (one.seen.opened() && !one.seen.ended(each) && one.tcp.ended(each)) one.seen.end(now_, each);
      }
      measure(one);
    }
    if (!one.tcp.over()) return;
    if (one.tcp.missing() == 0 || !one.tcp.answered()) return settle(place, "");
    if (!std::exchange(one.awaited, true)) awaited_.push_back({place->first, one.number, now_ + patience});
  }

  void store(Connection& one, Side side, const TcpSegment& segment) {
    auto& order = one.order[static_cast<std::size_t>(side)];
    if (!order) order = std::make_unique<DataTracker>(one.tcp.settle_beginning(side));
    order->process_payload(segment.first(), {segment.payload.begin(), segment.payload.end()});
  }

  // What came on a SYN waits for the server's answer.
  void deliver(Connection& one, Side side) {
    auto& order = one.order[static_cast<std::size_t>(side)];
    if (!order || order->payload().empty() || !one.tcp.answered()) return;
    auto& bytes = order->payload();
    one.seen.data(now_, side, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    one.tcp.delivered(side, bytes.size());
    constexpr std::size_t kept = 4096;
    bytes.clear();
    if (bytes.capacity() > kept) DataTracker::payload_type().swap(bytes);
  }

  // Bytes are missing, and what came behind them may be too much to wait for them.
  void measure(Connection& one) {
    std::uint64_t segments = 0, bytes = 0;
    for (const auto& order : one.order) {
      if (!order) continue;
      segments += order->buffered_payload().size();
      bytes += order->total_buffered_bytes() + order->payload().size();
    }
    const std::uint64_t cost = bytes + segments * segment_bytes;
    buffered_ += cost - std::exchange(one.buffered, cost);
    if (segments <= most_waiting_segments && bytes <= most_waiting_bytes && buffered_ <= most_buffered)
      return;
    if (one.whole && !one.tcp.answered()) return forget_bytes(one);
    if (one.seen.opened() || !one.whole) {
      one.seen.open(now_);
      one.seen.close(now_, packets_missing);
    }
    forget_bytes(one);
  }

  void forget_bytes(Connection& one) {
    buffered_ -= std::exchange(one.buffered, 0);
    for (auto& order : one.order) order.reset();
  }

  void wait_no_longer() {
    for (; !awaited_.empty() && awaited_.front().until <= now_; awaited_.pop_front()) {
      const auto found = connections_.find(awaited_.front().pair);
      if (found == connections_.end() || found->second.number != awaited_.front().number) continue;
      found->second.awaited = false;
      if (found->second.tcp.over()) settle(found, packets_missing);
    }
  }

  // The last word on a connection. `why` it is closed, where nothing is missing.
  void settle(Connections::iterator place, const std::string& why) {
    Connection& one = place->second;
    const bool began = !one.whole || one.seen.opened();
    const std::uint64_t missing = began ? one.tcp.missing() : 0;
    if (!one.seen.over() && (one.whole || one.seen.opened() || missing > 0)) {
      if (missing > 0) one.seen.open(now_);
      if (one.tcp.reset_by())
        one.seen.reset(now_, *one.tcp.reset_by(), missing > 0 ? packets_missing : "");
      else
        one.seen.close(now_, missing > 0 ? packets_missing : why);
    }
    if (missing > 0) lacks(one);
    if (!one.whole && one.seen.opened()) ++report_.began_before;
    forget_bytes(one);
    buried_[place->first] = {one.number, one.tcp.beginning(Side::client), one.tcp.saw_syn()};
    graves_.push_back({place->first, one.number});
    connections_.erase(place);
    if (graves_.size() <= most_remembered) return;
    const auto oldest = buried_.find(graves_.front().pair);
    if (oldest != buried_.end() && oldest->second.number == graves_.front().number) buried_.erase(oldest);
    graves_.pop_front();
  }

  void lacks(const Connection& one) {
    const std::uint64_t up = one.tcp.missing(Side::client), down = one.tcp.missing(Side::server);
    ++report_.holes;
    report_.missing_bytes += up + down;
    if (report_.lacking.size() < most_reported)
      report_.lacking.push_back({one.seen.number(),
                                 show_endpoint(one.seen.client) + ' ' + show_endpoint(one.seen.server), up,
                                 down});
  }

  void finish(Nanos now) {
    now_ = now;
    std::vector<std::pair<std::uint64_t, Connections::iterator>> open;
    open.reserve(connections_.size());
    for (auto place = connections_.begin(); place != connections_.end(); ++place)
      open.emplace_back(place->second.number, place);
    std::sort(open.begin(), open.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [number, place] : open) settle(place, "the capture ends here");
    events_.flush();
  }

  const ImportOptions& options_;
  ImportReport& report_;
  CapturedEvents events_;
  Connections connections_;
  std::unordered_map<Pair, Buried, PairHash> buried_;
  std::unordered_set<Pair, PairHash> beheaded_, others_;
  std::deque<Named> graves_, awaited_;
  Nanos now_{0};
  std::uint64_t begun_ = 0, buffered_ = 0;
};

TcpFollower::TcpFollower(const ImportOptions& options, format::Writer& writer, ImportReport& report)
    : impl_(std::make_unique<Impl>(options, writer, report)) {}
TcpFollower::~TcpFollower() = default;

void TcpFollower::packet(Nanos now, Bytes datagram, bool shortened) {
  impl_->packet(now, datagram, shortened);
}

void TcpFollower::finish(Nanos now) {
  impl_->finish(now);
}

}  // namespace chorus::convert

#endif
