// How the messages of two sides are put side by side.
#include "traces/compare/align.h"

#include <algorithm>
#include <string_view>

#include <catch2/catch.hpp>

using namespace chorus;

namespace {

std::vector<compare::Token> tokens(std::string_view text) {
  std::vector<compare::Token> result;
  for (const char c : text) result.push_back({static_cast<std::uint64_t>(c), 0});
  return result;
}

std::size_t count(const std::vector<compare::Slot>& slots, compare::Fate fate) {
  return static_cast<std::size_t>(std::count_if(
      slots.begin(), slots.end(), [&](const compare::Slot& slot) { return slot.fate == fate; }));
}

}  // namespace

TEST_CASE("an alignment keeps a longest common subsequence and joins what moved", "[compare]") {
  const auto of = [](std::string_view a, std::string_view b, std::uint32_t edits = compare::most_edits) {
    return compare::align(tokens(a), tokens(b), edits);
  };
  CHECK(count(of("abcde", "abcde").a, compare::Fate::kept) == 5);
  CHECK(count(of("abcde", "bcdea").a, compare::Fate::moved) == 1);
  CHECK(count(of("abxde", "abyde").a, compare::Fate::changed) == 1);
  CHECK(count(of("abc", "").a, compare::Fate::alone) == 3);
  const auto bounded = of("0123456789", "1032547698", 2);  // the search gives up: joined by occurrence
  CHECK(count(bounded.a, compare::Fate::kept) == 5);
  CHECK(count(bounded.a, compare::Fate::moved) == 5);
}
