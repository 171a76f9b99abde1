// The counters that a run shows while it goes on, in memory that shards of it (shards.h) share with the
// process that shows them.
#pragma once

#include "replayer/engine.h"

namespace chorus::replayer {

class LiveBoard {
 public:
  explicit LiveBoard(std::size_t counters);  // throws std::bad_alloc
  ~LiveBoard();
  LiveBoard(const LiveBoard&) = delete;
  LiveBoard& operator=(const LiveBoard&) = delete;

  std::span<Live> all() const noexcept { return live_; }
  std::uint64_t sum(std::atomic<std::uint64_t> Live::*counter) const noexcept;

 private:
  std::span<Live> live_;
};

}  // namespace chorus::replayer
