// The plan of a crowd that does not clap in step, that climbs, that has canaries beside it, and that is
// shared by processes.
#include "replayer/plan.h"
#include "tests/packet_recording.h"

#include <set>

#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::tests;
using replayer::Nanos;
using replayer::Plan;

namespace {

replayer::Score score_of(std::size_t members, Nanos talks = 0ms) {
  replayer::Score score;
  score.parts.resize(members);
  for (replayer::Part& part : score.parts) {
    part.steps.resize(1);
    part.chat_begins = talks;
  }
  return score;
}

replayer::Options wanting(std::uint32_t clients, std::uint32_t cohort = 1, std::uint32_t workers = 14) {
  replayer::Options options;
  options.clients = clients;
  options.cohort = cohort;
  options.workers = workers;
  return options;
}

replayer::Options climbing(std::uint32_t first, std::uint32_t last, std::uint32_t by) {
  replayer::Options options = wanting(last);
  options.climb = replayer::Climb{first, last, by};
  options.hold = 2s;
  return options;
}

}  // namespace

TEST_CASE("a copy's phase is within the one asked for, its own, and repeated by the same seed", "[plan]") {
  const auto score = score_of(1);
  auto options = wanting(2000);
  options.ramp = 0ms;
  options.phase = 100ms;
  const Plan plan = replayer::make_plan(score, options);
  std::set<Nanos> phases;
  Nanos sum{};
  for (std::uint32_t client = 0; client < plan.clients(); ++client) {
    const Nanos phase = plan.start_of(client, score, options);
    CHECK(phase >= 0ms);
    CHECK(phase < 100ms);
    CHECK(phase == replayer::make_plan(score, options).start_of(client, score, options));
    phases.insert(phase);
    sum += phase;
  }
  CHECK(phases.size() > 1990);
  CHECK(sum / 2000 > 45ms);  // of 2,000 even draws the mean is within 50 +- 0.65 ms (one sigma)
  CHECK(sum / 2000 < 55ms);
  CHECK(*phases.begin() < 2ms);
  CHECK(*phases.rbegin() > 98ms);

  std::uint32_t moved = 0;
  auto other = options;
  other.seed = 2;
  for (std::uint32_t client = 0; client < plan.clients(); ++client)
    moved += plan.start_of(client, score, other) != plan.start_of(client, score, options);
  CHECK(moved > 1990);
}

TEST_CASE("without a phase the copies keep their order, each within a ramp of its own", "[plan]") {
  const auto score = score_of(1);
  const auto options = wanting(1000);
  const Plan plan = replayer::make_plan(score, options);
  bool apart = false;
  for (std::uint32_t copy = 0; copy < plan.copies; ++copy) {
    const Nanos start = plan.start_of(copy, score, options);
    CHECK(start >= options.ramp * copy);
    CHECK(start < options.ramp * (copy + 1));
    apart = apart || start != options.ramp * copy;
  }
  CHECK(apart);
}

TEST_CASE("all members of a copy have its phase, so who met in the recording still meets", "[plan]") {
  auto score = score_of(3);
  score.parts[1].offset = 40ms;
  score.parts[2].offset = 700ms;
  auto options = wanting(300);
  options.phase = 1s;
  const Plan plan = replayer::make_plan(score, options);
  for (std::uint32_t first = 0; first < plan.clients(); first += 3) {
    const Nanos start = plan.start_of(first, score, options);
    CHECK(plan.start_of(first + 1, score, options) == start + 40ms);
    CHECK(plan.start_of(first + 2, score, options) == start + 700ms);
  }
}

TEST_CASE("the steps of a climb follow one another, each held as long as asked for", "[plan]") {
  const auto score = score_of(1, 300ms);
  auto options = climbing(2000, 10000, 3000);
  const Plan plan = replayer::make_plan(score, options);
  REQUIRE(plan.steps.size() == 4);
  const std::uint32_t wanted[] = {2000, 5000, 8000, 10000};
  Nanos before{};
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const auto& step = plan.steps[i];
    CHECK(step.copies == wanted[i]);
    CHECK(step.ramp == before);
    CHECK(step.until - step.from == 2s);
    const std::uint32_t first = i == 0 ? 0 : wanted[i - 1];
    CHECK(plan.start_of(first, score, options) >= step.ramp);
    for (std::uint32_t copy = first; copy < wanted[i]; ++copy) {
      const Nanos start = plan.start_of(copy, score, options);
      if (start < step.ramp || start + 300ms > step.from) FAIL("copy " << copy << " of step " << i);
    }
    before = step.until;
  }
  CHECK(plan.end_of_climb() == before);
  CHECK(plan.clients() == 10000);
}

TEST_CASE("the steps of a climb are rounded up to whole copies", "[plan]") {
  const auto score = score_of(4);
  const Plan plan = replayer::make_plan(score, climbing(10, 30, 10));
  REQUIRE(plan.steps.size() == 3);
  CHECK(plan.steps[0].copies == 3);
  CHECK(plan.steps[1].copies == 5);
  CHECK(plan.steps[2].copies == 8);
  CHECK(plan.clients() == 32);
  const Plan one = replayer::make_plan(score, climbing(1, 3, 1));  // all within the first copy
  REQUIRE(one.steps.size() == 3);
  for (const auto& step : one.steps) CHECK(step.copies == 1);
  CHECK(one.steps[1].from > one.steps[0].until);
}

TEST_CASE("a climb whose copies have a phase is held once they are all in", "[plan]") {
  const auto score = score_of(1);
  auto options = climbing(10, 30, 10);
  options.phase = 20s;
  const Plan plan = replayer::make_plan(score, options);
  for (std::uint32_t copy = 0; copy < plan.copies; ++copy)
    CHECK(plan.start_of(copy, score, options) < plan.steps[copy / 10].from);
}

