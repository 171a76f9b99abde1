// Framing by a length at the start: a number of fixed width, or MQTT's varint. A length that promises more
// than max_message is broken at once: not one byte of the promise is waited for.
//
// Varints that are longer than they need to be (80 00 for 0) are accepted: MQTT 3.1.1 does not forbid them,
// and a recording must be readable as it is. set_length() writes the shortest, which every receiver takes.
#include "traces/protocol/framing_kinds.h"

#include <algorithm>

namespace chorus::protocol {
namespace {

constexpr const char* too_long = "a length field promises more than any message may have";

std::uint64_t read_number(const char* bytes, unsigned width, bool big_endian) noexcept {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < width; ++i) {
    number = number << 8 | static_cast<unsigned char>(bytes[big_endian ? i : width - 1 - i]);
  }
  return number;
}

// What must be there before the size is known: the kind may stand behind the header.
std::size_t head_of(const Framing& framing) noexcept {
  const std::size_t kind_end = framing.specials.empty() ? 0 : framing.kind_at + framing.kind_width;
  return std::max(counted_header(framing), kind_end);
}

const Framing::Special* special_of(const Framing& framing, const char* head) noexcept {
  if (framing.specials.empty()) return nullptr;
  const std::uint64_t kind = read_number(head + framing.kind_at, framing.kind_width, framing.kind_big_endian);
  const auto is_it = [kind](const Framing::Special& special) { return special.kind == kind; };
  const auto found = std::find_if(framing.specials.begin(), framing.specials.end(), is_it);
  return found == framing.specials.end() ? nullptr : &*found;
}

// What stands between the field's number and the size of the message.
std::int64_t beside_field(const Framing& framing, const Framing::Special* special) noexcept {
  const std::int64_t header =
      framing.includes_header ? 0 : static_cast<std::int64_t>(counted_header(framing));
  return header + (special == nullptr ? 0 : special->add);
}

struct Varint {
  enum class Is : std::uint8_t { whole, cut, broken };
  Is is = Is::cut;
  std::uint64_t value = 0;
  std::size_t width = 0;
};

Varint read_varint(const Framing& framing, Bytes bytes) noexcept {
  Varint varint;
  for (; varint.width < framing.width; ++varint.width) {
    const std::size_t at = framing.offset + varint.width;
    if (at >= bytes.size()) return varint;
    const auto byte = static_cast<unsigned char>(bytes[at]);
    varint.value |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * varint.width);
    if (byte < 0x80) {
      ++varint.width;
      varint.is = Varint::Is::whole;
      return varint;
    }
  }
  varint.is = Varint::Is::broken;
  return varint;
}

}  // namespace

std::size_t counted_header(const Framing& framing) noexcept {
  return std::max<std::size_t>(framing.header, framing.offset + framing.width);
}

Frame next_counted(const Framing& framing, Bytes bytes) noexcept {
  const std::size_t head = head_of(framing);
  if (bytes.size() < head) return more(head);
  std::int64_t size = 0;
  const Framing::Special* special = special_of(framing, bytes.data());
  if (special != nullptr && special->size != 0) {
    size = special->size;
  } else {
    const std::uint64_t length =
        read_number(bytes.data() + framing.offset, framing.width, framing.big_endian);
    if (length >> 33 != 0) return broken(too_long);  // the others can be added to in 64 bits
    size = static_cast<std::int64_t>(length) + beside_field(framing, special);
  }
  if (size > framing.max_message) return broken(too_long);
  if (size < static_cast<std::int64_t>(head)) return broken("a length field is smaller than its own header");
  const auto whole = static_cast<std::size_t>(size);
  return bytes.size() < whole ? more(whole) : message_of(whole);
}

bool set_counted(const Framing& framing, std::string& message, std::size_t start) noexcept {
  const std::size_t size = message.size() - start;
  if (size < head_of(framing)) return false;
  const Framing::Special* special = special_of(framing, message.data() + start);
  if (special != nullptr && special->size != 0) return size == special->size;
  const std::int64_t signed_length = static_cast<std::int64_t>(size) - beside_field(framing, special);
  if (signed_length < 0) return false;
  const auto length = static_cast<std::uint64_t>(signed_length);
  if (framing.width < 8 && length >> (8 * framing.width) != 0) return false;
  for (unsigned i = 0; i < framing.width; ++i) {
    const unsigned shift = 8 * (framing.big_endian ? framing.width - 1u - i : i);
    message[start + framing.offset + i] = static_cast<char>(length >> shift & 0xff);
  }
  return true;
}

Frame next_varint(const Framing& framing, Bytes bytes) noexcept {
  const Varint varint = read_varint(framing, bytes);
  if (varint.is == Varint::Is::broken) return broken("a varint has more bytes than it may have");
  if (varint.is == Varint::Is::cut) return more(framing.offset + varint.width + 1);
  const std::uint64_t size = framing.offset + varint.width + varint.value;
  if (size > framing.max_message) return broken(too_long);
  const auto whole = static_cast<std::size_t>(size);
  return bytes.size() < whole ? more(whole) : message_of(whole);
}

std::size_t varint_header(const Framing& framing, Bytes message) noexcept {
  const Varint varint = read_varint(framing, message);
  return varint.is == Varint::Is::whole ? framing.offset + varint.width : 0;
}

bool set_varint(const Framing& framing, std::string& message, std::size_t start) noexcept {
  const std::size_t old_header = varint_header(framing, Bytes(message).substr(start));
  if (old_header == 0) return false;
  const std::size_t count = message.size() - start - old_header;
  char digits[5] = {};
  std::size_t width = 0;
  for (std::size_t rest = count; width == 0 || rest > 0; rest >>= 7) {
    if (width == framing.width || width == sizeof digits) return false;
    digits[width++] = static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  }
  if (framing.offset + width + count > framing.max_message) return false;
  message.replace(start + framing.offset, old_header - framing.offset, digits, width);
  return true;
}

}  // namespace chorus::protocol
