#include "replayer/alarm.h"

#include "traces/format/turn.h"

#include <algorithm>
#include <thread>

#ifdef _WIN32
#include <windows.h>
#else
#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace chorus::replayer {
namespace {

using boost::system::error_code;

// Tells the processor that this is a loop that waits: its other half gets the time, and less power is spent.
void pause_a_little() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void Alarm::watch_until(Clock::time_point deadline, std::uint32_t ticket) const noexcept {
  while (rings_.load(std::memory_order_acquire) == ticket && Clock::now() < deadline) pause_a_little();
}

error_code try_priority(Priority priority) {
  error_code refused;
  std::thread([&] { refused = Alarm::make_this_thread_punctual(priority); }).join();
  return refused;
}

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

void Alarm::rest_until(Clock::time_point deadline) noexcept {
  std::this_thread::sleep_until(deadline);
}

error_code Alarm::make_this_thread_punctual(Priority priority) noexcept {
  if (priority == Priority::normal) return {};
  const int wanted = priority == Priority::high ? THREAD_PRIORITY_HIGHEST : THREAD_PRIORITY_TIME_CRITICAL;
  if (SetThreadPriority(GetCurrentThread(), wanted) != 0) return {};
  return {static_cast<int>(GetLastError()), boost::system::system_category()};
}

#else

Alarm::Alarm() = default;
Alarm::~Alarm() = default;

void Alarm::wake() noexcept {
  rings_.fetch_add(1, std::memory_order_seq_cst);
  if (asleep_.load(std::memory_order_seq_cst)) {
    syscall(SYS_futex, &rings_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

namespace {

// steady_clock's times are those of CLOCK_MONOTONIC.
timespec timespec_of(Alarm::Clock::time_point time) noexcept {
  const auto ns = std::max<std::int64_t>(
      0, std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
  return {ns / 1'000'000'000, ns % 1'000'000'000};
}

}  // namespace

void Alarm::sleep_until(Clock::time_point deadline, std::uint32_t ticket) noexcept {
  asleep_.store(true, std::memory_order_seq_cst);
  const bool forever = deadline == Clock::time_point::max();
  const timespec until = forever ? timespec{} : timespec_of(deadline);
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC; FUTEX_WAIT a relative one.
  syscall(SYS_futex, &rings_, FUTEX_WAIT_BITSET_PRIVATE, ticket, forever ? nullptr : &until, nullptr,
          FUTEX_BITSET_MATCH_ANY);
  asleep_.store(false, std::memory_order_relaxed);
}

void Alarm::rest_until(Clock::time_point deadline) noexcept {
  const timespec until = timespec_of(deadline);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);  // a signal ends it early: so be it
}

namespace {

error_code last_error() noexcept {
  return {errno, boost::system::system_category()};
}

// Linux keeps a nice value for each thread, whatever POSIX says: setpriority(2), "C library/kernel
// differences".
error_code be_nicer_to_this_thread() noexcept {
  error_code refused;
  for (int nice = -20; nice <= -10; ++nice) {  // RLIMIT_NICE may grant some of them
    if (setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice) == 0) return {};
    refused = last_error();
  }
  return refused;
}

error_code run_before_all_others() noexcept {
  sched_param param{};
  param.sched_priority = sched_get_priority_min(SCHED_FIFO);
  if (sched_setscheduler(0, SCHED_FIFO, &param) == 0) return {};  // 0: the calling thread
  return last_error();
}

}  // namespace

error_code Alarm::make_this_thread_punctual(Priority priority) noexcept {
  prctl(PR_SET_TIMERSLACK, 1UL);  // ns; the default of 50 us would be added to every sleep
  error_code refused;
  if (priority == Priority::high) refused = be_nicer_to_this_thread();
  if (priority == Priority::realtime && !(refused = run_before_all_others())) return {};
  format::ask_for_short_turns();
  return refused;
}

#endif

}  // namespace chorus::replayer
