// What a shard counted, on its way through a pipe: whole or not at all, whatever comes.
#include "replayer/shard_result.h"

#include <random>
#include <utility>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace chorus::replayer;
namespace format = chorus::format;

namespace {

Sketch sketch(std::int64_t seed) {
  Sketch made;
  made.add(Nanos(seed), 2);
  made.add(Nanos(seed * 3 + 7), 3);
  return made;
}

// Every member set, each to a value of its own.
ShardResult everything() {
  ShardResult result;
  Tally& tally = result.performance.tally;
  std::uint64_t n = 100;
  for (auto* count : {&tally.scheduled, &tally.sent, &tally.late_dropped, &tally.pushed_back,
                      &tally.proceeded, &tally.bytes_out, &tally.received, &tally.bytes_in, &tally.unanswered,
                      &tally.replies, &tally.divergent, &tally.own_failures})
    *count = ++n;
  tally.sent_by_kind = {1, 0, 3};
  tally.received_by_kind = {4, 5};
  tally.unanswered_by_kind = {0, 6, 0, 7};
  tally.lateness = sketch(11);
  tally.longest_stall = 123us;
  tally.latency = {Sketch(), sketch(12), sketch(13)};
  tally.connect = sketch(14);
  tally.ready = sketch(15);
  tally.pushback = sketch(16);
  tally.divergences = {{1, 2, 3ms, "expected", "got"}, {4, 5, 6ms, "", std::string(300, '\0')}};
  tally.stops[{{"433: taken", "--rename"}, 1, 2}] = {3, "001", "433"};
  tally.stops[{{"refused", ""}, 0, 0}] = {4, "", ""};
  tally.others[{1, 2, 3}] = 5;
  tally.others[{1, 2, 4}] = 6;
  tally.fanout.expected = 21, tally.fanout.delivered = 22, tally.fanout.duplicated = 23;
  tally.fanout.ambiguous = 24, tally.fanout.unexpected = 25, tally.fanout.most_pending = 26;
  tally.fanout.delivery = sketch(17);
  tally.fanout.rooms = {{7, {8, 9}}, {everybody_room, {10, 11}}};
  tally.fanout.unlisted = {12, 13};
  tally.fanout.gaps = {{1, 2, 3, 4, 5ms}, {6, 7, 8, 9, 10ms}};
  tally.steps.resize(2);
  for (StepTally& step : tally.steps) {
    step.sent = ++n, step.unanswered = ++n, step.expected = ++n, step.delivered = ++n;
    step.lateness = sketch(18), step.latency = sketch(19), step.delivery = sketch(20);
  }
  format::ClientRow row;
  for (std::uint32_t client = 0; client < 3; ++client) {
    row = {.client = client + 50,
           .copy = client + 25,
           .origin = client,
           .outcome = format::Outcome::Refused,
           .reason = 3,
           .steps = 4,
           .connect_ns = 5,
           .ready_ns = 6,
           .kept = true,
           .canary = format::Canary::JoinedLate};
    result.performance.clients.push_back(row);
  }
  result.performance.tally.waited_for_processor = 77us;
  result.cpu_s = 1.25;
  result.rss_peak_bytes = 1 << 20;
  result.interrupted = true;
  result.trace_problem = "disk full";
  return result;
}

bool same(const Sketch& a, const Sketch& b) {
  return a.buckets() == b.buckets() && a.count() == b.count() && a.max() == b.max();
}

}  // namespace

