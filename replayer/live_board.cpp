#include "replayer/live_board.h"

#include <memory>
#include <new>

#ifndef _WIN32
#include <sys/mman.h>
#endif

namespace chorus::replayer {

LiveBoard::LiveBoard(std::size_t counters) {
#ifdef _WIN32
  Live* memory = static_cast<Live*>(::operator new(counters * sizeof(Live), std::align_val_t(alignof(Live))));
#else
  void* shared =
      mmap(nullptr, counters * sizeof(Live), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw std::bad_alloc();
  Live* memory = static_cast<Live*>(shared);
#endif
  std::uninitialized_default_construct_n(memory, counters);
  live_ = {memory, counters};
}

LiveBoard::~LiveBoard() {
  std::destroy(live_.begin(), live_.end());
#ifdef _WIN32
  ::operator delete(live_.data(), std::align_val_t(alignof(Live)));
#else
  munmap(live_.data(), live_.size_bytes());
#endif
}

std::uint64_t LiveBoard::sum(std::atomic<std::uint64_t> Live::*counter) const noexcept {
  std::uint64_t total = 0;
  for (const Live& live : live_) total += (live.*counter).load(std::memory_order_relaxed);
  return total;
}

}  // namespace chorus::replayer
