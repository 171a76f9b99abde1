// What others may read of a run while it goes on. Everything here is of standard layout and without pointers,
// so that it may stand in memory that processes share; each object is written by one thread, or rarely.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

namespace chorus::replayer {

// One for each worker, and one for the sender. `settled`: clients whose first connect has come to something.
struct Live {
  std::atomic<std::uint64_t> settled{0}, connected{0}, sent{0}, received{0}, refused{0}, failed{0},
      concluded{0};
};

// A histogram of lateness (the sender's) or of latency (a worker's): log-linear with 16 sub-buckets an octave
// (a quantile is within 3.2 %), counting up for the whole run and modulo 2^32 a bucket. One thread adds.
struct LiveTimes {
  static constexpr std::uint32_t buckets = 960;  // the bucket of 2^63 - 1 ns, plus one

  static constexpr std::uint32_t bucket_of(std::uint64_t ns) noexcept {
    if (ns < 16) return static_cast<std::uint32_t>(ns);
    const auto octave = static_cast<std::uint32_t>(std::bit_width(ns)) - 1;
    return 16 * (octave - 3) + static_cast<std::uint32_t>((ns >> (octave - 4)) - 16);
  }
  static constexpr std::uint64_t middle_of(std::uint32_t bucket) noexcept {  // ns
    if (bucket < 32) return bucket;
    const std::uint32_t shift = bucket / 16 - 1;
    const std::uint64_t lowest = std::uint64_t{bucket % 16 + 16} << shift;
    return lowest + (std::uint64_t{1} << shift) / 2;
  }

  void add(std::chrono::nanoseconds late) noexcept {  // below zero counts as zero
    auto& count = counts[bucket_of(late.count() < 0 ? 0 : static_cast<std::uint64_t>(late.count()))];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint32_t>, buckets> counts{};
};

static_assert(std::is_standard_layout_v<Live> && std::is_standard_layout_v<LiveTimes>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free &&
              std::atomic<std::uint32_t>::is_always_lock_free);

// Looks at one histogram, or at several together, from time to time. For one thread, any.
class TimesWindow {
 public:
  explicit TimesWindow(std::vector<const LiveTimes*> senders);

  // The quantile q in [0, 1] of what was added since the last call, or ever at the first; nullopt when
  // nothing was.
  std::optional<std::chrono::nanoseconds> next(double q);

 private:
  std::vector<const LiveTimes*> senders_;
  std::vector<std::array<std::uint32_t, LiveTimes::buckets>> before_;  // by sender
};

}  // namespace chorus::replayer
