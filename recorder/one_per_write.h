// One write per message, for a server that takes what one receive brings for one message.
//
// A proxy reads what the client's writes left in the socket: two messages may come as one read, or one as
// two. Handed on like that, such a server loses the second or misreads both. So the client's bytes are cut
// into messages again, and each goes out whole. Two writes alone would meet again in the server's socket: the
// second waits until the server has said something, or `longest_wait` for one that has no reply. Pure:
// session.cpp writes, and waits.
#pragma once

#include "traces/protocol/framing.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace chorus::recorder {

// Long for a server that only has to read, short for whoever types.
inline constexpr std::chrono::milliseconds longest_wait{250};

// What was done to the client's bytes.
struct Recut {
  std::uint64_t split = 0;     // reads that brought more than one message
  std::uint64_t joined = 0;    // messages that came in several reads
  std::uint64_t unframed = 0;  // bytes that are no messages, forwarded as they came
  Recut& operator+=(const Recut& other);
};
// For the trace's header: what holds from the start, and the sentence with the figures at the end.
inline constexpr const char* recut_from_start = "each message of a client goes to the server as one write";
std::string show_recut(const Recut& recut);

// The client's direction of one connection. One thread.
class OnePerWrite {
 public:
  OnePerWrite(const protocol::Framing& framing, Recut& recut) : framing_(framing), recut_(recut) {}

  void add(protocol::Bytes bytes);  // one read
  // What goes out next; nothing when more has to be read first. Bytes that are no message come as they are.
  std::optional<std::string> next();
  bool has_next() const noexcept { return frame_ != 0; }
  // The beginning of a message whose rest will not come, or whatever has not gone out yet.
  std::string take_rest();
  bool empty() const noexcept { return pending_.empty(); }

 private:
  void look();

  const protocol::Framing& framing_;
  Recut& recut_;
  std::string pending_;
  protocol::Scan scan_;
  std::size_t frame_ = 0;    // bytes of the next message; 0 = it is not whole
  std::size_t earlier_ = 0;  // bytes of pending_ that came before the last read
  std::size_t given_ = 0;    // messages made of the last read
  bool broken_ = false;
};

}  // namespace chorus::recorder
