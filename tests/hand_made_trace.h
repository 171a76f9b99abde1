// Traces written by hand for the tests of traces/protocol: who said what, and when.
#pragma once

#include "traces/format/reader.h"

#include <string>
#include <string_view>

namespace chorus::protocol {

class HandMadeTrace {
 public:
  HandMadeTrace& opened(std::uint32_t connection,
                        std::string_view addresses = "127.0.0.1:50000 127.0.0.1:1") {
    return add(connection, format::EventKind::Opened, addresses);
  }
  HandMadeTrace& client(std::uint32_t connection, std::string_view bytes) {
    return add(connection, format::EventKind::ToServer, bytes);
  }
  HandMadeTrace& server(std::uint32_t connection, std::string_view bytes) {
    return add(connection, format::EventKind::ToClient, bytes);
  }
  HandMadeTrace& add(std::uint32_t connection, format::EventKind kind, std::string_view payload = "") {
    trace_.payloads.emplace_back(payload);
    format::Event event;
    now_ += std::chrono::milliseconds(1);  // each event is 1 ms after the last
    event.time = now_;
    event.connection = connection;
    event.kind = kind;
    event.payload = trace_.payloads.back();
    trace_.events.push_back(event);
    return *this;
  }
  format::Trace& trace() { return trace_; }

 private:
  format::Trace trace_;
  format::Nanos now_{0};
};

// Packets of the length/type chat: u16 length of the body, u16 type, body.
inline std::string packet(unsigned type, std::string_view body) {
  std::string bytes;
  for (const unsigned number : {static_cast<unsigned>(body.size()), type}) {
    bytes += static_cast<char>(number & 0xff);
    bytes += static_cast<char>(number >> 8);
  }
  return bytes.append(body);
}
inline std::string padded(std::string_view nick) {
  std::string field(nick);
  field.resize(32, '\0');
  return field;
}
inline std::string little(std::uint32_t number) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(number >> shift & 0xff);
  return bytes;
}
inline std::string enter(std::string_view nick) {
  return packet(11, std::string(nick) + '\0');
}
inline std::string enter_room(std::string_view nick, std::uint32_t room) {
  return packet(21, padded(nick) + little(room));
}
inline std::string multicast(std::string_view nick, std::string_view text) {
  return packet(32, padded(nick).append(text));
}
inline std::string unicast(std::string_view to, std::string_view nick, std::string_view text) {
  return packet(33, padded(to) + padded(nick).append(text));
}
inline std::string server_message(std::uint32_t code) {
  return packet(51, little(code));
}

}  // namespace chorus::protocol
