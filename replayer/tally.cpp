#include "replayer/tally.h"

#include <algorithm>

namespace chorus::replayer {
namespace {

void add(std::vector<std::uint64_t>& sums, const std::vector<std::uint64_t>& more) {
  if (sums.size() < more.size()) sums.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) sums[i] += more[i];
}

}  // namespace

void Tally::merge(const Tally& other) {
  scheduled += other.scheduled;
  sent += other.sent;
  late_dropped += other.late_dropped;
  pushed_back += other.pushed_back;
  bytes_out += other.bytes_out;
  add(sent_by_kind, other.sent_by_kind);
  lateness.merge(other.lateness);
  longest_stall = std::max(longest_stall, other.longest_stall);
  waited_for_processor = std::max(waited_for_processor, other.waited_for_processor);
  received += other.received;
  bytes_in += other.bytes_in;
  unanswered += other.unanswered;
  replies += other.replies;
  divergent += other.divergent;
  own_failures += other.own_failures;
  add(received_by_kind, other.received_by_kind);
  add(unanswered_by_kind, other.unanswered_by_kind);
  if (latency.size() < other.latency.size()) latency.resize(other.latency.size());
  for (std::size_t i = 0; i < other.latency.size(); ++i) latency[i].merge(other.latency[i]);
  connect.merge(other.connect);
  ready.merge(other.ready);
  divergences.insert(divergences.end(), other.divergences.begin(), other.divergences.end());
  for (const auto& [stop, count] : other.stops) {
    StopCount& sum = stops[stop];
    if (sum.clients == 0) sum = {0, count.expected, count.got};
    sum.clients += count.clients;
  }
  for (const auto& [answer, count] : other.others) others[answer] += count;
  proceeded += other.proceeded;
  fanout.merge(other.fanout);
  if (steps.size() < other.steps.size()) steps.resize(other.steps.size());
  for (std::size_t i = 0; i < other.steps.size(); ++i) steps[i].merge(other.steps[i]);
  pushback.merge(other.pushback);
}

}  // namespace chorus::replayer
