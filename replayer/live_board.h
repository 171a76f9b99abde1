// What a run shows while it goes on, in memory that shards of it (shards.h) share with the process that shows
// it.
#pragma once

#include "replayer/live.h"

#include <span>
#include <vector>

namespace chorus::replayer {

// Of one process: one of each kind for every worker, and the last for the sender. A worker's times are
// latencies, the sender's are lateness.
struct LiveShare {
  std::span<Live> counters;
  std::span<LiveTimes> times;
};

class LiveBoard {
 public:
  LiveBoard(std::uint32_t processes, std::uint32_t workers);  // of each process; throws std::bad_alloc
  ~LiveBoard();
  LiveBoard(const LiveBoard&) = delete;
  LiveBoard& operator=(const LiveBoard&) = delete;

  LiveShare share(std::uint32_t process) const noexcept;
  std::uint64_t sum(std::atomic<std::uint64_t> Live::*counter) const noexcept;
  std::vector<const LiveTimes*> lateness() const;
  std::vector<const LiveTimes*> latency() const;

 private:
  std::size_t bytes() const noexcept;

  std::uint32_t processes_, each_;
  void* memory_ = nullptr;
  std::span<Live> counters_;
  std::span<LiveTimes> times_;
};

}  // namespace chorus::replayer
