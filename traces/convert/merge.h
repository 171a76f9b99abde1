// `chorus merge`: several recordings, made by several recorders, become one group.
//
// Connections are numbered anew in the order in which they begin. Times are aligned at the recordings'
// starts, or by the wall clocks of their headers, which are as good as those machines' clocks. Pages must
// agree, and so must whatever else their Info says of the bytes; what only describes a recording stands in
// Info "merged".
#pragma once

#include "traces/format/reader.h"

#include <vector>

namespace chorus::convert {

enum class Align : std::uint8_t { start, wall };

struct MergeOptions {
  std::vector<std::filesystem::path> inputs;  // two or more
  std::filesystem::path output;
  bool force = false;
  Align align = Align::start;
};

struct MergeReport {
  std::uint64_t events = 0, connections = 0;
  std::vector<format::Damage> damage;  // of each input
};

// One block of each input in memory at a time. Reads every input twice, first for what it says of itself. On
// failure nothing is left behind.
Expected<MergeReport> merge(const MergeOptions& options);

}  // namespace chorus::convert
