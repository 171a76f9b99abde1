#include "replayer/plan.h"

#include "tests/packet_recording.h"

#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::tests;

namespace {

replayer::Score score_of(std::size_t members) {
  replayer::Score score;
  score.parts.resize(members);
  return score;
}

replayer::Options wanting(std::uint32_t clients, std::uint32_t cohort = 1, std::uint32_t workers = 14) {
  replayer::Options options;
  options.phase = chorus::replayer::nanoseconds{0};
  options.clients = clients;
  options.cohort = cohort;
  options.workers = workers;
  return options;
}

}  // namespace

TEST_CASE("the number of clients is rounded up to whole copies", "[plan]") {
  const auto score = score_of(3);
  CHECK(replayer::make_plan(score, wanting(10)).copies == 4);
  CHECK(replayer::make_plan(score, wanting(10)).clients() == 12);
}

TEST_CASE("workers get contiguous blocks that cover everybody once and keep cohorts whole", "[plan]") {
  const auto score = score_of(2);
  for (const std::uint32_t clients : {2u, 26u, 1000u, 10000u}) {
    for (const std::uint32_t cohort : {1u, 5u, 7u}) {
      const auto plan = replayer::make_plan(score, wanting(clients, cohort));
      std::uint32_t next = 0;
      for (const auto& block : plan.blocks) {
        CHECK(block.first == next);
        CHECK(block.last >= block.first);
        next = block.last;
        const std::uint32_t share = (plan.copies + 13) / 14;
        if (plan.cohort <= share && block.last < plan.clients()) CHECK(block.last / 2 % plan.cohort == 0);
      }
      CHECK(next == plan.clients());
    }
  }
}

TEST_CASE("one cohort larger than a worker's share is spread over all workers", "[plan]") {
  const auto plan = replayer::make_plan(score_of(2), wanting(2800, 0));
  CHECK(plan.cohort == 1400);
  for (const auto& block : plan.blocks) CHECK(block.last - block.first == 200);
}

TEST_CASE("kept copies are whole, as many as asked for, and include the first and the last", "[plan]") {
  auto plan = replayer::make_plan(score_of(1), wanting(1000));
  for (const std::uint32_t keep : {1u, 2u, 16u, 999u, 1000u, 5000u}) {
    std::uint32_t kept = 0;
    for (std::uint32_t copy = 0; copy < plan.copies; ++copy) kept += plan.kept(copy, keep);
    CHECK(kept == std::min(keep, 1000u));
    CHECK(plan.kept(0, keep));
    if (keep > 1) CHECK(plan.kept(999, keep));
  }
}

TEST_CASE("names are functions of the global index, and the trial's are nobody else's", "[plan]") {
  const auto plan = replayer::make_plan(score_of(2), wanting(100, 4));
  CHECK(plan.names_of(0).cohort == 0);
  CHECK(plan.names_of(8).cohort == 1);  // copy 4
  const auto trial = replayer::make_trial(score_of(2), plan);
  CHECK(trial.names_of(0).copy >= plan.copies);
  CHECK(trial.names_of(0).cohort > plan.names_of(99).cohort);
}

TEST_CASE("copies start a ramp apart and keep the recorded offsets inside", "[plan]") {
  auto score = score_of(2);
  score.parts[1].offset = 700ms;
  const auto plan = replayer::make_plan(score, wanting(10));
  auto options = wanting(10);
  options.ramp = 5ms;
  CHECK(plan.start_of(0, score, options) == 0ms);
  CHECK(plan.start_of(1, score, options) == 700ms);
  CHECK(plan.start_of(6, score, options) == 15ms);
  options.speed = 10;  // who met in the recording still meets
  CHECK(plan.start_of(1, score, options) == 70ms);
  CHECK(plan.start_of(6, score, options) == 15ms);
}
