#include "traces/compare/outcomes.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <tuple>

#include <boost/json.hpp>

namespace chorus::compare {
namespace {

namespace json = boost::json;
using format::ClientRow;
using format::Outcome;

std::string name(const Subject& subject) {
  return subject.trace->path.string();
}

const json::object* object(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value && value->is_object() ? &value->as_object() : nullptr;
}

std::string text(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

std::string_view word(Outcome outcome) {
  switch (outcome) {
    case Outcome::Completed:
      return "completed";
    case Outcome::Refused:
      return "refused";
    case Outcome::Failed:
      return "failed";
    case Outcome::Disconnected:
      return "disconnected";
    case Outcome::Unjudged:
      return "unjudged";
    default:
      return "unfinished";
  }
}

std::string reason(const Subject& run, std::uint32_t number) {
  if (number == 0) return {};
  const json::object* result = object(run.info, "result");
  const json::object* clients = result ? object(*result, "clients") : nullptr;
  const json::value* reasons = clients ? clients->if_contains("reasons") : nullptr;
  if (!reasons || !reasons->is_array() || number >= reasons->as_array().size()) return {};
  const json::value& entry = reasons->as_array()[number];
  return entry.is_string() ? std::string(entry.as_string()) : std::string{};
}

std::string ending(const Subject& run, const ClientRow& row) {
  const std::string why = reason(run, row.reason);
  return std::string(word(row.outcome)) + (why.empty() ? "" : ": " + why);
}

Finding in_words(Rule rule, std::string a, std::string b, std::int64_t change) {
  Finding finding;
  finding.rule = rule;
  finding.a = std::move(a);
  finding.b = std::move(b);
  finding.change = change;
  return finding;
}

// Clients that share a fate, as one finding: the first of them, where it went another way, and how many they
// are.
struct Group {
  std::uint32_t first = 0;
  const format::Divergence* way = nullptr;
  std::uint64_t count = 0;
};

std::string counted(std::uint64_t n, std::string_view what) {
  return std::to_string(n) + (n == 1 ? " client " : " clients ") + std::string(what);
}

std::map<std::uint32_t, const format::Divergence*> ways(const Subject& run) {
  std::map<std::uint32_t, const format::Divergence*> first;
  for (const format::Divergence& row : run.trace->divergences) first.emplace(row.client, &row);
  return first;
}

void show_way(const format::Divergence& way, Finding& finding) {
  finding.place.time_b = way.time;
  finding.a = "after " + std::to_string(way.step) + " sent: " + way.expected;
}

// Of clients that completed all the same; of the others the outcome is the finding. What they got differs in
// their names, so what they should have got is what they have in common.
void judge_divergences(const Subject& run, Diff& diff) {
  std::map<std::uint32_t, const ClientRow*> completed;
  for (const ClientRow& row : run.trace->clients)
    if (row.outcome == Outcome::Completed || row.outcome == Outcome::Unjudged) completed[row.client] = &row;
  std::map<std::tuple<std::uint32_t, std::uint32_t, std::string>, Group> groups;
  for (const format::Divergence& row : run.trace->divergences) {
    const auto client = completed.find(row.client);
    if (client == completed.end()) continue;
    Group& group = groups[{client->second->origin, row.step, row.expected}];
    if (group.count++ == 0) group.first = row.client, group.way = &row;
  }
  for (const auto& [where, group] : groups) {
    Finding finding = in_words(Rule::divergence, "", counted(group.count, "got ") + group.way->got,
                               static_cast<std::int64_t>(group.count));
    finding.count = group.count;
    finding.place.client_b = group.first;
    show_way(*group.way, finding);
    diff.findings.push_back(std::move(finding));
  }
}

void judge_fanout(const Subject& run, Diff& diff) {
  const json::object* result = object(run.info, "result");
  const json::object* fanout = result ? object(*result, "fanout") : nullptr;
  if (!fanout) return;
  const auto number = [&](std::string_view key) {
    const json::value* value = fanout->if_contains(key);
    return value && value->is_number() ? value->to_number<std::int64_t>() : 0;
  };
  const std::int64_t expected = number("expected"), delivered = number("delivered");
  if (delivered >= expected) return;
  diff.findings.push_back(in_words(Rule::fanout, std::to_string(expected) + " deliveries expected",
                                   std::to_string(delivered) + " came", delivered - expected));
}

void fit_run(const Subject& run, std::vector<std::string>& reasons, const Rules& rules, Diff& diff,
             bool is_a) {
  const json::object* result = object(run.info, "result");
  if (!result) {
    if (!rules.allow_partial)
      reasons.push_back(name(run) +
                        ": the run has no result, so nothing says whether it was valid (--allow-partial "
                        "compares what there is)");
    diff.not_judged.push_back({"whether the run was valid", is_a, !is_a, name(run) + " has no result"});
    return;
  }
  if (text(*result, "verdict") != "INVALID") return;
  std::string why = name(run) + ": the run is INVALID and proves nothing";
  const json::value* list = result->if_contains("reasons");
  if (list && list->is_array())
    for (const json::value& entry : list->as_array())
      if (entry.is_string()) why += "; " + std::string(entry.as_string());
  reasons.push_back(std::move(why));
}

std::optional<std::uint64_t> source(const Subject& run) {
  const std::string hex = text(run.info, "source");
  std::uint64_t value = 0;
  const auto [end, bad] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  if (hex.empty() || bad != std::errc{} || end != hex.data() + hex.size()) return std::nullopt;
  return value;
}

void fit_source(const Subject& a, const Subject& b, std::vector<std::string>& reasons, Diff& diff) {
  const auto of = [](const Subject& s) {
    return s.run ? source(s) : std::optional<std::uint64_t>(s.trace->content_hash);
  };
  const auto x = of(a), y = of(b);
  if (!x || !y) {
    diff.not_judged.push_back(
        {"whether the run was made from this recording", !x, !y, "the run does not say it"});
  } else if (*x != *y && (a.trace->damage.any() || (!a.run && b.trace->damage.any()))) {
    diff.not_judged.push_back({"whether the run was made from this recording", 1, 1,
                               "the recording is not whole, so its hash says nothing"});
  } else if (*x != *y) {
    reasons.push_back(a.run ? name(a) + " and " + name(b) + " are runs of different recordings"
                            : name(b) + " was made from another recording than " + name(a) +
                                  "; compare it with that one");
  }
}

bool random(const Subject& subject) {
  return subject.setting("schedule") == "random";
}

}  // namespace

std::vector<std::string> unfit(const Subject& a, const Subject& b, const Rules& rules, Diff& diff) {
  std::vector<std::string> reasons;
  for (const Subject* subject : {&a, &b}) {
    const bool is_a = subject == &a;
    const format::Damage& damage = subject->trace->damage;
    const std::string lost = !damage.first.empty()        ? damage.first
                             : !damage.incomplete.empty() ? damage.incomplete
                                                          : "it was not closed";
    if (damage.any() && !rules.allow_partial)
      reasons.push_back(name(*subject) + " is not whole: " + lost +
                        " (--allow-partial compares what is left)");
    if (damage.any()) diff.not_judged.push_back({"what is lost of a damaged file", is_a, !is_a, lost});
    if (subject->run) fit_run(*subject, reasons, rules, diff, is_a);
  }
  if (a.run || b.run) fit_source(a, b, reasons, diff);
  if (random(a) != random(b))
    reasons.push_back(
        name(random(a) ? a : b) +
        " was run with the random schedule, which no recording has: nothing in it corresponds; compare it "
        "with another random run");
  return reasons;
}

void judge_run(const Subject& run, Diff& diff) {
  const auto way_of = ways(run);
  std::map<std::tuple<Outcome, std::uint32_t>, Group> groups;
  std::uint64_t unjudged = 0;
  for (const ClientRow& row : run.trace->clients) {
    if (row.outcome == Outcome::Unjudged) ++unjudged;
    if (row.outcome == Outcome::Completed || row.outcome == Outcome::Unjudged) continue;
    Group& group = groups[{row.outcome, row.reason}];
    if (group.count++ > 0) continue;
    group.first = row.client;
    if (const auto way = way_of.find(row.client); way != way_of.end()) group.way = way->second;
  }
  for (const auto& [fate, group] : groups) {
    ClientRow row;
    std::tie(row.outcome, row.reason) = fate;
    Finding finding = in_words(Rule::outcome, "as recorded", counted(group.count, ending(run, row)),
                               static_cast<std::int64_t>(group.count));
    finding.count = group.count;
    finding.place.client_b = group.first;
    if (group.way) {
      show_way(*group.way, finding);
      *finding.b += "; client " + std::to_string(group.first) + " got " + group.way->got;
    }
    diff.findings.push_back(std::move(finding));
  }
  if (unjudged > 0)
    diff.not_judged.push_back({"clients whose success nothing tells", 0, unjudged,
                               "the page says nothing of what a client must get"});
  judge_divergences(run, diff);
  judge_fanout(run, diff);
}

void judge_runs(const Subject& a, const Subject& b, Diff& diff) {
  std::map<std::uint32_t, std::pair<const ClientRow*, const ClientRow*>> rows;
  for (const ClientRow& row : a.trace->clients) rows[row.client].first = &row;
  for (const ClientRow& row : b.trace->clients) rows[row.client].second = &row;
  std::map<std::pair<std::string, std::string>, Group> groups;
  for (const auto& [client, pair] : rows) {
    const std::string x = pair.first ? ending(a, *pair.first) : "not there";
    const std::string y = pair.second ? ending(b, *pair.second) : "not there";
    if (x == y) continue;
    Group& group = groups[{x, y}];
    if (group.count++ == 0) group.first = client;
  }
  for (const auto& [went, group] : groups) {
    Finding finding =
        in_words(Rule::outcome, counted(group.count, went.first), counted(group.count, went.second), 0);
    finding.count = group.count;
    finding.place.client_a = finding.place.client_b = group.first;
    diff.findings.push_back(std::move(finding));
  }
}

}  // namespace chorus::compare
