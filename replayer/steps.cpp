#include "replayer/steps.h"

#include <algorithm>

namespace chorus::replayer {

std::optional<std::size_t> step_at(std::span<const StepWindow> steps, Nanos intended) noexcept {
  const auto next = std::upper_bound(steps.begin(), steps.end(), intended,
                                     [](Nanos time, const StepWindow& step) { return time < step.from; });
  if (next == steps.begin()) return std::nullopt;
  const auto step = next - 1;
  if (intended >= step->until) return std::nullopt;
  return static_cast<std::size_t>(step - steps.begin());
}

void StepTally::merge(const StepTally& other) {
  sent += other.sent;
  unanswered += other.unanswered;
  expected += other.expected;
  delivered += other.delivered;
  lateness.merge(other.lateness);
  latency.merge(other.latency);
  delivery.merge(other.delivery);
}

}  // namespace chorus::replayer
