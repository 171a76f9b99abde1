// The events of one captured TCP connection, from its packets' flags and the bytes that were put in order.
#pragma once

#include "traces/convert/import.h"
#include "traces/convert/tcp_evidence.h"
#include "traces/format/writer.h"

#include <array>

namespace chorus::convert {

// Numbers connections by their first events, and joins bytes of one direction and time to one chunk.
class CapturedEvents {
 public:
  CapturedEvents(format::Writer& writer, ImportReport& report) : writer_(writer), report_(report) {}
  std::uint32_t number() { return next_++; }
  void note(format::Nanos time, std::uint32_t connection, format::EventKind kind, format::Bytes payload);
  void bytes(format::Nanos time, std::uint32_t connection, format::EventKind kind, format::Bytes payload);
  void flush();

 private:
  format::Writer& writer_;
  ImportReport& report_;
  format::Event chunk_;  // None: there is none
  std::string payload_;  // of the chunk
  std::uint32_t next_ = 0;
};

class CapturedConnection {
 public:
  using Side = TcpEvidence::Side;
  CapturedConnection(CapturedEvents& events, ImportReport& report, Endpoint from, Endpoint to)
      : client(from), server(to), events_(events), report_(report) {}

  const Endpoint client, server;

  void open(format::Nanos time);  // the first call counts
  void data(format::Nanos time, Side from, format::Bytes bytes);
  void end(format::Nanos time, Side side);  // the connection is over when both have ended
  void reset(format::Nanos time, Side side, const std::string& why = {});  // why: not that it was reset
  void close(format::Nanos time, const std::string& why);
  bool opened() const noexcept { return opened_; }
  bool over() const noexcept { return over_; }
  std::uint32_t number() const noexcept { return number_; }  // once there was an event
  bool ended(Side side) const noexcept { return ended_[static_cast<std::size_t>(side)]; }

 private:
  void note(format::Nanos time, format::EventKind kind, format::Bytes payload);
  void refuse(format::Nanos time, format::Bytes why);
  format::Nanos in_order(format::Nanos time);  // clocks of captures go back now and then

  CapturedEvents& events_;
  ImportReport& report_;
  std::uint32_t number_ = 0;
  format::Nanos last_{0};
  bool numbered_ = false, opened_ = false, over_ = false;
  std::array<bool, 2> ended_{};
};

}  // namespace chorus::convert
