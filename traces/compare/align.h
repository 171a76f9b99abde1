// Which elements of two sequences belong together, and which of them changed their place.
//
// Equal elements in the same order are a longest common subsequence (Myers' O(ND) search, so equal sequences
// cost one pass); equal ones outside it have moved (n - longest increasing subsequence, also where texts
// repeat). Of the rest, two of one kind in the same gap are the same element with another content. Beyond a
// bound on the number of differences the search gives way to a join by occurrence, which takes O(n log n).
// What the elements are is the business of messages.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace chorus::compare {

struct Token {
  std::uint64_t key = 0;  // equal keys are equal elements
  std::uint32_t kind = 0;
  bool operator==(const Token& other) const noexcept { return key == other.key && kind == other.kind; }
};

enum class Fate : std::uint8_t { kept, moved, changed, alone };

struct Slot {
  Fate fate = Fate::alone;
  std::uint32_t partner = 0;  // index in the other sequence; without meaning for `alone`
};

struct Alignment {
  std::vector<Slot> a, b;  // as long as the sequences; partners point at each other
};

inline constexpr std::uint32_t most_edits = 1024;  // memory of the search: 4 bytes * most_edits^2

Alignment align(std::span<const Token> a, std::span<const Token> b, std::uint32_t edits = most_edits);

}  // namespace chorus::compare
