// A file of captured packets, pcap or pcapng, read by libpcap: the only thing that knows of it.
#pragma once

#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <compare>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

struct pcap;

namespace chorus::convert {

// Exists only where CHORUS_HAS_TINS is defined. Captures of several processors or interfaces have their
// packets a little out of order: they come by their times here, those of a tenth of a second (at most 4096
// and 4 MiB) being in memory. A clock that goes back further was set.
class CaptureFile {
 public:
  // Fails when the file cannot be read, is no capture, or holds packets of another kind of link.
  static Expected<CaptureFile> open(const std::filesystem::path& path);

  // bad: see problem(); what came before was good. unlike: as bad, and what follows is of another kind of
  // link, or a capture of its own: problem() is the rest of a sentence that begins with the file's name.
  enum class Next : std::uint8_t { packet, end, bad, unlike };
  Next next();
  std::string problem() const;

  std::int64_t time_ns() const noexcept { return at_.time_ns; }   // since 1970
  bool shortened() const noexcept { return current_.shortened; }  // only the packet's beginning was captured
  // The packet's IP datagram, borrowed until next(); empty when it holds none.
  format::Bytes datagram() const noexcept { return current_.datagram; }

 private:
  explicit CaptureFile(pcap* handle);
  bool understood() const;
  bool several_links() const;
  Next read();  // one packet of the file to those that are held
  bool ready() const;
  std::unique_ptr<pcap, void (*)(pcap*)> handle_;
  int link_;

  struct Place {
    std::uint64_t setting = 0;  // how often the clock was set
    std::int64_t time_ns = 0;
    std::uint64_t number = 0;  // in the file
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Packet {
    std::string datagram;
    bool shortened = false;
  };
  std::map<Place, Packet> held_;
  std::size_t held_bytes_ = 0;
  Place newest_, at_;
  Packet current_;
  Next state_ = Next::packet;  // of the file
};

}  // namespace chorus::convert
