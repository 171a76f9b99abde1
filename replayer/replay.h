// `chorus replay`: load, plan, connect, run, join, merge, report.
#pragma once

#include "replayer/options.h"
#include "traces/format/trouble.h"

namespace chorus::replayer {

// Prints the result on stdout and what goes wrong on stderr.
Exit replay(const Options& options);

}  // namespace chorus::replayer
