// The kinds of messages: which one a message is, by a number or by a word in it, and numbers for those met
// first.
#include "traces/protocol/page_rules.h"

#include <algorithm>

namespace chorus::protocol {

std::uint64_t read_number(Bytes bytes, bool big_endian) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    number = number << 8 | static_cast<unsigned char>(bytes[big_endian ? i : bytes.size() - 1 - i]);
  }
  return number;
}

char upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

FieldSpan Page::Impl::word_of(Side from, Bytes message) const noexcept {
  const Bytes body = without_delimiter(framing[static_cast<std::size_t>(from)], message);
  unsigned nth = 0;
  for (std::size_t at = 0; at < body.size();) {
    if (body[at] == ' ') {
      ++at;
      continue;
    }
    const std::size_t end = std::min(body.find(' ', at), body.size());
    if (place.skip.find(body[at]) == std::string::npos && ++nth == place.word) return {at, end - at};
    at = end;
  }
  return {};
}

std::size_t Page::kinds() const noexcept {
  return impl_->kind_names.size();
}

std::string_view Page::kind_name(KindId kind) const noexcept {
  return impl_->kind_names[kind < impl_->kind_names.size() ? kind : unknown_kind];
}

KindUse Page::use(Side from, KindId kind) const noexcept {
  const KindRules* rules = impl_->find_rules(from, kind);
  return rules ? rules->use : KindUse{};
}

FieldSpan Page::kind_span(Side from, Bytes message) const noexcept {
  return impl_->place.by == KindPlace::By::word && !is_raw() ? impl_->word_of(from, message) : FieldSpan{};
}

// "IQ.RESULT.BIND": the name of the element, attributes, and of some elements their first child's name.
std::string_view Page::Impl::kind_word(Side from, Bytes message, char (&room)[longest_word]) const noexcept {
  std::size_t size = 0;
  const auto add = [&](Bytes word) {
    if (size > 0 && size < longest_word) room[size++] = '.';
    for (std::size_t i = 0; i < word.size() && size < longest_word; ++i) room[size++] = upper(word[i]);
  };
  if (place.by == KindPlace::By::word) {
    const FieldSpan span = word_of(from, message);
    if (span.size <= longest_word) add(message.substr(span.at, span.size));
    return {room, size};
  }
  const Element element = outermost(message);
  if (element.name.empty()) {
    add(place.blank);
    return {room, size};
  }
  add(element.name);
  for (const std::string& attribute : place.attributes) {
    if (const Bytes value = attribute_of(element, attribute); !value.empty()) add(value);
  }
  const auto& parents = place.child_of;
  if (std::find(parents.begin(), parents.end(), element.name) != parents.end()) {
    const Element child = outermost(element.content);
    if (!child.name.empty() && child.name.front() != '/') add(child.name);
  }
  return {room, size};
}

KindId Page::kind_of(Side from, Bytes message) const noexcept {
  if (is_raw()) return unknown_kind;
  const KindPlace& place = impl_->place;
  if (place.by != KindPlace::By::number) {
    char room[longest_word];
    const auto found = impl_->by_word.find(impl_->kind_word(from, message, room));
    return found == impl_->by_word.end() ? unknown_kind : found->second;
  }
  if (message.size() < std::size_t{place.at} + place.width) return unknown_kind;
  const auto found = impl_->by_number.find(
      read_number(message.substr(place.at, place.width), place.big_endian) & place.mask);
  return found == impl_->by_number.end() ? unknown_kind : found->second;
}

KindId Page::learn_kind(Side from, Bytes message) {
  const KindId known = kind_of(from, message);
  if (known != unknown_kind || is_raw()) return known;
  const KindPlace& place = impl_->place;
  if (place.by == KindPlace::By::number) {
    if (message.size() < std::size_t{place.at} + place.width) return unknown_kind;
    const std::uint64_t number =
        read_number(message.substr(place.at, place.width), place.big_endian) & place.mask;
    const KindId kind = impl_->add_kind(std::to_string(number));
    if (kind != unknown_kind) impl_->by_number.emplace(number, kind);
    return kind;
  }
  char room[longest_word];
  const std::string word(impl_->kind_word(from, message, room));
  const bool printable = std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (word.empty() || word.size() == longest_word || !printable) return unknown_kind;
  const KindId kind = impl_->add_kind(word);
  if (kind != unknown_kind) impl_->by_word.emplace(word, kind);
  return kind;
}

}  // namespace chorus::protocol
