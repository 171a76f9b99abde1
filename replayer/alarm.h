// A sleep until an absolute time that another thread can end: a futex with an absolute timeout on Linux, a
// high-resolution waitable timer and an event on Windows. The sender's and the connector's only way to wait.
#pragma once

#include "replayer/options.h"

#include <atomic>
#include <chrono>
#include <cstdint>

#include <boost/system/error_code.hpp>

namespace chorus::replayer {

class Alarm {
 public:
  using Clock = std::chrono::steady_clock;

  Alarm();
  ~Alarm();
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Any thread. Cheap when nobody sleeps.
  void wake() noexcept;
  // The sleeper takes a ticket, looks at its inbox, then sleeps: a wake() after the ticket was taken ends the
  // sleep at once. Clock::time_point::max() sleeps until woken. May return early.
  std::uint32_t ticket() const noexcept { return rings_.load(std::memory_order_acquire); }
  void sleep_until(Clock::time_point deadline, std::uint32_t ticket) noexcept;

  // The same, but wake() does not end it, so that it costs the callers nothing. For short times alone.
  static void rest_until(Clock::time_point deadline) noexcept;
  // Stays awake until the deadline, or until a wake() after the ticket was taken.
  void watch_until(Clock::time_point deadline, std::uint32_t ticket) const noexcept;

  // Asks the system to end this thread's sleeps as near to their time as it can, and for a priority of this
  // thread alone: high is nice -20 or the best of -10 and above that is granted, realtime is SCHED_FIFO at
  // its lowest priority; on Windows THREAD_PRIORITY_HIGHEST and _TIME_CRITICAL. Returns why the priority was
  // refused; the thread then goes on with what it had.
  static boost::system::error_code make_this_thread_punctual(Priority priority) noexcept;

 private:
  std::atomic<std::uint32_t> rings_{0};
  std::atomic<bool> asleep_{false};
#ifdef _WIN32
  void* timer_ = nullptr;
  void* event_ = nullptr;
#endif
};

// Whether the system would grant it: tried on a thread that ends before this returns.
boost::system::error_code try_priority(Priority priority);

}  // namespace chorus::replayer