TEST_CASE("a crowd with canaries comes after the first of them has settled in", "[plan]") {
  auto options = wanting(10);
  options.canary = true;
  for (const auto& [talks, begins] : {std::pair<Nanos, Nanos>{0ms, 500ms}, {2s, 2s}, {1min, 5s}}) {
    const auto score = score_of(1, talks);
    CHECK(replayer::head_start_of_canary(score) == begins);
    const Plan plan = replayer::make_plan(score, options);
    CHECK(plan.has_canary());
    CHECK(plan.start_of(0, score, options) >= begins);
    CHECK(plan.start_of(0, score, options) < begins + options.ramp);
  }
  options.climb = replayer::Climb{5, 10, 5};
  CHECK(replayer::make_plan(score_of(1, 2s), options).steps.front().ramp == 2s);
  CHECK_FALSE(replayer::make_plan(score_of(1), wanting(10)).has_canary());
}

TEST_CASE("a canary is one more copy behind the crowd, under names that nobody else has", "[plan]") {
  for (const std::uint32_t cohort : {1u, 4u, 7u, 0u}) {
    auto score = score_of(2);
    score.parts[1].offset = 250ms;
    auto options = wanting(100, cohort);
    options.canary = true;
    options.phase = 1s;
    const Plan crowd = replayer::make_plan(score, options);
    const Plan trial = replayer::make_trial(score, crowd);
    std::set<std::uint32_t> copies, cohorts;
    for (std::uint32_t client = 0; client < crowd.clients(); ++client) {
      copies.insert(crowd.names_of(client).copy);
      cohorts.insert(crowd.names_of(client).cohort);
    }
    copies.insert(trial.names_of(0).copy);
    cohorts.insert(trial.names_of(0).cohort);

    std::uint32_t next = crowd.clients();
    std::vector<std::uint32_t> names;
    for (std::uint32_t session = 0; session < 9; ++session) {
      INFO("cohort " << cohort << ", session " << session);
      const Plan canary = replayer::make_canary(score, crowd, session, 3s);
      CHECK(canary.mine.first == next);
      CHECK(canary.mine.size() == 2);
      CHECK(canary.clients() == canary.mine.last);
      CHECK(canary.kept(canary.copies - 1, 0));
      CHECK_FALSE(canary.has_canary());
      CHECK(canary.started_ms == crowd.started_ms);
      next = canary.mine.last;
      const auto name = canary.names_of(canary.mine.first);
      CHECK(canary.names_of(canary.mine.first + 1).copy == name.copy);
      CHECK(name.members == 2);
      CHECK(copies.count(name.copy) == 0);
      CHECK(cohorts.count(name.cohort) == 0);
      names.push_back(name.copy);
      CHECK(canary.start_of(canary.mine.first, score, options) == 3s);
      CHECK(canary.start_of(canary.mine.first + 1, score, options) == 3250ms);
    }
    CHECK(std::set(names.begin(), names.end()).size() == 3);
    for (std::size_t i = 3; i < names.size(); ++i) CHECK(names[i] == names[i - 3]);
  }
}

TEST_CASE("shards cover the crowd once, in whole cohorts where they fit", "[plan]") {
  const auto score = score_of(2);
  for (const std::uint32_t clients : {6u, 200u, 10000u}) {
    for (const std::uint32_t cohort : {1u, 3u, 7u, 0u}) {
      for (const std::uint32_t processes : {2u, 3u}) {
        INFO(clients << " clients, cohorts of " << cohort << ", " << processes << " processes");
        const Plan crowd = replayer::make_plan(score, wanting(clients, cohort));
        const std::uint32_t share = (crowd.copies + processes - 1) / processes;
        std::uint32_t next = 0;
        for (std::uint32_t i = 0; i < processes; ++i) {
          const Plan shard = replayer::make_shard(crowd, i, processes, 5);
          CHECK(shard.mine.first == next);
          CHECK(shard.mine.size() <= (share + crowd.cohort) * 2);
          if (crowd.cohort <= share && shard.mine.last < crowd.clients())
            CHECK(shard.mine.last / 2 % crowd.cohort == 0);
          REQUIRE(shard.blocks.size() == 5);
          std::uint32_t in_block = shard.mine.first;
          for (const auto& block : shard.blocks) {
            CHECK(block.first == in_block);
            CHECK(block.last >= block.first);
            in_block = block.last;
          }
          CHECK(in_block == shard.mine.last);
          next = shard.mine.last;
        }
        CHECK(next == crowd.clients());
      }
    }
  }
}

TEST_CASE("a client starts when it would and has the names it would in a run of one process", "[plan]") {
  auto score = score_of(2);
  score.parts[1].offset = 30ms;
  auto options = climbing(60, 600, 60);
  options.cohort = 4;
  options.canary = true;
  Plan crowd = replayer::make_plan(score, options);
  crowd.started_ms = 1234;
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Plan shard = replayer::make_shard(crowd, i, 3, 5);
    CHECK(shard.clients() == crowd.clients());
    CHECK(shard.steps.size() == crowd.steps.size());
    for (std::uint32_t client = shard.mine.first; client < shard.mine.last; ++client) {
      CHECK(shard.start_of(client, score, options) == crowd.start_of(client, score, options));
      const auto here = shard.names_of(client), there = crowd.names_of(client);
      CHECK(here.copy == there.copy);
      CHECK(here.cohort == there.cohort);
      CHECK(here.started_ms == 1234);
      CHECK(shard.kept(shard.copy_of(client), 16) == crowd.kept(crowd.copy_of(client), 16));
    }
  }
}
