#include "replayer/verdict.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using chorus::replayer::judge;
using chorus::replayer::RunResult;

namespace {

// 1,000 messages, each `late`, answered within `latency`.
RunResult run(std::chrono::nanoseconds late, std::chrono::nanoseconds latency) {
  RunResult result;
  result.tally.lateness.add(late, 1000);
  result.tally.latency.resize(1);
  result.tally.latency[0].add(latency, 1000);
  return result;
}

}  // namespace

TEST_CASE("a punctual run is valid", "[verdict]") {
  CHECK(judge(run(300us, 2ms)).valid);
}

TEST_CASE("lateness over 1 ms and over a tenth of the latency is invalid, and the reason has the figures",
          "[verdict]") {
  const auto verdict = judge(run(3ms, 20ms));
  REQUIRE_FALSE(verdict.valid);
  CHECK(verdict.reasons[0].find("p50") != std::string::npos);
  CHECK(verdict.reasons[0].find("2ms") != std::string::npos);
}

TEST_CASE("lateness that is small against the latency is harmless", "[verdict]") {
  CHECK(judge(run(3ms, 50ms)).valid);
}

TEST_CASE("a sender that stood still for more than 250 ms once is invalid", "[verdict]") {
  auto result = run(100us, 1ms);
  result.tally.longest_stall = 251ms;
  CHECK_FALSE(judge(result).valid);
  result.tally.longest_stall = 0ms;
  result.tally.lateness.add(300ms);
  CHECK_FALSE(judge(result).valid);
}

TEST_CASE("messages that were never attempted and connections this machine could not open are invalid",
          "[verdict]") {
  auto result = run(100us, 1ms);
  result.tally.late_dropped = 1;
  CHECK_FALSE(judge(result).valid);
  result.tally.late_dropped = 0;
  CHECK(judge(result).valid);
  result.tally.own_failures = 2;
  CHECK_FALSE(judge(result).valid);
}

TEST_CASE("a slow server does not make a run invalid", "[verdict]") {
  CHECK(judge(run(100us, 3s)).valid);
}
