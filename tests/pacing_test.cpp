#include "replayer/pacing.h"

#include <catch2/catch.hpp>

namespace chorus::replayer {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr nanoseconds never = nanoseconds::max();

Pacing paced(Pace::Mode mode, nanoseconds grid = 1ms) {
  return Pacing(Pace{mode, grid});
}

TEST_CASE("exact: what is due now may go out now, and the sleep ends at the next time", "[pacing]") {
  const Pacing exact = paced(Pace::Mode::exact);
  CHECK(exact.due(1'234'567ns) == 1'234'567ns);
  const auto wait = exact.wait(10ms, 10'100us);
  CHECK(wait.asleep_until == 10'100us);
  CHECK(wait.awake_until == wait.asleep_until);
  CHECK_FALSE(wait.notices_may_wait);
}

TEST_CASE("no sleep is longer than its longest piece, in any mode and with nothing planned", "[pacing]") {
  for (const auto mode : {Pace::Mode::exact, Pace::Mode::spin, Pace::Mode::grid}) {
    for (const nanoseconds next : {nanoseconds(1h), never}) {
      const auto wait = paced(mode).wait(10ms, next);
      CHECK(wait.asleep_until == 10ms + Pacing::longest_sleep);
      CHECK(wait.awake_until == wait.asleep_until);
      CHECK_FALSE(wait.notices_may_wait);
    }
  }
}

TEST_CASE("spin: asleep until 50 us before, then awake", "[pacing]") {
  const Pacing spin = paced(Pace::Mode::spin);
  CHECK(spin.due(1'234'567ns) == 1'234'567ns);
  const auto far = spin.wait(10ms, 11ms);
  CHECK(far.asleep_until == 10'950us);
  CHECK(far.awake_until == 11ms);
  const auto near = spin.wait(10'960us, 11ms);
  CHECK(near.asleep_until <= 10'960us);
  CHECK(near.awake_until == 11ms);
}

TEST_CASE("grid: what was planned up to the last tick may go out, and nothing is early", "[pacing]") {
  const Pacing grid = paced(Pace::Mode::grid);
  CHECK(grid.due(0ns) == 0ns);
  CHECK(grid.due(999'999ns) == 0ns);
  CHECK(grid.due(1ms) == 1ms);
  CHECK(grid.due(7'900us) == 7ms);
  for (nanoseconds now{0}; now < 5ms; now += 77us) CHECK(grid.due(now) <= now);
}

TEST_CASE("grid: the sleep ends at the tick at or after the next time, and none is empty", "[pacing]") {
  const Pacing grid = paced(Pace::Mode::grid);
  CHECK(grid.wait(2'100us, 2'200us).asleep_until == 3ms);
  CHECK(grid.wait(2'100us, 3ms).asleep_until == 3ms);
  CHECK(grid.wait(2'100us, 3'000'001ns).asleep_until == 4ms);
  CHECK(grid.wait(2'100us, 9'500us).asleep_until == 10ms);
  // Planned before the last tick was over, opened by a notice after it.
  CHECK(grid.wait(2'100us, 2'050us).asleep_until == 3ms);
  CHECK(grid.wait(2ms, 2'000'001ns).asleep_until == 3ms);
}

TEST_CASE("grid: each time goes out at the first tick that is not before it", "[pacing]") {
  const Pacing grid = paced(Pace::Mode::grid, 700us);
  for (nanoseconds planned = 1ns; planned < 10ms; planned += 13us) {
    const auto wait = grid.wait(0ns, planned);
    CHECK(wait.asleep_until >= planned);
    CHECK(wait.asleep_until - planned < 700us);
    CHECK(wait.asleep_until % 700us == 0ns);
    CHECK(grid.due(wait.asleep_until) >= planned);
    CHECK(grid.due(wait.asleep_until - 1ns) < planned);
  }
}

TEST_CASE("grid: notices may wait for the coming tick and for no later one", "[pacing]") {
  const Pacing grid = paced(Pace::Mode::grid);
  CHECK(grid.wait(2'100us, 2'200us).notices_may_wait);
  CHECK_FALSE(grid.wait(2'100us, 3'500us).notices_may_wait);
  CHECK_FALSE(grid.wait(2'100us, never).notices_may_wait);
  const Pacing coarse = paced(Pace::Mode::grid, 100ms);
  const auto piece = coarse.wait(10ms, 50ms);
  CHECK(piece.asleep_until == 30ms);
  CHECK(piece.notices_may_wait);
}

}  // namespace
}  // namespace chorus::replayer
