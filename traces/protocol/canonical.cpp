#include "traces/protocol/canonical.h"

#include <algorithm>
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

}  // namespace chorus::protocol