TEST_CASE("what a shard counted arrives as it was sent", "[shards]") {
  const ShardResult sent = everything();
  ShardResult got;
  REQUIRE(unpack(pack(sent), got));
  const Tally &a = sent.performance.tally, &b = got.performance.tally;
  for (const auto& count : {&Tally::scheduled, &Tally::sent, &Tally::late_dropped, &Tally::pushed_back,
                            &Tally::proceeded, &Tally::bytes_out, &Tally::received, &Tally::bytes_in,
                            &Tally::unanswered, &Tally::replies, &Tally::divergent, &Tally::own_failures})
    CHECK(a.*count == b.*count);
  CHECK(b.sent_by_kind == a.sent_by_kind);
  CHECK(b.received_by_kind == a.received_by_kind);
  CHECK(b.unanswered_by_kind == a.unanswered_by_kind);
  CHECK(b.longest_stall == a.longest_stall);
  for (const auto& member : {&Tally::lateness, &Tally::connect, &Tally::ready, &Tally::pushback})
    CHECK(same(a.*member, b.*member));
  REQUIRE(b.latency.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(same(a.latency[i], b.latency[i]));
  REQUIRE(b.divergences.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(b.divergences[i].client == a.divergences[i].client);
    CHECK(b.divergences[i].step == a.divergences[i].step);
    CHECK(b.divergences[i].time == a.divergences[i].time);
    CHECK(b.divergences[i].expected == a.divergences[i].expected);
    CHECK(b.divergences[i].got == a.divergences[i].got);
  }
  REQUIRE(b.stops.size() == 2);
  for (auto [one, other] = std::pair(a.stops.begin(), b.stops.begin()); one != a.stops.end();
       ++one, ++other) {
    CHECK(other->first == one->first);
    CHECK(other->second.clients == one->second.clients);
    CHECK(other->second.expected == one->second.expected);
    CHECK(other->second.got == one->second.got);
  }
  CHECK(b.others == a.others);

  for (const auto& count :
       {&Fanout::expected, &Fanout::delivered, &Fanout::duplicated, &Fanout::ambiguous, &Fanout::unexpected})
    CHECK(b.fanout.*count == a.fanout.*count);
  CHECK(b.fanout.most_pending == a.fanout.most_pending);
  CHECK(same(b.fanout.delivery, a.fanout.delivery));
  REQUIRE(b.fanout.rooms.size() == 2);
  CHECK(b.fanout.rooms.at(7).expected == 8);
  CHECK(b.fanout.rooms.at(7).delivered == 9);
  CHECK(b.fanout.rooms.at(everybody_room).expected == 10);
  CHECK(b.fanout.unlisted.expected == 12);
  CHECK(b.fanout.unlisted.delivered == 13);
  CHECK(b.fanout.gaps == a.fanout.gaps);
  REQUIRE(b.steps.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    for (const auto& count :
         {&StepTally::sent, &StepTally::unanswered, &StepTally::expected, &StepTally::delivered})
      CHECK(b.steps[i].*count == a.steps[i].*count);
    for (const auto& member : {&StepTally::lateness, &StepTally::latency, &StepTally::delivery})
      CHECK(same(b.steps[i].*member, a.steps[i].*member));
  }

  REQUIRE(got.performance.clients.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto &one = sent.performance.clients[i], &other = got.performance.clients[i];
    CHECK(other.client == one.client);
    CHECK(other.copy == one.copy);
    CHECK(other.origin == one.origin);
    CHECK(other.outcome == one.outcome);
    CHECK(other.reason == one.reason);
    CHECK(other.steps == one.steps);
    CHECK(other.connect_ns == one.connect_ns);
    CHECK(other.ready_ns == one.ready_ns);
    CHECK(other.kept == one.kept);
    CHECK(other.canary == one.canary);
  }
  CHECK(got.performance.tally.waited_for_processor == 77us);
  CHECK(got.cpu_s == 1.25);
  CHECK(got.rss_peak_bytes == 1 << 20);
  CHECK(got.interrupted);
  CHECK(got.trace_problem == "disk full");
}

TEST_CASE("a shard that counted nothing arrives too", "[shards]") {
  ShardResult got = everything();
  got.performance = {};
  REQUIRE(unpack(pack(ShardResult{}), got));
  CHECK(got.performance.clients.empty());
  CHECK(got.performance.tally.lateness.count() == 0);
  CHECK_FALSE(got.interrupted);
  CHECK(got.trace_problem.empty());
}

TEST_CASE("a result that was cut anywhere, or has a byte too many, is not whole", "[shards]") {
  const std::string whole = pack(everything());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ShardResult got;
    // A copy of its own, so that a look beyond its end is found by the sanitizers.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    if (unpack({cut.data(), cut.size()}, got)) FAIL("taken as whole at " << size << " of " << whole.size());
  }
  ShardResult got;
  CHECK_FALSE(unpack(whole + '\0', got));
  CHECK_FALSE(unpack(whole + whole, got));
}

TEST_CASE("damaged and foreign bytes are refused or taken, and cost no more memory than they are long",
          "[shards]") {
  const std::string whole = pack(everything());
  std::mt19937 random(4);
  const auto any = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = whole;
    for (std::size_t times = any(4) + 1; times > 0; --times)
      damaged[any(damaged.size())] = static_cast<char>(any(256));
    if (i % 3 == 0) damaged.replace(any(damaged.size() - 8), 8, 8, '\xff');
    if (i % 5 == 0) damaged.resize(any(damaged.size()));
    ShardResult got;
    refused += !unpack(damaged, got);
    CHECK(got.performance.clients.size() <= damaged.size());
    CHECK(got.performance.tally.latency.size() <= damaged.size());
    CHECK(got.trace_problem.size() <= damaged.size());
    for (const Sketch& one : got.performance.tally.latency)
      CHECK(one.buckets().size() <= Sketch::most_buckets);
  }
  CHECK(refused > 600);  // the cut ones at least
  for (int i = 0; i < 500; ++i) {
    std::string noise(any(4000), '\0');
    for (char& byte : noise) byte = static_cast<char>(any(256));
    ShardResult got;
    CHECK_FALSE(unpack(noise, got));
  }
}
