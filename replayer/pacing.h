// When the sender wakes and what it may send then: the three ways of --pace as arithmetic. Pure; all times
// are a run's, from Engine::start on.
#pragma once

#include "replayer/options.h"

#include <chrono>

namespace chorus::replayer {

class Pacing {
 public:
  // A thread that stays awake sees a time come within a microsecond; woken from a sleep it comes 10 to 50 us
  // late (measured, on a quiet machine). So spinning begins so long before.
  static constexpr std::chrono::nanoseconds spin_for = std::chrono::microseconds(50);
  // A longer sleep is cut into pieces of this length: a thread that was stopped while nothing was due is
  // noticed too.
  static constexpr std::chrono::nanoseconds longest_sleep = std::chrono::milliseconds(20);

  // What to do when nothing is left to be sent now.
  struct Wait {
    std::chrono::nanoseconds asleep_until{};  // not after `now`: no sleep
    std::chrono::nanoseconds awake_until{};  // then stay awake up to here; not after asleep_until: not at all
    bool notices_may_wait = false;           // a notice cannot open anything that would go out before we wake
  };

  explicit Pacing(const Pace& pace) noexcept : pace_(pace) {}

  // What was planned for this time or before may go out at `now`: now itself, or the last tick.
  std::chrono::nanoseconds due(std::chrono::nanoseconds now) const noexcept {
    if (pace_.mode != Pace::Mode::grid) return now;
    return now / pace_.grid * pace_.grid;
  }

  // `next`: when the next message is planned; nanoseconds::max() = never.
  Wait wait(std::chrono::nanoseconds now, std::chrono::nanoseconds next) const noexcept;

 private:
  Pace pace_;
};

}  // namespace chorus::replayer
