// A crowd that climbs (--clients 2000..10000:1000): when each step's clients come, and when it is held and
// measured. Pure, and a function of the plan alone, so that shards of a run measure the same windows and
// their figures can be added.
#pragma once

#include "traces/format/event.h"
#include "traces/format/sketch.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace chorus::replayer {

using format::Nanos;

// What was intended in [from, until) belongs to the step.
struct StepWindow {
  std::uint32_t copies = 0;  // in all, from this step on
  Nanos ramp{};              // its first copy starts
  Nanos from{}, until{};     // held
};

// nullopt between two steps' windows, before the first and after the last.
std::optional<std::size_t> step_at(std::span<const StepWindow> steps, Nanos intended) noexcept;

// What threads count of one step.
struct StepTally {
  std::uint64_t sent = 0, unanswered = 0, expected = 0, delivered = 0;  // the last two: copies
  format::Sketch lateness, latency, delivery;                           // latency: of all kinds together

  void merge(const StepTally& other);
};

}  // namespace chorus::replayer
