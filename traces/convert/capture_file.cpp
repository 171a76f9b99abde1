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

std::uint32_t big(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size && at + i < bytes.size(); ++i)
    value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

}  // namespace

CaptureFile::CaptureFile(pcap* handle) : handle_(handle, pcap_close), link_(pcap_datalink(handle)) {}

Expected<CaptureFile> CaptureFile::open(const std::filesystem::path& path) {
  std::FILE* file = std::fopen(path.string().c_str(), "rb");
  if (!file) return Trouble{"cannot open " + path.string() + ": " + std::strerror(errno)};
  char why[PCAP_ERRBUF_SIZE] = "";
  pcap* handle = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
  if (!handle) {
    std::fclose(file);
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
  pcap_pkthdr* header = nullptr;
  const u_char* bytes = nullptr;
  const int result = pcap_next_ex(handle_.get(), &header, &bytes);
  if (result != 1) return result == PCAP_ERROR_BREAK ? Next::end : Next::bad;
  constexpr std::int64_t most_seconds = 9'000'000'000;  // about the year 2255, where nanoseconds since 1970 end
  time_ns_ = std::clamp<std::int64_t>(header->ts.tv_sec, 0, most_seconds) * 1'000'000'000 +
             std::clamp<std::int64_t>(header->ts.tv_usec, 0, 999'999'999);
  shortened_ = header->caplen < header->len;
  packet_ = Bytes(reinterpret_cast<const char*>(bytes), header->caplen);
  return Next::packet;
}

std::string CaptureFile::problem() const {
  return pcap_geterr(handle_.get());
}

Bytes CaptureFile::datagram() const {
  std::size_t at = 0, type = 0;
  switch (link_) {
    case DLT_EN10MB:
      at = 14;
      type = big(packet_, 12, 2);
      while ((type == 0x8100 || type == 0x88a8) && at + 4 <= packet_.size()) {  // VLAN tags
        type = big(packet_, at + 2, 2);
        at += 4;
      }
      break;
    case DLT_LINUX_SLL:
      at = 16;
      type = big(packet_, 14, 2);
      break;
    case DLT_LINUX_SLL2:
      at = 20;
      type = big(packet_, 0, 2);
      break;
    case DLT_NULL:
    case DLT_LOOP:
      at = 4;
      break;
    default:
      break;
  }
  if (packet_.size() <= at || (type != 0 && type != 0x0800 && type != 0x86dd)) return {};
  return packet_.substr(at);
}

}  // namespace chorus::convert

#endif
