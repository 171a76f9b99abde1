// Finds any of a set of literals in text, in one pass. A literal counts only where it is bounded by
// non-alphanumerics: "alice" stands in "alice_" and in ":alice!~a", not in "malice". Of several literals at
// one place the longest wins, then the one added first. Bytes from 0x80 on count as letters.
#pragma once

#include "traces/protocol/framing.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::protocol {

class Literals {
 public:
  void add(std::string_view text, std::size_t value);  // empty ones are ignored
  void done();                                         // after the last add()

  struct Hit {
    std::size_t at = 0, size = 0, value = 0;
  };
  // The first one that starts in [from, until) of `text` and ends by `until`.
  std::optional<Hit> next(Bytes text, std::size_t from, std::size_t until) const noexcept;
  bool empty() const noexcept { return entries_.empty(); }

 private:
  struct Entry {
    std::string text;
    std::size_t value = 0;
  };
  std::vector<Entry> entries_;  // by first byte, then longest first
  std::array<std::uint32_t, 257>
      first_of_{};  // entries that start with byte b: [first_of_[b], first_of_[b + 1])
};

}  // namespace chorus::protocol
