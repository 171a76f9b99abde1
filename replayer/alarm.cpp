#include "replayer/alarm.h"

#include <algorithm>

#ifdef _WIN32
#include <windows.h>
#else
#include <ctime>

#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace chorus::replayer {

#ifdef _WIN32

Alarm::Alarm() {
  constexpr DWORD high_resolution = 0x00000002;  // CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, Windows 10 1803
  timer_ = CreateWaitableTimerExW(nullptr, nullptr, high_resolution, TIMER_ALL_ACCESS);
  if (timer_ == nullptr) timer_ = CreateWaitableTimerExW(nullptr, nullptr, 0, TIMER_ALL_ACCESS);
  event_ = CreateEventW(nullptr, FALSE, FALSE, nullptr);
}

Alarm::~Alarm() {
  if (timer_ != nullptr) CloseHandle(timer_);
  if (event_ != nullptr) CloseHandle(event_);
}

void Alarm::wake() noexcept {
  rings_.fetch_add(1, std::memory_order_seq_cst);
  if (asleep_.load(std::memory_order_seq_cst)) SetEvent(event_);
}

void Alarm::sleep_until(Clock::time_point deadline, std::uint32_t ticket) noexcept {
  asleep_.store(true, std::memory_order_seq_cst);
  if (rings_.load(std::memory_order_seq_cst) == ticket) {
    HANDLE both[2] = {event_, timer_};
    DWORD count = 1;
    if (deadline != Clock::time_point::max()) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - Clock::now()).count();
      LARGE_INTEGER due;
      due.QuadPart = -std::max<long long>(left / 100, 1);  // relative, in units of 100 ns
      if (SetWaitableTimer(timer_, &due, 0, nullptr, nullptr, FALSE) != 0) count = 2;
    }
    WaitForMultipleObjects(count, both, FALSE,
                           count == 2 || deadline == Clock::time_point::max() ? INFINITE : 1);
  }
  asleep_.store(false, std::memory_order_relaxed);
}

void Alarm::make_this_thread_punctual() noexcept {}

#else

Alarm::Alarm() = default;
Alarm::~Alarm() = default;

void Alarm::wake() noexcept {
  rings_.fetch_add(1, std::memory_order_seq_cst);
  if (asleep_.load(std::memory_order_seq_cst)) {
    syscall(SYS_futex, &rings_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

void Alarm::sleep_until(Clock::time_point deadline, std::uint32_t ticket) noexcept {
  asleep_.store(true, std::memory_order_seq_cst);
  timespec until{};
  const bool forever = deadline == Clock::time_point::max();
  if (!forever) {
    const auto ns = std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count());
    until.tv_sec = ns / 1'000'000'000;
    until.tv_nsec = ns % 1'000'000'000;
  }
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, which is steady_clock's; FUTEX_WAIT a
  // relative one.
  syscall(SYS_futex, &rings_, FUTEX_WAIT_BITSET_PRIVATE, ticket, forever ? nullptr : &until, nullptr,
          FUTEX_BITSET_MATCH_ANY);
  asleep_.store(false, std::memory_order_relaxed);
}

namespace {

// sched_setattr(2): the kernel's structure, which glibc has no name for before 2.41.
struct SchedulerAttributes {
  std::uint32_t size = sizeof(SchedulerAttributes);
  std::uint32_t policy = 0;  // SCHED_OTHER
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;  // ns
};

}  // namespace

void Alarm::make_this_thread_punctual() noexcept {
  prctl(PR_SET_TIMERSLACK, 1UL);  // ns; the default of 50 us would be added to every sleep
  // Since Linux 6.12 a thread may ask for a shorter slice than others: it gets no more time, but gets it
  // sooner after waking. It needs no privilege; older systems take no notice, so the result is of no
  // interest.
  SchedulerAttributes attributes;
  attributes.nice = getpriority(PRIO_PROCESS, 0);
  attributes.runtime = 100'000;  // the shortest that the kernel grants
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

#endif

}  // namespace chorus::replayer
