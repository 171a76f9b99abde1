#include "replayer/pacing.h"

#include <algorithm>

namespace chorus::replayer {

using std::chrono::nanoseconds;

Pacing::Wait Pacing::wait(nanoseconds now, nanoseconds next) const noexcept {
  const nanoseconds far = now + longest_sleep;
  switch (pace_.mode) {
    case Pace::Mode::exact:
      break;
    case Pace::Mode::spin:
      if (next > far) return {far, far};
      return {next - spin_for, next};
    case Pace::Mode::grid: {
      // What a notice opens now can go out at the tick after now at the earliest.
      const nanoseconds coming = (now / pace_.grid + 1) * pace_.grid;
      if (next > far + pace_.grid) return {far, far};
      const nanoseconds tick =
          std::max(coming, (next + pace_.grid - nanoseconds(1)) / pace_.grid * pace_.grid);
      const nanoseconds until = std::min(tick, far);
      return {until, until, tick == coming};
    }
  }
  const nanoseconds until = std::min(next, far);
  return {until, until};
}

}  // namespace chorus::replayer
