#include "traces/protocol/literals.h"

#include <algorithm>

namespace chorus::protocol {
namespace {

bool is_word(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Whether a word could end before text[at] and another begin there.
bool is_boundary(Bytes text, std::size_t at) noexcept {
  return at == 0 || at == text.size() || !is_word(text[at - 1]) || !is_word(text[at]);
}

}  // namespace

void Literals::add(std::string_view text, std::size_t value) {
  if (!text.empty()) entries_.push_back({std::string(text), value});
}

void Literals::done() {
  const auto first = [](const Entry& entry) { return static_cast<unsigned char>(entry.text.front()); };
  std::stable_sort(entries_.begin(), entries_.end(), [&](const Entry& a, const Entry& b) {
    return first(a) != first(b) ? first(a) < first(b) : a.text.size() > b.text.size();
  });
  first_of_.fill(0);
  for (const Entry& entry : entries_) ++first_of_[first(entry) + 1u];
  for (std::size_t b = 1; b < first_of_.size(); ++b) first_of_[b] += first_of_[b - 1];
}

std::optional<Literals::Hit> Literals::next(Bytes text, std::size_t from, std::size_t until) const noexcept {
  until = std::min(until, text.size());
  for (std::size_t at = from; at < until; ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::uint32_t begin = first_of_[byte], end = first_of_[byte + 1u];
    if (begin == end || !is_boundary(text, at)) continue;
    for (std::uint32_t i = begin; i < end; ++i) {
      const std::string& literal = entries_[i].text;
      if (literal.size() > until - at || text.compare(at, literal.size(), literal) != 0) continue;
      if (is_boundary(text, at + literal.size())) return Hit{at, literal.size(), entries_[i].value};
    }
  }
  return std::nullopt;
}

}  // namespace chorus::protocol
