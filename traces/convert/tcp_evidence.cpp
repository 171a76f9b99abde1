#include "traces/convert/tcp_evidence.h"

#include <algorithm>

namespace chorus::convert {
namespace {

using Flag = TcpSegment::Flag;
using Side = TcpEvidence::Side;

constexpr std::int64_t largest_window = 1 << 30;  // RFC 7323, 2.3
constexpr std::int64_t reset_window =
    16 << 20;  // more than systems offer unasked; RFC 5961 wants the exact number
constexpr std::int64_t most_reordered = 1 << 20;  // bytes that a packet may have come before the beginning's

Side other(Side side) {
  return side == Side::client ? Side::server : Side::client;
}

// RFC 9293, 3.8.4: a segment of no or one byte before what comes next, only to be answered.
bool probe(const TcpSegment& segment) {
  return segment.length <= 1 && !segment.has(Flag::psh) && !segment.has(Flag::fin) && !segment.has(Flag::syn);
}

}  // namespace

std::int64_t TcpEvidence::Direction::offset(std::uint32_t seq) const noexcept {
  const std::uint64_t reference = std::max(known, acked);
  const auto apart = static_cast<std::int32_t>(seq - (first + static_cast<std::uint32_t>(reference)));
  return static_cast<std::int64_t>(reference) + apart;
}

void TcpEvidence::Direction::begin(std::uint32_t seq, bool sure) noexcept {
  if (begun && (certain || !sure)) return;
  if (begun && settled) {
    const std::int64_t early = -offset(seq);
    if (early > 0 && early <= most_reordered) before = std::max(before, static_cast<std::uint32_t>(early));
  } else if (begun && seq != first) {
    const std::int64_t early = -offset(seq);
    if (early > 0 && early <= most_reordered) {
      lower(static_cast<std::uint32_t>(early));
    } else {
      *this = {};
      first = seq;
    }
  } else {
    first = seq;
  }
  begun = true;
  certain = sure;
}

void TcpEvidence::Direction::lower(std::uint32_t bytes) noexcept {
  first -= bytes;
  known += bytes;
  acked += bytes;
  end += bytes;
}

void TcpEvidence::Direction::acknowledge(std::uint32_t ack) noexcept {
  const std::int64_t to = offset(ack);
  ack_seen = true;
  if (to <= static_cast<std::int64_t>(acked)) return;
  if (to > static_cast<std::int64_t>(std::max(known, acked)) + largest_window) return;
  one_more_acked = static_cast<std::uint64_t>(to) == acked + 1;
  acked = static_cast<std::uint64_t>(to);
}

// Before there is a connection, a server's packet must answer the SYN: others are of an older one.
bool TcpEvidence::believable_answer(Side from, const TcpSegment& segment) const noexcept {
  if (answered_ || !saw_syn_ || from == Side::client || !segment.has(Flag::acknowledges)) return true;
  const std::int64_t to = at(Side::client).offset(segment.ack);
  return to >= 0 && to <= largest_window;
}

TcpEvidence::Verdict TcpEvidence::take(Side from, const TcpSegment& segment) {
  Direction& own = at(from);
  Direction& peer = at(other(from));
  const bool syn = segment.has(Flag::syn), acknowledges = segment.has(Flag::acknowledges);
  if (!believable_answer(from, segment)) return {.outside = true};
  if (segment.has(Flag::rst)) return {.outside = !take_reset(from, segment)};
  if (syn && own.certain && own.first != segment.first()) return {.outside = true};
  if (syn && !acknowledges) saw_syn_ = true;
  if (!own.begun && probe(segment) && segment.length == 1)
    own.begin(segment.first() + 1, false);
  else
    own.begin(segment.first(), syn);
  const Verdict verdict = take_bytes(own, segment);
  if (verdict.outside) return verdict;
  if (acknowledges) {
    peer.begin(segment.ack, false);
    peer.acknowledge(segment.ack);
    answered_ = true;
  }
  return verdict;
}

TcpEvidence::Verdict TcpEvidence::take_bytes(Direction& own, const TcpSegment& segment) {
  std::int64_t from = own.offset(segment.first());
  const auto seen = static_cast<std::int64_t>(std::max(own.known, own.acked));
  if (from > seen + largest_window || from < seen - largest_window - std::int64_t{segment.length})
    return {.outside = true};
  if (from < 0 && !own.certain && !probe(segment) && segment.length > 0 && -from <= most_reordered) {
    const std::int64_t to = from + segment.length;
    if (!own.settled) {
      own.lower(static_cast<std::uint32_t>(-from));
      from = 0;
    } else if (!own.ack_seen || to > static_cast<std::int64_t>(own.acked)) {
      own.before = std::max(own.before, static_cast<std::uint32_t>(-from));
    }
  }
  const std::int64_t to = from + segment.length;
  if (to < 0) return {};
  if (own.finished && segment.length > 0 && static_cast<std::uint64_t>(to) > own.end) {
    if (own.next == own.end) return {.outside = true};
    own.finished = false;  // who goes on has not ended
  }
  if (segment.length > 0) own.known = std::max(own.known, static_cast<std::uint64_t>(to));
  if (segment.has(Flag::fin) && static_cast<std::uint64_t>(to) >= std::max(own.known, own.next)) {
    own.finished = true;
    own.end = own.known = static_cast<std::uint64_t>(to);
  }
  if (reset_ && &at(*reset_) == &own && own.known > reset_at_) reset_.reset();
  const std::int64_t captured = from + static_cast<std::int64_t>(segment.payload.size());
  return {.fresh = !segment.payload.empty() && captured > static_cast<std::int64_t>(own.next)};
}

bool TcpEvidence::take_reset(Side from, const TcpSegment& segment) noexcept {
  Direction& own = at(from);
  Direction& peer = at(other(from));
  if (segment.has(Flag::acknowledges) && peer.begun && answered_) peer.acknowledge(segment.ack);
  if (own.begun) {
    const std::int64_t to = own.offset(segment.seq);
    const auto seen = static_cast<std::int64_t>(std::max(own.known, own.acked));
    if (to < static_cast<std::int64_t>(own.acked) - 1 || to > seen + reset_window) return false;
    reset_at_ = static_cast<std::uint64_t>(std::max<std::int64_t>(to, 0));
    const bool after_fin = own.finished || to == static_cast<std::int64_t>(own.known) + 1;
    if (to > seen && !after_fin) own.known = reset_at_;
  }
  reset_ = from;
  return true;
}

void TcpEvidence::delivered(Side side, std::uint64_t bytes) noexcept {
  Direction& own = at(side);
  own.settled = true;
  own.next += bytes;
  own.known = std::max(own.known, own.next);
}

std::uint32_t TcpEvidence::settle_beginning(Side side) noexcept {
  at(side).settled = true;
  return at(side).first;
}

bool TcpEvidence::begins_at(std::uint32_t first) const noexcept {
  const Direction& client = at(Side::client);
  if (client.certain || !client.begun) return client.first == first;
  const std::int64_t early = -client.offset(first);
  return early >= 0 && early <= most_reordered;
}

bool TcpEvidence::answered_by(std::uint32_t ack) const noexcept {
  const Direction& client = at(Side::client);
  const std::int64_t to = client.offset(ack);
  return begins_at(ack) || (to >= 0 && to <= static_cast<std::int64_t>(client.known));
}

bool TcpEvidence::ended(Side side) const noexcept {
  return at(side).finished && at(side).next == at(side).end;
}

bool TcpEvidence::over() const noexcept {
  return reset_ || (directions_[0].finished && directions_[1].finished);
}

// A FIN takes a number like a byte: where it was not captured, an acknowledgement of just one more is its.
std::uint64_t TcpEvidence::missing(Side side) const noexcept {
  const Direction& one = at(side);
  std::uint64_t end = one.known;
  if (!one.finished && one.acked > end) end = one.acked - (one.one_more_acked ? 1 : 0);
  if (one.finished) end = one.end;
  return (end > one.next ? end - one.next : 0) + one.before;
}

}  // namespace chorus::convert
