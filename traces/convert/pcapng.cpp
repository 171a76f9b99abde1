#include "traces/convert/pcapng.h"

#include <bit>
#include <cstring>

namespace chorus::convert::pcapng {
namespace {

constexpr std::uint32_t section_header = 0x0a0d0d0a, interface_description = 1, enhanced_packet = 6;
constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint16_t linktype_raw = 101;
constexpr std::uint16_t opt_comment = 1, shb_userappl = 4, if_name = 2, if_tsresol = 9;

template <class Number>
void append(std::string& to, Number value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof bytes);
}

void pad(std::string& to, std::size_t size) {
  to.append((4 - size % 4) % 4, '\0');
}

void append_option(std::string& to, std::uint16_t code, format::Bytes value) {
  append(to, code);
  append(to, static_cast<std::uint16_t>(value.size()));
  to += value;
  pad(to, value.size());
}
void end_options(std::string& to) {
  append(to, std::uint32_t{0});
}

// A block is its type, its length, its body and its length again.
std::size_t begin_block(std::string& to, std::uint32_t type) {
  const std::size_t at = to.size();
  append(to, type);
  append(to, std::uint32_t{0});
  return at;
}
void end_block(std::string& to, std::size_t at) {
  const auto size = static_cast<std::uint32_t>(to.size() - at + 4);
  append(to, size);
  std::memcpy(to.data() + at + 4, &size, sizeof size);
}

}  // namespace

std::string beginning(const std::string& application, const std::string& comment) {
  std::string file;
  std::size_t block = begin_block(file, section_header);
  append(file, byte_order_magic);
  append(file, std::uint16_t{1});  // version 1.0
  append(file, std::uint16_t{0});
  append(file, ~std::uint64_t{0});  // the section's length: not said
  append_option(file, opt_comment, comment);
  append_option(file, shb_userappl, application);
  end_options(file);
  end_block(file, block);

  block = begin_block(file, interface_description);
  append(file, linktype_raw);
  append(file, std::uint16_t{0});
  append(file, std::uint32_t{0});  // no limit: only what is not there is cut
  append_option(file, if_name, "chorus");
  append_option(file, if_tsresol, "\x09");  // 10^-9 s
  end_options(file);
  end_block(file, block);
  return file;
}

void append_packet(std::string& to, std::uint64_t time_ns, format::Bytes packet, const std::string& comment,
                   std::size_t kept) {
  const std::size_t block = begin_block(to, enhanced_packet);
  append(to, std::uint32_t{0});  // the interface
  append(to, static_cast<std::uint32_t>(time_ns >> 32));
  append(to, static_cast<std::uint32_t>(time_ns));
  const format::Bytes captured = packet.substr(0, kept);
  append(to, static_cast<std::uint32_t>(captured.size()));
  append(to, static_cast<std::uint32_t>(packet.size()));
  to += captured;
  pad(to, captured.size());
  if (!comment.empty()) {
    append_option(to, opt_comment, format::Bytes(comment).substr(0, 0xffff));
    end_options(to);
  }
  end_block(to, block);
}

}  // namespace chorus::convert::pcapng
