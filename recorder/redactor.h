// What must not reach the disk: passwords that a page knows, whatever a pattern matches, and the bytes of a
// direction that nobody wanted. All of it is replaced at the same length, so that a trace keeps the true time
// and size of every chunk.
//
// A password may come in two reads. So the events of a connection wait, in order, until the message that they
// are a part of is whole; with most protocols that is at once. What waits is bounded: when a connection holds
// more than `most_held` because one side does not finish its message, those bytes are blanked, and so is a
// message that never ends.
#pragma once

#include "recorder/leg.h"
#include "traces/format/event.h"
#include "traces/protocol/page.h"
#include "traces/protocol/pattern.h"

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace chorus::recorder {

enum class Payloads : std::uint8_t { all, client, none };  // whose bytes a trace keeps

inline constexpr char blank = 'x';
inline constexpr std::size_t most_held = 1u << 20;  // bytes, of one connection

// What is asked for. Immutable while recording.
struct Redaction {
  std::shared_ptr<const protocol::Page> page;  // nullptr: unknown, every chunk is looked at by itself
  std::optional<protocol::Pattern> pattern;
  std::array<bool, 2> secrets{};  // by Side: the page has some, and they are blanked
  Payloads payloads = Payloads::all;

  bool active() const noexcept { return secrets[0] || secrets[1] || pattern || payloads != Payloads::all; }
  bool leaves_out(Side side) const noexcept {
    return payloads == Payloads::none || (payloads == Payloads::client && side == Side::server);
  }
};

// What was done. By Side.
struct Redacted {
  struct Direction {
    std::uint64_t secrets = 0;      // fields
    std::uint64_t matches = 0;      // of the pattern
    std::uint64_t blank_bytes = 0;  // of no whole message
  };
  std::array<Direction, 2> sides;
  Redacted& operator+=(const Redacted& other);
};

// One connection. One thread. Pure: events in, events out.
class Redactor {
 public:
  using Ready = std::function<void(const format::Event&)>;
  Redactor(const Redaction& redaction, Redacted& redacted) : redaction_(redaction), redacted_(redacted) {}

  // All events of the connection, in order; `ready` gets, in the same order, those that may be written.
  void add(const format::Event& event, const Ready& ready);
  void finish(const Ready& ready);  // what still waits

 private:
  struct Stream {
    std::string text;          // of the events that wait
    std::size_t settled = 0;   // so much of it may be written
    std::size_t released = 0;  // so much of it has been
    protocol::Scan scan;
    bool begun = false;   // its first message has come
    bool broken = false;  // its messages are not known from here on
  };
  struct Held {
    format::Event event;
    std::string text;      // of an event without bytes of a direction
    std::size_t size = 0;  // of its bytes in the stream
  };
  void settle(Side side);
  void settle_rest(Side side);
  void redact(Side side, std::span<char> message);
  bool is_strange(Side side, std::span<const char> message);
  std::span<char> body_of(Side side, std::span<char> message) const;
  void redact_fields(Side side, std::span<char> message);
  void redact_matches(Side side, std::span<char> bytes);
  void blank_out(Side side, std::span<char> bytes);
  void release(const Ready& ready);

  const Redaction& redaction_;
  Redacted& redacted_;
  std::array<Stream, 2> streams_;
  std::deque<Held> held_;
};

}  // namespace chorus::recorder
