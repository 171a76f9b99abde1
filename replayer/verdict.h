// Whether a run proves anything: the generator judges itself (design.md, "What the words mean": VALID). Pure.
#pragma once

#include "replayer/run.h"

#include <string>
#include <vector>

namespace chorus::replayer {

struct Verdict {
  bool valid = true;
  std::vector<std::string> reasons;  // each with its figures; empty when valid
};

Verdict judge(const RunResult& result, const Pace& pace = {});

}  // namespace chorus::replayer
