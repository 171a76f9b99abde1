// What became of the clients of a run, also of those whose messages were not kept; and whether a run can be
// compared at all.
#pragma once

#include "traces/compare/diff.h"

namespace chorus::compare {

// Why these two cannot be compared: an invalid run, another recording, a random schedule, a cut file. Empty =
// they can. With allow_partial what is missing is listed as not judged instead.
std::vector<std::string> unfit(const Subject& a, const Subject& b, const Rules& rules, Diff& diff);

// `a` is a recording: every client of the run should have completed as recorded.
void judge_run(const Subject& run, Diff& diff);
// Both are runs: client by client.
void judge_runs(const Subject& a, const Subject& b, Diff& diff);

}  // namespace chorus::compare
