// A recording of the packet chat made by hand, for tests that need one without sockets.
#pragma once

#include "tests/chat_server/packets.h"
#include "traces/format/reader.h"
#include "traces/protocol/conversation.h"

#include <chrono>
#include <string>

namespace chorus::tests {

using namespace std::chrono_literals;
using format::EventKind;

class Recording {
 public:
  Recording& event(format::Nanos time, std::uint32_t connection, EventKind kind, std::string bytes = {}) {
    trace_.payloads.push_back(std::move(bytes));
    trace_.events.push_back({time, connection, kind, trace_.payloads.back(), {}});
    return *this;
  }
  Recording& says(format::Nanos time, std::uint32_t connection, std::string bytes) {
    return event(time, connection, EventKind::ToServer, std::move(bytes));
  }
  Recording& hears(format::Nanos time, std::uint32_t connection, std::string bytes) {
    return event(time, connection, EventKind::ToClient, std::move(bytes));
  }
  const format::Trace& trace() const { return trace_; }

 private:
  format::Trace trace_;
};

inline std::string created() {
  std::string body;
  chat::append_u32(body, static_cast<std::uint32_t>(chat::Code::created));
  return chat::packet(chat::Type::server_message, body);
}

// alice enters (10 ms after opening, answered at 30), joins room 1 (50, 60), says two things (1 s and 2.5 s,
// echoed 5 ms later) and leaves (3 s, 3.01 s); the server closes.
inline Recording alice() {
  Recording r;
  const std::string enter = chat::named_packet(chat::Type::server_enter, "alice");
  const std::string join = chat::room_enter("alice", 1);
  const std::string hello = chat::chat_packet(chat::Type::multicast, "alice", "hello");
  const std::string again = chat::chat_packet(chat::Type::multicast, "alice", "anybody?");
  const std::string bye = chat::named_packet(chat::Type::server_exit, "alice");
  r.event(0ms, 0, EventKind::Opened, "127.0.0.1:1 127.0.0.1:2");
  r.says(10ms, 0, enter).hears(30ms, 0, created());
  r.says(50ms, 0, join).hears(60ms, 0, join);
  r.says(1000ms, 0, hello).hears(1005ms, 0, hello);
  r.says(2500ms, 0, again).hears(2505ms, 0, again);
  r.says(3000ms, 0, bye).hears(3010ms, 0, bye);
  r.event(3011ms, 0, EventKind::ServerEnd)
      .event(3012ms, 0, EventKind::ClientEnd)
      .event(3012ms, 0, EventKind::Closed);
  return r;
}

}  // namespace chorus::tests
