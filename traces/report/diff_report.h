// The answer of `chorus diff` for people and for programs. The same diff gives the same bytes.
#pragma once

#include "traces/compare/diff.h"

#include <iosfwd>
#include <string>

namespace chorus::report {

struct DiffFiles {
  std::string a, b;
};

// Verdict first, then findings with what came before them, timing, and what was hidden or not judged.
void diff_text(std::ostream& out, const compare::Diff& diff, const DiffFiles& files, bool colour);
// "chorus.diff/1". Rows of timing stand under "not_judged" in the form of findings, with "why"; times are in
// us.
void diff_json(std::ostream& out, const compare::Diff& diff, const DiffFiles& files);

}  // namespace chorus::report
