#include "replayer/verdict.h"

#include "traces/format/quantity.h"

#include <algorithm>
#include <thread>

namespace chorus::replayer {
namespace {

using namespace std::chrono_literals;

// Latency counts from the intended time, so our lateness is inside it: it must be small against what is
// reported.
constexpr Nanos harmless_lateness = 1ms;
constexpr int share_of_latency = 10;  // one tenth
constexpr Nanos longest_stand_still = 250ms;
constexpr double contended = 0.9;  // of all processors
constexpr double saturated = 0.9;  // of all processors, by ourselves

struct Quantile {
  double q;
  const char* name;
};
constexpr Quantile judged[] = {{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}};

Nanos smallest_latency(const Tally& tally, double q) {
  Nanos smallest = Nanos::max();
  for (const Sketch& latency : tally.latency) {
    if (latency.count() > 0) smallest = std::min(smallest, latency.quantile(q));
  }
  return smallest == Nanos::max() ? Nanos{0} : smallest;
}

// The processors are the usual reason for lateness: said beside it, whether or not they were.
std::string about_processors(const RunResult& result) {
  const std::string busy = std::to_string(static_cast<int>(result.processors_busy * 100 + 0.5)) + " % busy";
  return (result.processors_busy >= contended ? "; the processors were contended ("
                                              : "; the processors were ") +
         busy + (result.processors_busy >= contended ? ")" : "") + ", the sender waited in all " +
         show_duration(std::chrono::round<std::chrono::microseconds>(result.tally.waited_for_processor)) +
         " for one";
}

}  // namespace

Verdict judge(const RunResult& result, const Pace& pace) {
  const Tally& tally = result.tally;
  Verdict verdict;
  for (const Quantile& quantile : judged) {
    const Nanos late = tally.lateness.quantile(quantile.q);
    // A grid's lateness is what was asked for.
    const Nanos allowed = pace.grid_or_none() +
                          std::max(harmless_lateness, smallest_latency(tally, quantile.q) / share_of_latency);
    if (late <= allowed) continue;
    verdict.reasons.push_back("lateness " + std::string(quantile.name) + " was " + show_duration(late) +
                              ", at most " + show_duration(allowed) + " is harmless" +
                              about_processors(result));
  }
  const Nanos still = std::max(tally.longest_stall, tally.lateness.max());
  if (still > longest_stand_still) {
    verdict.reasons.push_back("the sender once stood still for " + show_duration(still) + ", at most " +
                              show_duration(longest_stand_still) + " is harmless" + about_processors(result));
  }
  if (tally.late_dropped > 0) {
    verdict.reasons.push_back(std::to_string(tally.late_dropped) + " messages were due and never attempted");
  }
  if (tally.own_failures > 0) {
    verdict.reasons.push_back(std::to_string(tally.own_failures) +
                              " connections could not be opened by this machine (files, ports or memory)");
  }
  for (const std::string& lost : result.lost) verdict.reasons.push_back(lost);
  const double used =
      result.cpu_s / std::chrono::duration<double>(std::max(result.duration, Nanos(1))).count();
  if (const double processors = std::max(1u, std::thread::hardware_concurrency());
      used > saturated * processors && result.duration > 1s) {
    verdict.reasons.push_back("the generator itself used " +
                              std::to_string(static_cast<int>(used * 100 + 0.5)) + " % of " +
                              std::to_string(static_cast<int>(processors)) +
                              " processors: it was saturated; ask for less, or for a larger machine");
  }
  verdict.valid = verdict.reasons.empty();
  return verdict;
}

}  // namespace chorus::replayer
