#ifdef CHORUS_HAS_TINS

#include "traces/convert/capture_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <pcap.h>

namespace chorus::convert {

using format::Bytes;

namespace {

constexpr std::int64_t disorder_ns = 100'000'000;

std::uint32_t big(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size && at + i < bytes.size(); ++i)
    value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

// The IP datagram in a packet of this kind of link, empty when it holds none.
Bytes datagram_of(Bytes packet, int link) {
  std::size_t at = 0, type = 0;
  switch (link) {
    case DLT_EN10MB:
      at = 14;
      type = big(packet, 12, 2);
      while ((type == 0x8100 || type == 0x88a8) && at + 4 <= packet.size()) {  // VLAN tags
        type = big(packet, at + 2, 2);
        at += 4;
      }
      break;
    case DLT_LINUX_SLL:
      at = 16;
      type = big(packet, 14, 2);
      break;
    case DLT_LINUX_SLL2:
      at = 20;
      type = big(packet, 0, 2);
      break;
    case DLT_NULL:
    case DLT_LOOP:
      at = 4;
      break;
    default:
      break;
  }
  if (packet.size() <= at || (type != 0 && type != 0x0800 && type != 0x86dd)) return {};
  return packet.substr(at);
}

// What packs a capture that begins like this, and what unpacks it; "" = it is not packed.
std::string packed_with(std::FILE* file) {
  struct Packing {
    Bytes magic;
    const char* words;
  };
  static constexpr Packing packings[] = {{{"\x1f\x8b", 2}, "gzip, unpack it first (gunzip)"},
                                         {{"\x28\xb5\x2f\xfd", 4}, "zstd, unpack it first (unzstd)"},
                                         {{"\xfd\x37zXZ", 5}, "xz, unpack it first (unxz)"},
                                         {{"BZh", 3}, "bzip2, unpack it first (bunzip2)"},
                                         {{"\x04\x22\x4d\x18", 4}, "lz4, unpack it first (unlz4)"},
                                         {{"PK\x03\x04", 4}, "zip, unpack it first (unzip)"}};
  char first[8] = {};
  std::rewind(file);
  const Bytes beginning(first, std::fread(first, 1, sizeof first, file));
  for (const Packing& packing : packings)
    if (beginning.starts_with(packing.magic)) return packing.words;
  return {};
}

}  // namespace

CaptureFile::CaptureFile(pcap* handle) : handle_(handle, pcap_close), link_(pcap_datalink(handle)) {}

Expected<CaptureFile> CaptureFile::open(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.string().c_str(), "rb");
  if (!file) return Trouble{"cannot open " + path.string() + ": " + std::strerror(errno)};
  char why[PCAP_ERRBUF_SIZE] = "";
  pcap* handle = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
  if (!handle) {
    const std::string packed = packed_with(file);
    std::fclose(file);
    if (!packed.empty()) return Trouble{path.string() + " is packed with " + packed};
    return Trouble{path.string() + " is no capture that can be read, expected pcap or pcapng: " + why};
  }
  CaptureFile capture(handle);
  if (!capture.understood())
    return Trouble{path.string() + " has packets of link type " + std::to_string(capture.link_) +
                   "; Ethernet, raw IP, loopback and Linux cooked captures are understood"};
  return capture;
}

bool CaptureFile::understood() const {
  const int known[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL,
                       DLT_LOOP,   DLT_RAW,       DLT_IPV4,       DLT_IPV6};
  return std::find(std::begin(known), std::end(known), link_) != std::end(known);
}

CaptureFile::Next CaptureFile::next() {
  while (state_ == Next::packet && !ready()) state_ = read();
  if (held_.empty()) return state_;
  auto first = held_.extract(held_.begin());
  at_ = first.key();
  current_ = std::move(first.mapped());
  held_bytes_ -= current_.datagram.size();
  return Next::packet;
}

bool CaptureFile::ready() const {
  constexpr std::size_t most_packets = 4096, most_bytes = 4u << 20;
  if (held_.empty()) return false;
  const Place& first = held_.begin()->first;
  return first.setting < newest_.setting || newest_.time_ns - first.time_ns >= disorder_ns ||
         held_.size() >= most_packets || held_bytes_ >= most_bytes;
}

CaptureFile::Next CaptureFile::read() {
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  const int result = pcap_next_ex(handle_.get(), &header, &bytes);
  if (result == PCAP_ERROR_BREAK) return Next::end;
  if (result != 1) return several_links() ? Next::unlike : Next::bad;
  constexpr std::int64_t most_seconds = 9'000'000'000;  // the year 2255, where nanoseconds since 1970 end
  Place place = newest_;
  place.time_ns = std::clamp<std::int64_t>(header->ts.tv_sec, 0, most_seconds) * 1'000'000'000 +
                  std::clamp<std::int64_t>(header->ts.tv_usec, 0, 999'999'999);
  ++place.number;
  const bool set = place.time_ns < newest_.time_ns - disorder_ns;
  if (set) ++place.setting;
  const Bytes found = datagram_of({reinterpret_cast<const char*>(bytes), header->caplen}, link_);
  held_.emplace_hint(held_.end(), place, Packet{std::string(found), header->caplen < header->len});
  held_bytes_ += found.size();
  if (!set) place.time_ns = std::max(place.time_ns, newest_.time_ns);
  newest_ = place;
  return Next::packet;
}

// libpcap has no code of its own for that.
bool CaptureFile::several_links() const {
  const Bytes words = pcap_geterr(handle_.get());
  return words.find("of the first interface") != Bytes::npos;
}

std::string CaptureFile::problem() const {
  if (several_links())
    return " holds packets of several interfaces, whose kinds of link differ for libpcap: make one capture "
           "of "
           "it (editcap -F pcap IN OUT), or capture on one interface, or on all with -i any";
  return pcap_geterr(handle_.get());
}

}  // namespace chorus::convert

#endif
