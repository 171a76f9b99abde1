// A file of captured packets, pcap or pcapng, read by libpcap: the only thing that knows of it.
#pragma once

#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <filesystem>
#include <memory>
#include <string>

struct pcap;

namespace chorus::convert {

// Exists only where CHORUS_HAS_TINS is defined. One packet in memory at a time.
class CaptureFile {
 public:
  // Fails when the file cannot be read, is no capture, or holds packets of another kind of link.
  static Expected<CaptureFile> open(const std::filesystem::path& path);

  enum class Next : std::uint8_t { packet, end, bad };  // bad: see problem(); what came before was good
  Next next();
  std::string problem() const;

  std::int64_t time_ns() const noexcept { return time_ns_; }  // since 1970
  bool shortened() const noexcept { return shortened_; }      // only the packet's beginning was captured
  format::Bytes datagram()
      const;  // the packet's IP datagram, borrowed until next(); empty when it holds none

 private:
  explicit CaptureFile(pcap* handle);
  bool understood() const;
  std::unique_ptr<pcap, void (*)(pcap*)> handle_;
  int link_;
  std::int64_t time_ns_ = 0;
  bool shortened_ = false;
  format::Bytes packet_;
};

}  // namespace chorus::convert
