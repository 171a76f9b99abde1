#include "traces/protocol/canonical.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>
#include <vector>

namespace chorus::protocol {
namespace {

constexpr std::string_view spaces = " \t\r\n";

struct Attribute {
  Bytes name, value;
};

// The attributes of a tag's inside, behind its name; false when that is not what stands there.
bool read_attributes(Bytes inside, std::vector<Attribute>& out) {
  while (true) {
    const auto begin = inside.find_first_not_of(spaces);
    if (begin == Bytes::npos) return true;
    const auto equals = inside.find('=', begin);
    if (equals == Bytes::npos || equals + 1 >= inside.size()) return false;
    const char quote = inside[equals + 1];
    const auto end = inside.find(quote, equals + 2);
    if ((quote != '"' && quote != '\'') || end == Bytes::npos) return false;
    out.push_back({inside.substr(begin, equals - begin), inside.substr(equals + 2, end - equals - 2)});
    inside.remove_prefix(end + 1);
  }
}

std::size_t tag_end(Bytes text, std::size_t at) {
  char quote = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      return at;
    }
  }
  return Bytes::npos;
}

bool append_tag(Bytes inside, std::string& out) {
  const bool empty = !inside.empty() && inside.back() == '/';
  if (empty) inside.remove_suffix(1);
  const auto name = std::min(inside.find_first_of(spaces), inside.size());
  std::vector<Attribute> attributes;
  if (!read_attributes(inside.substr(name), attributes)) return false;
  std::sort(attributes.begin(), attributes.end(),
            [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
  out.append(1, '<').append(inside.substr(0, name));
  for (const Attribute& attribute : attributes) {
    const char quote = attribute.value.find('\'') == Bytes::npos ? '\'' : '"';
    out.append(1, ' ').append(attribute.name).append(1, '=');
    out.append(1, quote).append(attribute.value).append(1, quote);
  }
  out += empty ? "/>" : ">";
  return true;
}

void append_utf8(std::uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

// Bytes of the entity or character reference that `text` begins with; 0 = it is none.
std::size_t append_entity(Bytes text, std::string& out) {
  static constexpr std::pair<std::string_view, char> known[] = {
      {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&apos;", '\''}, {"&quot;", '"'}};
  for (const auto& [entity, c] : known) {
    if (!text.starts_with(entity)) continue;
    out += c;
    return entity.size();
  }
  if (!text.starts_with("&#")) return 0;
  const bool hex = text.size() > 2 && text[2] == 'x';
  const char* first = text.data() + (hex ? 3 : 2);
  const char* last = text.data() + std::min<std::size_t>(text.size(), 12);
  if (first >= last) return 0;
  std::uint32_t c = 0;
  const auto read = std::from_chars(first, last, c, hex ? 16 : 10);
  if (read.ec != std::errc() || read.ptr == last || *read.ptr != ';' || c > 0x10ffff) return 0;
  append_utf8(c, out);
  return static_cast<std::size_t>(read.ptr - text.data()) + 1;
}

}  // namespace

std::string canonical_xml(Bytes message) {
  std::string out;
  out.reserve(message.size());
  for (std::size_t at = 0; at < message.size();) {
    const auto open = message.find('<', at);
    out.append(message.substr(at, open == Bytes::npos ? Bytes::npos : open - at));
    if (open == Bytes::npos) break;
    const auto end = tag_end(message, open + 1);
    const bool plain = end != Bytes::npos && open + 1 < end && message[open + 1] != '/' &&
                       message[open + 1] != '!' && message[open + 1] != '?';
    const Bytes inside = plain ? message.substr(open + 1, end - open - 1) : Bytes();
    if (!plain || !append_tag(inside, out)) {
      at = end == Bytes::npos ? message.size() : end + 1;
      out.append(message.substr(open, at - open));
      continue;
    }
    at = end + 1;
    // <a></a> says what <a/> does.
    const auto name = inside.substr(0, inside.find_first_of(" \t\r\n/"));
    const bool closes = inside.back() != '/' && message.substr(at, 2) == "</" &&
                        message.substr(at + 2, name.size()) == name &&
                        at + 2 + name.size() < message.size() && message[at + 2 + name.size()] == '>';
    if (!closes) continue;
    out.back() = '/';
    out += '>';
    at += name.size() + 3;
  }
  return out;
}

std::string xml_text(Bytes text) {
  constexpr std::string_view cdata = "<![CDATA[";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Bytes rest = text.substr(at);
    if (rest.starts_with(cdata)) {
      const auto end = std::min(rest.find("]]>"), rest.size());
      out += rest.substr(cdata.size(), end - std::min(end, cdata.size()));
      at += std::min(end + 3, rest.size());
    } else if (const std::size_t size = rest.front() == '&' ? append_entity(rest, out) : 0; size > 0) {
      at += size;
    } else {
      out += rest.front();
      ++at;
    }
  }
  return out;
}

}  // namespace chorus::protocol
