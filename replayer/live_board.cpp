#include "replayer/live_board.h"

#include <memory>
#include <new>

#ifndef _WIN32
#include <sys/mman.h>
#endif

namespace chorus::replayer {

LiveBoard::LiveBoard(std::uint32_t processes, std::uint32_t workers)
    : processes_(processes), each_(workers + 1) {
#ifdef _WIN32
  memory_ = ::operator new(bytes());
#else
  void* shared = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::bad_alloc();
  memory_ = shared;
#endif
  const std::size_t count = std::size_t{processes_} * each_;
  auto* counters = static_cast<Live*>(memory_);
  auto* times = reinterpret_cast<LiveTimes*>(counters + count);
  std::uninitialized_default_construct_n(counters, count);
  std::uninitialized_default_construct_n(times, count);
  counters_ = {counters, count};
  times_ = {times, count};
}

LiveBoard::~LiveBoard() {
#ifdef _WIN32
  ::operator delete(memory_);
#else
  munmap(memory_, bytes());
#endif
}

std::size_t LiveBoard::bytes() const noexcept {
  static_assert(alignof(LiveTimes) <= alignof(Live) && sizeof(Live) % alignof(Live) == 0);
  static_assert(std::is_trivially_destructible_v<Live> && std::is_trivially_destructible_v<LiveTimes>);
  return std::size_t{processes_} * each_ * (sizeof(Live) + sizeof(LiveTimes));
}

LiveShare LiveBoard::share(std::uint32_t process) const noexcept {
  const std::size_t first = std::size_t{process} * each_;
  return {counters_.subspan(first, each_), times_.subspan(first, each_)};
}

std::uint64_t LiveBoard::sum(std::atomic<std::uint64_t> Live::*counter) const noexcept {
  std::uint64_t total = 0;
  for (const Live& live : counters_) total += (live.*counter).load(std::memory_order_relaxed);
  return total;
}

std::vector<const LiveTimes*> LiveBoard::lateness() const {
  std::vector<const LiveTimes*> list;
  for (std::uint32_t process = 0; process < processes_; ++process)
    list.push_back(&share(process).times.back());
  return list;
}

std::vector<const LiveTimes*> LiveBoard::latency() const {
  std::vector<const LiveTimes*> list;
  for (std::uint32_t process = 0; process < processes_; ++process)
    for (const LiveTimes& times : share(process).times.first(each_ - 1)) list.push_back(&times);
  return list;
}

}  // namespace chorus::replayer
