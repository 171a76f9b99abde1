#include "traces/report/words.h"

#include "traces/convert/printable.h"

#include <map>
#include <vector>

namespace chorus::report {
namespace {

using compare::Diff;
using compare::Extent;
using compare::Finding;
using compare::Rule;
using compare::Verdict;

std::string plural(std::uint64_t n, const std::string& one) {
  return std::to_string(n) + " " + one + (n == 1 ? "" : "s");
}

std::string join(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

// "12 messages missing", "99 clients refused or failed"
std::string tally(Rule rule, std::uint64_t findings, std::uint64_t change) {
  switch (rule) {
    case Rule::connections:
      return "another number of connections";
    case Rule::outcome:
      return plural(findings, "client") + " with another outcome";
    case Rule::divergence:
      return plural(findings, "client") + " that went another way";
    case Rule::fanout:
      return std::to_string(change) + (change == 1 ? " delivery short" : " deliveries short");
    case Rule::ending:
      return plural(findings, "connection") + " ended otherwise";
    case Rule::framing:
      return plural(findings, "connection") + " framed otherwise";
    case Rule::missing:
      return plural(findings, "message") + " missing";
    case Rule::extra:
      return plural(findings, "message") + " extra";
    case Rule::duplicate:
      return plural(findings, "message") + " duplicated";
    case Rule::payload:
      return plural(findings, "message") + " changed";
    case Rule::reordered:
      return plural(findings, "message") + " out of order";
    case Rule::bytes:
      return plural(findings, "byte stream") + " differing";
  }
  return "";
}

std::string found(const Diff& diff) {
  struct Sum {
    std::uint64_t findings = 0, change = 0;
  };
  std::map<Rule, Sum> sums;
  for (const Finding& finding : diff.findings) {
    Sum& sum = sums[finding.rule];
    sum.findings += finding.count;
    sum.change += static_cast<std::uint64_t>(finding.change < 0 ? -finding.change : finding.change);
  }
  std::vector<std::string> parts;
  for (const auto& [rule, sum] : sums) parts.push_back(tally(rule, sum.findings, sum.change));
  return join(parts, ", ");
}

std::string same(const Diff& diff) {
  const Extent& crowd = diff.a.run && !diff.b.run ? diff.a : diff.b;  // the run, where there is one
  const bool mixed = diff.a.run != diff.b.run;
  const std::string traffic = std::to_string(crowd.sent) + (diff.raw ? " bytes" : " messages") +
                              " sent and " + std::to_string(crowd.received) + " received";
  if (!mixed && !crowd.run)
    return plural(crowd.clients, "connection") + ", " + traffic +
           (diff.identical ? ", byte for byte" : ", in both");
  return plural(crowd.clients, "client") + (mixed ? " as recorded; " : " alike; ") +
         std::to_string(crowd.compared) + " of them compared message by message, " + traffic;
}

std::string label(bool run, std::uint32_t number) {
  return (run ? "client " : "connection ") + std::to_string(number);
}

}  // namespace

std::string_view verdict_name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::same:
      return "SAME";
    case Verdict::differs:
      return "DIFFERS";
    case Verdict::inconclusive:
      return "INCONCLUSIVE";
    case Verdict::trouble:
      break;
  }
  return "TROUBLE";
}

std::string_view mask_name(compare::Mask mask) noexcept {
  switch (mask) {
    case compare::Mask::masked:
      return "masked";
    case compare::Mask::kind_only:
      return "kind_only";
    case compare::Mask::ignored:
      return "ignored";
    case compare::Mask::reply:
      return "reply";
    case compare::Mask::none:
      break;
  }
  return "none";
}

std::string_view direction(compare::Side from) noexcept {
  return from == compare::Side::client ? "to server" : "to client";
}

std::string where(const Diff& diff, const Finding& finding) {
  const compare::Place& place = finding.place;
  std::vector<std::string> parts;
  if (place.client_a && place.client_b && place.client_a == place.client_b && diff.a.run == diff.b.run) {
    parts.push_back(label(diff.a.run, *place.client_a));
  } else {
    if (place.client_a) parts.push_back(label(diff.a.run, *place.client_a));
    if (place.client_b) parts.push_back(label(diff.b.run, *place.client_b));
  }
  if (place.from) parts.emplace_back(direction(*place.from));
  if (!place.kind.empty()) parts.push_back(convert::printable(place.kind));
  if (const auto time = place.time_a ? place.time_a : place.time_b) {
    char text[32];
    std::snprintf(text, sizeof text, "at %.6f s", static_cast<double>(time->count()) / 1e9);
    parts.emplace_back(text);
  }
  return join(parts, ", ");
}

std::string side_text(const Finding& finding, std::string_view side, std::size_t width) {
  switch (finding.rule) {
    case Rule::connections:
    case Rule::outcome:
    case Rule::divergence:
    case Rule::fanout:
    case Rule::ending:
    case Rule::framing:
      return convert::printable_words(side, width);
    default:
      return convert::printable(side, width);
  }
}

std::string headline(const Diff& diff) {
  const std::string verdict(verdict_name(diff.verdict));
  switch (diff.verdict) {
    case Verdict::same:
      return verdict + ": " + same(diff);
    case Verdict::differs:
      return verdict + ": " + found(diff);
    default:
      return verdict + ": " + join(diff.reasons, "; ");
  }
}

}  // namespace chorus::report
