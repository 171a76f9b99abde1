// What a shard of a run counted, on its way to the process that started it. Both sides are the same program,
// forked, so the bytes need no portable form; they are checked for length all the same, since a shard may die
// while it writes.
#pragma once

#include "replayer/troupe.h"

#include <string>
#include <string_view>

namespace chorus::replayer {

struct ShardResult {
  Performance performance;
  double cpu_s = 0;
  std::uint64_t rss_peak_bytes = 0;
  bool interrupted = false;
  std::string trace_problem;  // "" = its part of the run's trace is whole
};

std::string pack(const ShardResult& result);
bool unpack(std::string_view bytes, ShardResult& result);  // false: not whole

}  // namespace chorus::replayer
