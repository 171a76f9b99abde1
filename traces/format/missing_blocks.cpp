#include "traces/format/missing_blocks.h"

#include <algorithm>
#include <limits>

namespace chorus::format {
namespace {

constexpr std::uint64_t longest = std::numeric_limits<std::int64_t>::max();

std::uint64_t from_to(std::int64_t from, std::int64_t to) {
  return from < to ? static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from) : 0;
}

// Both may be lies of a file: no sum overflows.
std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
  return std::min(longest, std::min(longest, a) + std::min(longest, b));
}

Nanos nanos(std::uint64_t value) {
  return Nanos(static_cast<std::int64_t>(std::min(longest, value)));
}

}  // namespace

void MissingBlocks::good(const BlockHeader& header) {
  if (header.sequence > next_) {
    gap_ = true;
    all_ranges_ = all_ranges_ && ranges_.size() < most_ranges;
    if (all_ranges_) ranges_.push_back({next_, header.sequence});
  }
  next_ = header.sequence + 1;
  if (header.kind != BlockKind::Events || header.count == 0) return;
  if (gap_) estimate_ns_ = sum(estimate_ns_, from_to(latest_ns_, header.first_ns));
  gap_ = false;
  latest_ns_ = bad_until_ns_ = std::max(latest_ns_, header.last_ns);
}

void MissingBlocks::bad(const BlockHeader& header) {
  if (header.kind != BlockKind::Events || header.count > max_rows) return;
  bad_events_ += header.count;
  bad_until_ns_ = std::max(bad_until_ns_, header.last_ns);
}

Nanos MissingBlocks::time() const {
  return nanos(sum(estimate_ns_, from_to(latest_ns_, bad_until_ns_)));
}

Nanos MissingBlocks::time(const IndexColumns& index) const {
  if (index.kind.empty() || !all_ranges_) return time();
  std::uint64_t all = 0;
  for (const Range& range : ranges_) {
    std::int64_t first = std::numeric_limits<std::int64_t>::max(),
                 last = std::numeric_limits<std::int64_t>::min();
    for (std::uint64_t i = range.begin; i < std::min<std::uint64_t>(range.end, index.kind.size()); ++i) {
      if (index.kind[i] != static_cast<std::uint8_t>(BlockKind::Events)) continue;
      first = std::min(first, index.first_ns[i]);
      last = std::max(last, index.last_ns[i]);
    }
    all = sum(all, from_to(first, last));
  }
  return nanos(all);
}

}  // namespace chorus::format
