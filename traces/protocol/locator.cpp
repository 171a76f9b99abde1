#include "traces/protocol/locator.h"

#include "traces/protocol/page_rules.h"

#include <algorithm>
#include <cstring>

namespace chorus::protocol {
namespace {

bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Bytes of the length that stands at the start of `rest`, and what it says. False when it does not fit.
bool read_prefix(Skip::What what, Bytes rest, bool big_endian, std::size_t& width, std::size_t& length) {
  std::uint32_t number = 0;
  switch (what) {
    case Skip::What::bytes:
      return false;
    case Skip::What::u8:
    case Skip::What::u16:
    case Skip::What::u32:
      width = what == Skip::What::u8 ? 1 : what == Skip::What::u16 ? 2 : 4;
      if (rest.size() < width) return false;
      length = static_cast<std::size_t>(read_number(rest.substr(0, width), big_endian));
      break;
    case Skip::What::varint:
      width = read_varint(rest, number);
      if (width == 0) return false;
      length = number;
      break;
  }
  return length <= rest.size() - width;
}

constexpr Skip::What prefix_of(Wrapping wrapping) noexcept {
  switch (wrapping) {
    case Wrapping::u8:
      return Skip::What::u8;
    case Wrapping::u16:
      return Skip::What::u16;
    case Wrapping::u32:
      return Skip::What::u32;
    case Wrapping::varint:
      return Skip::What::varint;
    default:
      return Skip::What::bytes;
  }
}

// The field begins at `at`: its size is fixed, counted by a length of its own, or all the rest.
bool place(Page::Field& field, Bytes body, std::size_t at, bool big_endian) {
  if (at > body.size()) return false;
  const Bytes rest = body.substr(at);
  if (const auto prefix = prefix_of(field.wrapping); prefix != Skip::What::bytes) {
    std::size_t width = 0, length = 0;
    if (!read_prefix(prefix, rest, big_endian, width, length)) return false;
    field.span = {at + width, length};
    field.prefix = static_cast<std::uint8_t>(width);
    return true;
  }
  field.span.at = at;
  if (field.fixed) return field.span.size <= rest.size();
  field.span.size = rest.size();
  if (field.encoding == Encoding::nul) field.span.size = std::min(rest.find('\0'), rest.size());
  return true;
}

bool by_path(const Locator& locator, Page::Field& field, Bytes body, std::size_t header, bool big_endian) {
  if (header > body.size()) return false;
  const Bytes counted = body.substr(header);
  if (!locator.when.holds(counted)) return false;
  std::size_t at = 0;
  for (const Locator::Step& step : locator.after) {
    if (!step.when.holds(counted)) continue;
    std::size_t width = step.skip.bytes, length = 0;
    if (step.skip.what != Skip::What::bytes &&
        !read_prefix(step.skip.what, counted.substr(at), big_endian, width, length)) {
      return false;
    }
    if (width + length > counted.size() - at) return false;
    at += width + length;
  }
  return place(field, body, header + at, big_endian);
}

bool by_word(const Locator& locator, Page::Field& field, Bytes body) {
  unsigned nth = 0;
  for (std::size_t at = 0; at < body.size();) {
    if (body[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t end = std::min(body.find(' ', at), body.size());
    const bool skipped = nth == 0 && locator.skip.find(body[at]) != std::string::npos;
    if (locator.by == Locator::By::lead) {
      if (!skipped) return false;
      if (body[at] == locator.lead) {
        field.span = {at + 1, end - at - 1};
        return true;
      }
    } else if (!skipped && ++nth == locator.word) {
      // A last word with a colon before it may have spaces; the colon is no part of it.
      const std::size_t colon = body[at] == ':' && locator.skip.find(':') != std::string::npos ? 1 : 0;
      const std::size_t stop = locator.to_end || (colon == 1) ? body.size() : end;
      field.span = {at + colon, stop - at - colon};
      return true;
    }
    at = end;
  }
  return false;
}

// The first tag that is no <?declaration?>; [begin, end) are its inside.
bool first_tag(Bytes body, std::size_t& begin, std::size_t& end) noexcept {
  begin = body.find('<');
  while (begin != Bytes::npos && begin + 1 < body.size() && body[begin + 1] == '?')
    begin = body.find('<', begin + 1);
  if (begin == Bytes::npos) return false;
  ++begin;
  char quote = 0;
  for (end = begin; end < body.size(); ++end) {
    const char c = body[end];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      return true;
    }
  }
  return false;
}

bool by_attribute(const Locator& locator, Page::Field& field, Bytes body) {
  const Bytes value = attribute_of(outermost(body), locator.tag);
  if (value.data() == nullptr) return false;
  field.span = {static_cast<std::size_t>(value.data() - body.data()), value.size()};
  return true;
}

bool by_element(const Locator& locator, Page::Field& field, Bytes body) {
  const std::string& tag = locator.tag;
  for (std::size_t at = body.find('<'); at != Bytes::npos; at = body.find('<', at + 1)) {
    const std::size_t after = at + 1 + tag.size();
    if (after >= body.size() || body.compare(at + 1, tag.size(), tag) != 0) continue;
    if (!is_space(body[after]) && body[after] != '>' && body[after] != '/') continue;
    const std::size_t open = body.find('>', after);
    if (open == Bytes::npos) return false;
    if (body[open - 1] == '/') return false;
    const std::size_t close = body.find("</", open + 1);
    if (close == Bytes::npos) return false;
    field.span = {open + 1, close - open - 1};
    return true;
  }
  return false;
}

bool by_pattern(const Locator& locator, Page::Field& field, Bytes body) {
  const auto groups = locator.pattern->groups(body);
  if (groups.size() < 2 || groups[1].empty()) return false;
  field.span = {static_cast<std::size_t>(groups[1].data() - body.data()), groups[1].size()};
  return true;
}

bool cut(const Locator& locator, Page::Field& field, Bytes body) {
  Bytes value = body.substr(field.span.at, field.span.size);
  if (!locator.behind.empty()) {
    const auto found = value.find_first_of(locator.behind);
    if (found == Bytes::npos) return false;
    value.remove_prefix(found + 1);
  }
  if (!locator.until.empty()) value = value.substr(0, value.find_first_of(locator.until));
  field.span = {static_cast<std::size_t>(value.data() - body.data()), value.size()};
  return true;
}

bool unwrap(const Locator& locator, Page::Field& field, Bytes body) {
  const auto text = from_base64(body.substr(field.span.at, field.span.size));
  if (!text) return false;
  field.inner = {0, text->size()};
  if (!locator.inner) return true;
  const auto groups = locator.inner->groups(*text);
  if (groups.size() < 2) return false;
  field.inner = {static_cast<std::size_t>(groups[1].data() - text->data()), groups[1].size()};
  return true;
}

constexpr char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

bool Condition::holds(Bytes body) const noexcept {
  return any || (byte < body.size() && (static_cast<unsigned char>(body[byte]) >> bit & 1) != 0);
}

bool locate(const Locator& locator, Page::Field& field, Bytes body, std::size_t header, bool big_endian) {
  bool found = false;
  switch (locator.by) {
    case Locator::By::place:
      found = place(field, body, field.span.at, big_endian);
      break;
    case Locator::By::path:
      found = by_path(locator, field, body, header, big_endian);
      break;
    case Locator::By::word:
    case Locator::By::lead:
      found = by_word(locator, field, body);
      break;
    case Locator::By::attribute:
      found = by_attribute(locator, field, body);
      break;
    case Locator::By::element:
      found = by_element(locator, field, body);
      break;
    case Locator::By::pattern:
      found = by_pattern(locator, field, body);
      break;
  }
  return found && cut(locator, field, body) &&
         (field.wrapping != Wrapping::base64 || unwrap(locator, field, body));
}

bool locate_next(const Locator& locator, Page::Field& field, Bytes body) {
  const std::size_t at = field.span.at + field.span.size + *locator.repeat;
  return at < body.size() && place(field, body, at, field.big_endian);
}

Element outermost(Bytes text) noexcept {
  Element element;
  std::size_t begin = 0, end = 0;
  if (!first_tag(text, begin, end)) return element;
  const Bytes inside = text.substr(begin, end - begin);
  const std::size_t slash = !inside.empty() && inside.back() == '/' ? 1 : 0;
  const std::size_t name = std::min(inside.find_first_of(" \t\r\n/", 1), inside.size());
  element.name = inside.substr(0, name);
  element.attributes = inside.substr(name, inside.size() - name - (name < inside.size() ? slash : 0));
  if (slash == 0) element.content = text.substr(end + 1);
  return element;
}

Bytes attribute_of(const Element& element, std::string_view name) noexcept {
  const Bytes text = element.attributes;
  for (std::size_t at = 0; at < text.size();) {
    while (at < text.size() && is_space(text[at])) ++at;
    const std::size_t begin = at;
    while (at < text.size() && text[at] != '=' && !is_space(text[at])) ++at;
    const Bytes named = text.substr(begin, at - begin);
    while (at < text.size() && text[at] != '"' && text[at] != '\'') ++at;
    if (at >= text.size()) break;
    const std::size_t value = at + 1, close = text.find(text[at], value);
    if (close == Bytes::npos) break;
    if (named == name) return text.substr(value, close - value);
    at = close + 1;
  }
  return {};
}

std::optional<std::string> from_base64(Bytes text) {
  std::string out;
  std::uint32_t bits = 0;
  unsigned count = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    const void* digit = c == 0 ? nullptr : std::memchr(digits64, c, 64);
    if (digit == nullptr) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(static_cast<const char*>(digit) - digits64);
    if ((count += 6) < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return count == 6 ? std::nullopt : std::optional<std::string>(std::move(out));
}

void append_base64(Bytes bytes, std::string& out) {
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t here = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < here ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += j <= here ? digits64[group >> (18 - 6 * j) & 63] : '=';
  }
}

std::size_t read_varint(Bytes bytes, std::uint32_t& value) noexcept {
  value = 0;
  for (std::size_t i = 0; i < 4 && i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    value |= (byte & 0x7fu) << (7 * i);
    if ((byte & 0x80u) == 0) return i + 1;
  }
  return 0;
}

void append_varint(std::uint32_t value, std::string& out) {
  do {
    const auto byte = static_cast<unsigned char>(value & 0x7f);
    value >>= 7;
    out += static_cast<char>(value != 0 ? byte | 0x80 : byte);
  } while (value != 0);
}

}  // namespace chorus::protocol
