// Captured packets become the events of the TCP connections that they are of.
#pragma once

#include "traces/convert/import.h"
#include "traces/format/writer.h"

#include <memory>

namespace chorus::convert {

// Exists only where CHORUS_HAS_TINS is defined. The arguments of the constructor are borrowed.
class TcpFollower {
 public:
  TcpFollower(const ImportOptions& options, format::Writer& writer, ImportReport& report);
  ~TcpFollower();
  TcpFollower(const TcpFollower&) = delete;
  TcpFollower& operator=(const TcpFollower&) = delete;

  // `now` counts from the start of the capture. `shortened`: only the packet's beginning is in `datagram`.
  void packet(format::Nanos now, format::Bytes datagram, bool shortened);
  void finish(format::Nanos now);  // no more packets: what is still open ends here

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus::convert
