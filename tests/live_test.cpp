#include "replayer/live.h"

#include <memory>
#include <thread>

#include <catch2/catch.hpp>

namespace chorus::replayer {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a live bucket's middle lies in it, and buckets follow one another", "[live]") {
  for (std::uint32_t bucket = 0; bucket < LiveTimes::buckets; ++bucket)
    REQUIRE(LiveTimes::bucket_of(LiveTimes::middle_of(bucket)) == bucket);
  CHECK(LiveTimes::bucket_of(15) == 15);
  CHECK(LiveTimes::bucket_of(16) == 16);
  CHECK(LiveTimes::bucket_of(31) == 31);
  CHECK(LiveTimes::bucket_of(32) == 32);
  CHECK(LiveTimes::bucket_of(33) == 32);
  CHECK(LiveTimes::bucket_of(34) == 33);
  CHECK(LiveTimes::bucket_of(0x7fff'ffff'ffff'ffff) == LiveTimes::buckets - 1);
}

TEST_CASE("a window of lateness has the quantiles of what came since the last look", "[live]") {
  const auto lateness = std::make_unique<LiveTimes>();
  TimesWindow window({lateness.get()});
  CHECK_FALSE(window.next(0.99));
  for (int i = 1; i <= 1000; ++i) lateness->add(std::chrono::microseconds(i));
  const auto first = window.next(0.99);
  REQUIRE(first);
  CHECK(static_cast<double>(first->count()) == Approx(990'000).epsilon(0.032));
  CHECK_FALSE(window.next(0.99));
  for (int i = 1; i <= 100; ++i) lateness->add(std::chrono::microseconds(i));
  const auto second = window.next(0.5);
  REQUIRE(second);
  CHECK(static_cast<double>(second->count()) == Approx(50'000).epsilon(0.032));
}

TEST_CASE("several senders are looked at as one", "[live]") {
  const auto left = std::make_unique<LiveTimes>(), right = std::make_unique<LiveTimes>();
  TimesWindow window({left.get(), right.get()});
  for (int i = 0; i < 98; ++i) left->add(10ns);
  right->add(15ns);
  right->add(14ns);
  CHECK(window.next(0.98) == 10ns);
  left->add(3ns);
  right->add(-5ns);
  right->add(std::chrono::nanoseconds::max());
  CHECK(window.next(0) == 0ns);
}

TEST_CASE("a bucket that overflowed between two looks still gives the difference", "[live]") {
  const auto lateness = std::make_unique<LiveTimes>();
  TimesWindow window({lateness.get()});
  lateness->counts[7].store(0xffff'ffff);
  CHECK(window.next(1) == 7ns);
  lateness->add(7ns);
  lateness->add(7ns);
  CHECK(window.next(1) == 7ns);
  CHECK_FALSE(window.next(1));
}

TEST_CASE("lateness is read while it is added, and nothing is lost", "[live][threads]") {
  const auto lateness = std::make_unique<LiveTimes>();
  std::thread sender([&] {
    for (int i = 0; i < 100'000; ++i) lateness->add(std::chrono::nanoseconds(i % 10));
  });
  TimesWindow window({lateness.get()});
  for (int look = 0; look < 100; ++look) CHECK(window.next(1).value_or(0ns) < 10ns);
  sender.join();
  std::uint64_t total = 0;
  for (const auto& count : lateness->counts) total += count.load();
  CHECK(total == 100'000);
}

}  // namespace
}  // namespace chorus::replayer
