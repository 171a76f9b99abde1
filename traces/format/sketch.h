// A log-linear histogram of durations: 64 sub-buckets an octave, so a quantile is within 0.8 % of a value
// that was seen (the bucket's arithmetic stands in schema/trace.fbs). Two sketches are merged by addition, so
// shards, workers and windows can be measured apart and added later. The method is HdrHistogram's.
#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <vector>

namespace chorus::format {

class Sketch {
 public:
  static constexpr std::uint32_t most_buckets = 3776;  // the bucket of 2^64 - 1, plus one

  static constexpr std::uint32_t bucket_of(std::uint64_t value) noexcept {
    if (value < 64) return static_cast<std::uint32_t>(value);
    const auto octave = static_cast<std::uint32_t>(std::bit_width(value)) - 1;
    return 64 * (octave - 5) + static_cast<std::uint32_t>((value >> (octave - 6)) - 64);
  }
  static std::uint64_t lowest_of(std::uint32_t bucket) noexcept;  // smallest value of a bucket
  static std::uint64_t middle_of(std::uint32_t bucket) noexcept;  // what a quantile reports

  void add(std::chrono::nanoseconds value, std::uint64_t times = 1) {  // below zero counts as zero
    if (value.count() < 0) value = {};
    add_bucket(bucket_of(static_cast<std::uint64_t>(value.count())), times);
    if (value > max_) max_ = value;
  }
  // As read from a trace; max() is not touched. `bucket` must be below most_buckets.
  void add_bucket(std::uint32_t bucket, std::uint64_t times) {
    if (bucket >= buckets_.size()) grow(bucket);
    buckets_[bucket] += times;
    count_ += times;
  }
  void raise_max(std::chrono::nanoseconds value);
  void merge(const Sketch& other);

  std::uint64_t count() const noexcept { return count_; }
  std::chrono::nanoseconds max() const noexcept { return max_; }
  // The value below or at which a share q in [0, 1] of all values lie; never above max(). 0 when empty.
  std::chrono::nanoseconds quantile(double q) const noexcept;
  const std::vector<std::uint64_t>& buckets() const noexcept { return buckets_; }  // index = bucket

 private:
  void grow(std::uint32_t bucket);

  std::vector<std::uint64_t> buckets_;  // up to the largest bucket used
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds max_{0};
};

}  // namespace chorus::format
