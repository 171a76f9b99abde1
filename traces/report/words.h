// Findings in words, shared by the table and the JSON.
#pragma once

#include "traces/compare/diff.h"

#include <string>

namespace chorus::report {

std::string_view verdict_name(compare::Verdict verdict) noexcept;
std::string_view mask_name(compare::Mask mask) noexcept;
std::string_view direction(compare::Side from) noexcept;  // "to server", "to client"

// "connection 1, to client, PRIVMSG, at 2.314000 s"
std::string where(const compare::Diff& diff, const compare::Finding& finding);
// A side of a finding, printable: bytes of a message, or words. `width` as in convert::printable.
std::string side_text(const compare::Finding& finding, std::string_view side, std::size_t width = 0);
// The first line: the verdict and what it rests on.
std::string headline(const compare::Diff& diff);

}  // namespace chorus::report
