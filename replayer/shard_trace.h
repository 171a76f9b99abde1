// The parts of a run's trace that shards write, each a trace of its own beside the run's until they are
// joined.
#pragma once

#include "traces/format/writer.h"

#include <string>
#include <vector>

namespace chorus::replayer {

std::string shard_trace_name(const std::string& output, std::uint32_t shard);  // "crowd.trace.shard3"

// Events of all parts go into `trace` in order of time, one block of each part in memory, and the parts are
// removed. Of a part whose writer died, whole blocks are taken; one that is missing has nothing.
void join_shard_traces(const std::vector<std::string>& parts, format::Writer& trace);

}  // namespace chorus::replayer
