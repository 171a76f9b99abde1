#include "traces/compare/diff.h"

#include "traces/compare/messages.h"
#include "traces/compare/outcomes.h"
#include "traces/compare/timing.h"
#include "traces/format/quantity.h"

#include <algorithm>
#include <utility>

namespace chorus::compare {
namespace {

std::vector<Pair> pair_up(const Subject& a, const Subject& b) {
  std::vector<Pair> pairs;
  if (!a.run && !b.run) {
    for (std::size_t i = 0; i < std::min(a.clients.size(), b.clients.size()); ++i)
      pairs.push_back({&a.clients[i], &b.clients[i]});
    return pairs;
  }
  for (const Client& client : b.clients) {
    const std::uint32_t wanted = a.run ? client.number : client.origin;
    const auto found = std::find_if(a.clients.begin(), a.clients.end(),
                                    [&](const Client& other) { return other.number == wanted; });
    if (found != a.clients.end()) pairs.push_back({&*found, &client});
  }
  return pairs;
}

void count_connections(const Subject& a, const Subject& b, Diff& diff) {
  if (a.run || b.run || a.clients.size() == b.clients.size()) return;
  if (a.clients.size() < b.clients.size() ? a.cut() : b.cut()) {
    diff.not_judged.push_back({"connections", a.clients.size(), b.clients.size(),
                               "others may have been opened behind the end of a cut file"});
    return;
  }
  Finding finding;
  finding.rule = Rule::connections;
  finding.a = std::to_string(a.clients.size()) + " connections";
  finding.b = std::to_string(b.clients.size()) + " connections";
  finding.change = static_cast<std::int64_t>(b.clients.size()) - static_cast<std::int64_t>(a.clients.size());
  diff.findings.push_back(std::move(finding));
}

Extent extent(const Subject& subject) {
  Extent extent;
  extent.run = subject.run;
  extent.length = subject.length;
  extent.clients = subject.run ? subject.trace->clients.size() : subject.clients.size();
  return extent;
}

// Why messages of these two cannot be laid side by side, "" when they can.
std::string incomparable(const Subject& a, const Subject& b) {
  if (a.setting("schedule") == "random") return "random schedules say other things in each run";
  if (!a.run && b.setting("loop") == "true") return "with --loop each client repeats the recording";
  return {};
}

void conclude(Diff& diff, bool damaged, bool unjudged) {
  if (!diff.findings.empty()) {
    diff.verdict = Verdict::differs;
    return;
  }
  if (damaged) diff.reasons.push_back("a file is not whole, and nothing says what was in the rest");
  if (unjudged) diff.reasons.push_back("for some clients nothing tells whether they succeeded");
  if (diff.a.compared == 0) diff.reasons.push_back("no client's messages could be compared");
  diff.verdict = diff.reasons.empty() ? Verdict::same : Verdict::inconclusive;
}

bool any_unjudged(const Subject& subject) {
  return std::any_of(subject.trace->clients.begin(), subject.trace->clients.end(),
                     [](const format::ClientRow& row) { return row.outcome == format::Outcome::Unjudged; });
}

Diff compare(const format::Trace& left, const format::Trace& right, Page& page, const Rules& rules) {
  const Subject a = see(left, page, nullptr);
  const Subject b = see(right, page, a.run ? nullptr : &a);
  Diff diff;
  diff.a = extent(a);
  diff.b = extent(b);
  diff.raw = page.is_raw();
  diff.identical = left.content_hash == right.content_hash;
  diff.reasons = unfit(a, b, rules, diff);
  if (!diff.reasons.empty()) {
    diff.verdict = Verdict::trouble;
    return diff;
  }
  if (b.run && !a.run) judge_run(b, diff);
  if (b.run && a.run) judge_runs(a, b, diff);
  count_connections(a, b, diff);

  const std::vector<Pair> pairs = pair_up(a, b);
  if (const std::string why = incomparable(a, b); !why.empty()) {
    diff.not_judged.push_back({"messages of the kept clients", 0, 0, why});
  } else {
    MessageJudge judge(page, a, b);
    for (const Pair& pair : pairs) judge.judge(pair);
    judge.finish(diff);
  }
  measure(page, a, b, pairs, diff);
  conclude(diff, left.damage.any() || right.damage.any(), any_unjudged(a) || any_unjudged(b));
  return diff;
}

void explain_timing(Diff& diff) {
  if (diff.timing.empty()) return;
  diff.not_judged.push_back(
      {"timing", 0, 0,
       "one run against one is not judged yet; it will take 12 blocks of 5 s (60 s) a side, and "
       "A is " +
           show_duration(diff.a.length) + " long, B " + show_duration(diff.b.length)});
}

void name_rules(Diff& diff) {
  for (Finding& finding : diff.findings) {
    if (finding.rule != Rule::missing && finding.rule != Rule::extra) continue;
    if (finding.a) finding.rule = Rule::missing;
    if (finding.b) finding.rule = finding.has_equal ? Rule::duplicate : Rule::extra;
  }
  const auto order = [](const Finding& f) {
    return std::make_tuple(f.rule, f.place.client_a, f.place.client_b,
                           f.place.time_a ? f.place.time_a : f.place.time_b);
  };
  std::stable_sort(diff.findings.begin(), diff.findings.end(),
                   [&](const Finding& x, const Finding& y) { return order(x) < order(y); });
}

void mirror(Diff& diff) {
  std::swap(diff.a, diff.b);
  for (Finding& finding : diff.findings) {
    std::swap(finding.a, finding.b);
    std::swap(finding.place.client_a, finding.place.client_b);
    std::swap(finding.place.time_a, finding.place.time_b);
    std::swap(finding.place.before_a, finding.place.before_b);
    finding.change = -finding.change;
  }
  for (Timing& row : diff.timing) {
    std::swap(row.a, row.b);
    if (row.shift) row.shift = -*row.shift;
  }
  for (NotJudged& entry : diff.not_judged) std::swap(entry.a, entry.b);
  for (Hidden& entry : diff.hidden) std::swap(entry.a, entry.b);
}

}  // namespace

std::string_view rule_name(Rule rule) noexcept {
  switch (rule) {
    case Rule::connections:
      return "connections";
    case Rule::outcome:
      return "outcome";
    case Rule::divergence:
      return "divergence";
    case Rule::fanout:
      return "fanout";
    case Rule::ending:
      return "ending";
    case Rule::framing:
      return "framing";
    case Rule::missing:
      return "missing";
    case Rule::extra:
      return "extra";
    case Rule::duplicate:
      return "duplicate";
    case Rule::payload:
      return "payload";
    case Rule::reordered:
      return "reordered";
    case Rule::bytes:
      return "bytes";
  }
  return "";
}

Diff diff(const format::Trace& a, const format::Trace& b, Page& page, const Rules& rules) {
  const auto rank = [](const format::Trace& trace) {
    return std::make_pair(trace.is_run(), trace.content_hash);
  };
  const bool swapped = rank(b) < rank(a);
  Diff result = swapped ? compare(b, a, page, rules) : compare(a, b, page, rules);
  if (swapped) mirror(result);
  explain_timing(result);
  name_rules(result);
  return result;
}

}  // namespace chorus::compare
