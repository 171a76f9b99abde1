// Processor time and memory of a process: our own, and the server's with --watch.
#pragma once

#include <cstdint>
#include <optional>

namespace chorus::replayer {

struct Usage {
  double cpu_s = 0;             // user + system, since the process began
  std::uint64_t rss_bytes = 0;  // now
  std::uint64_t rss_peak_bytes = 0;
};

Usage own_usage();
std::optional<Usage> usage_of(int process);  // nullopt: no such process, or it may not be looked at

// Share of all processors that was in use by anybody between two looks, in [0, 1].
struct Processors {
  std::uint64_t busy = 0, total = 0;
  static Processors look();
  static double share(const Processors& from, const Processors& to) noexcept;
};

}  // namespace chorus::replayer
