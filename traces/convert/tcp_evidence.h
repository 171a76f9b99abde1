// What the captured packets of one TCP connection (RFC 9293) say about it, whatever of them is missing, late
// or there twice: where each direction's bytes begin, which of a packet's bytes are new, what is the end, and
// how many bytes there were that were never captured. Putting bytes in order is somebody else's.
//
// A SYN or SYN+ACK says where a direction begins; where neither was captured, the first acknowledgement from
// the other side does, else the first packet. Bytes are known to exist by packets behind them, by a FIN, and
// by the other side having acknowledged them.
#pragma once

#include "traces/format/event.h"

#include <array>
#include <cstdint>
#include <optional>

namespace chorus::convert {

struct TcpSegment {
  enum Flag : std::uint8_t { fin = 1, syn = 2, rst = 4, psh = 8, acknowledges = 16 };
  std::uint32_t seq = 0, ack = 0;
  std::uint8_t flags = 0;
  format::Bytes payload;     // what was captured of it
  std::uint32_t length = 0;  // bytes of payload that were sent
  bool has(Flag flag) const noexcept { return (flags & flag) != 0; }
  std::uint32_t first() const noexcept { return seq + (has(syn) ? 1 : 0); }  // of the payload
};

class TcpEvidence {
 public:
  enum class Side : std::uint8_t { client = 0, server = 1 };

  struct Verdict {
    bool outside = false;  // belongs to no window of this connection: nothing of it was believed
    bool fresh = false;    // has bytes that were not delivered yet
  };
  Verdict take(Side from, const TcpSegment& segment);
  // `bytes` more of a direction's are in order. After the first call for a direction its beginning stays.
  void delivered(Side side, std::uint64_t bytes) noexcept;
  // A direction's first bytes go to who puts them in order; where they begin is settled now.
  std::uint32_t settle_beginning(Side side) noexcept;

  // There is a connection: the server has answered, or packets go on without a SYN.
  bool answered() const noexcept { return answered_; }
  bool saw_syn() const noexcept { return saw_syn_; }
  // Whether a SYN, which says that the client's bytes begin at `first`, can be this connection's; and a
  // SYN+ACK, which also acknowledges bytes that were on the SYN (RFC 7413).
  bool begins_at(std::uint32_t first) const noexcept;
  bool answered_by(std::uint32_t ack) const noexcept;
  std::uint32_t beginning(Side side) const noexcept { return at(side).first; }

  bool ended(Side side) const noexcept;  // its FIN, and all before it was delivered
  bool over() const noexcept;            // both FINs or a RST were seen
  std::optional<Side> reset_by() const noexcept { return reset_; }  // whose RST it was
  // Bytes that there were, and that were not delivered.
  std::uint64_t missing(Side side) const noexcept;
  std::uint64_t missing() const noexcept { return missing(Side::client) + missing(Side::server); }

 private:
  // Offsets count a direction's bytes from its first one.
  struct Direction {
    std::uint64_t next = 0;    // all before it were delivered
    std::uint64_t known = 0;   // end of the bytes that packets of this side speak of
    std::uint64_t acked = 0;   // by the other side
    std::uint64_t end = 0;     // of the FIN
    std::uint32_t first = 0;   // sequence number of offset 0
    std::uint32_t before = 0;  // bytes before it, which came too late to stand there
    bool begun = false, certain = false, settled = false, finished = false;
    bool ack_seen = false, one_more_acked = false;  // the last acknowledgement went up by 1
    std::int64_t offset(std::uint32_t seq) const noexcept;
    void begin(std::uint32_t seq, bool sure) noexcept;
    void lower(std::uint32_t bytes) noexcept;
    void acknowledge(std::uint32_t ack) noexcept;
  };
  Direction& at(Side side) noexcept { return directions_[static_cast<std::size_t>(side)]; }
  const Direction& at(Side side) const noexcept { return directions_[static_cast<std::size_t>(side)]; }
  bool believable_answer(Side from, const TcpSegment& segment) const noexcept;
  bool take_reset(Side from, const TcpSegment& segment) noexcept;
  Verdict take_bytes(Direction& own, const TcpSegment& segment);

  std::array<Direction, 2> directions_;
  std::uint64_t reset_at_ = 0;
  std::optional<Side> reset_;
  bool answered_ = false, saw_syn_ = false;
};

}  // namespace chorus::convert
