// A page's regular expression, compiled once (Perl syntax, Boost.Regex; used by all threads at once).
// Whatever it is matched against comes from outside: a match that would take too long counts as no match.
#pragma once

#include "traces/format/trouble.h"
#include "traces/protocol/framing.h"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace chorus::protocol {

class Pattern {
 public:
  static Expected<Pattern> compile(std::string_view text);

  bool matches(Bytes bytes) const;
  // [0] is the whole match, the rest its groups; a group that took no part is empty. Borrowed from `bytes`.
  // Empty when there is no match.
  std::vector<Bytes> groups(Bytes bytes) const;
  // Where all of its matches are: of one with groups what the groups that took part have matched, else the
  // whole match. As {at, size}. Nothing at all when it took too long to say.
  std::optional<std::vector<std::pair<std::size_t, std::size_t>>> all(Bytes bytes) const;
  std::size_t group_count() const noexcept;  // without [0]

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace chorus::protocol
