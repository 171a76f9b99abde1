// `chorus cut`: a part of a recording, by time and connection, as a recording of its own.
//
// Event times of the part count from --from, and its clock pair is moved by as much, so its wall-clock times
// are those of the original. A connection that was open at --from begins there with its Opened event (and the
// end of a direction that had ended); one that is open at --to is Closed there, as when a recorder ends. What
// was on its way at --from is not known here: a cut within a message leaves a part of it.
//
// The trace of a run is refused: its tables and figures count the whole run.
#pragma once

#include "traces/format/reader.h"

#include <optional>
#include <vector>

namespace chorus::convert {

struct CutOptions {
  std::filesystem::path input, output;
  bool force = false;
  std::optional<format::Nanos> from, to;   // since the start: from <= time < to
  std::vector<std::uint32_t> connections;  // empty: all
};

struct CutReport {
  std::uint64_t events = 0;       // of the original, that were kept
  std::uint64_t left_out = 0;     // of the original
  std::uint64_t connections = 0;  // in the part
  std::uint64_t carried = 0;      // were open at `from`
  std::uint64_t closed_here = 0;  // were open at `to`
  format::Damage damage;          // of the original
};

// One block in memory at a time, and what is open. On failure nothing is left behind.
Expected<CutReport> cut(const CutOptions& options);

}  // namespace chorus::convert
