#include "replayer/live.h"

#include <algorithm>
#include <cmath>

namespace chorus::replayer {

TimesWindow::TimesWindow(std::vector<const LiveTimes*> senders)
    : senders_(std::move(senders)), before_(senders_.size()) {}

std::optional<std::chrono::nanoseconds> TimesWindow::next(double q) {
  std::array<std::uint64_t, LiveTimes::buckets> fresh{};
  std::uint64_t total = 0;
  for (std::size_t sender = 0; sender < senders_.size(); ++sender) {
    for (std::size_t bucket = 0; bucket < fresh.size(); ++bucket) {
      const std::uint32_t count = senders_[sender]->counts[bucket].load(std::memory_order_relaxed);
      const std::uint32_t more = count - before_[sender][bucket];
      before_[sender][bucket] = count;
      fresh[bucket] += more;
      total += more;
    }
  }
  if (total == 0) return std::nullopt;
  // As in Sketch: the smallest value at or below which a share q lies; 1e-6 against rounding.
  const double share = std::clamp(q, 0.0, 1.0) * static_cast<double>(total);
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(share - 1e-6)));
  std::uint64_t seen = 0;
  std::uint32_t bucket = 0;
  for (; bucket + 1 < LiveTimes::buckets; ++bucket) {
    seen += fresh[bucket];
    if (seen >= rank) break;
  }
  return std::chrono::nanoseconds(static_cast<std::int64_t>(LiveTimes::middle_of(bucket)));
}

}  // namespace chorus::replayer
