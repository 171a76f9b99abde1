// A sleep until an absolute time that another thread can end: a futex with an absolute timeout on Linux, a
// high-resolution waitable timer and an event on Windows. The sender's and the connector's only way to wait.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

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

  // Asks the system to end this thread's sleeps as near to their time as it can.
  static void make_this_thread_punctual() noexcept;

 private:
  std::atomic<std::uint32_t> rings_{0};
  std::atomic<bool> asleep_{false};
#ifdef _WIN32
  void* timer_ = nullptr;
  void* event_ = nullptr;
#endif
};

}  // namespace chorus::replayer
