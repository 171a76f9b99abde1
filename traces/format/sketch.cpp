#include "traces/format/sketch.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace chorus::format {

std::uint64_t Sketch::lowest_of(std::uint32_t bucket) noexcept {
  if (bucket < 128) return bucket;
  const std::uint32_t shift = bucket / 64 - 1;
  return std::uint64_t{64 + bucket % 64} << shift;
}

std::uint64_t Sketch::middle_of(std::uint32_t bucket) noexcept {
  if (bucket < 128) return bucket;  // these buckets hold one value each
  const std::uint32_t shift = bucket / 64 - 1;
  return lowest_of(bucket) + (std::uint64_t{1} << (shift - 1));
}

void Sketch::raise_max(std::chrono::nanoseconds value) {
  max_ = std::max(max_, value);
}

void Sketch::merge(const Sketch& other) {
  if (other.buckets_.size() > buckets_.size()) buckets_.resize(other.buckets_.size());
  for (std::size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  raise_max(other.max_);
}

std::chrono::nanoseconds Sketch::quantile(double q) const noexcept {
  if (count_ == 0) return {};
  // The rank is rounded up; the last digits of a product like 0.07 * 100 must not push it to the next one.
  const double share = q > 0 ? std::min(q, 1.0) : 0.0;
  const double exact = share * static_cast<double>(count_);
  const double rank = std::max(1.0, std::ceil(exact * (1 - 4 * std::numeric_limits<double>::epsilon())));
  if (rank >= static_cast<double>(count_)) return max_;
  const auto wanted = static_cast<std::uint64_t>(rank);
  std::uint64_t seen = 0;
  for (std::uint32_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (seen < wanted) continue;
    const auto middle = middle_of(bucket);
    return std::min(max_, std::chrono::nanoseconds(static_cast<std::int64_t>(
                              std::min<std::uint64_t>(middle, std::numeric_limits<std::int64_t>::max()))));
  }
  return max_;
}

void Sketch::grow(std::uint32_t bucket) {
  assert(bucket < most_buckets);
  buckets_.resize(bucket + std::size_t{1});
}

}  // namespace chorus::format
