#include "replayer/alarm.h"

#include <thread>

#include <catch2/catch.hpp>

namespace chorus::replayer {
namespace {

using namespace std::chrono_literals;
using Clock = Alarm::Clock;

TEST_CASE("a wake after the ticket was taken ends a sleep and a watch before they begin", "[alarm]") {
  Alarm alarm;
  const auto ticket = alarm.ticket();
  alarm.wake();
  alarm.sleep_until(Clock::time_point::max(), ticket);
  alarm.watch_until(Clock::time_point::max(), ticket);
  CHECK(alarm.ticket() != ticket);
}

TEST_CASE("another thread ends a sleep and a watch that have no end", "[alarm][threads]") {
  Alarm alarm;
  for (const bool asleep : {true, false}) {
    const auto ticket = alarm.ticket();
    std::thread other([&] { alarm.wake(); });
    while (alarm.ticket() == ticket) {
      if (asleep) {
        alarm.sleep_until(Clock::time_point::max(), ticket);
      } else {
        alarm.watch_until(Clock::time_point::max(), ticket);
      }
    }
    other.join();
  }
}

TEST_CASE("neither watching nor resting ends before its time", "[alarm]") {
  Alarm alarm;
  auto deadline = Clock::now() + 300us;
  alarm.watch_until(deadline, alarm.ticket());
  CHECK(Clock::now() >= deadline);
  deadline = Clock::now() + 300us;
  Alarm::rest_until(deadline);
  CHECK(Clock::now() >= deadline);
}

TEST_CASE("the normal priority is granted, and no trial changes this thread", "[alarm][threads]") {
  CHECK_FALSE(try_priority(Priority::normal));
  for (const Priority priority : {Priority::high, Priority::realtime}) {
    const auto refused = try_priority(priority);
    if (refused) WARN("not granted here: " << refused.message());
    CHECK(try_priority(priority) == refused);
  }
}

}  // namespace
}  // namespace chorus::replayer
