// The account of a run as people read it.
#include "replayer/account.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace chorus::replayer {
namespace {

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

std::string row(const std::string& name, const Sketch& sketch, bool at_least = false) {
  if (sketch.count() == 0) return {};
  std::string line = "  " + name + std::string(name.size() < 24 ? 24 - name.size() : 1, ' ') +
                     padded(std::to_string(sketch.count()), 9);
  const auto cell = [&](Nanos value) {
    const auto rounded =
        value < std::chrono::milliseconds(1) ? std::chrono::round<std::chrono::microseconds>(value) : value;
    line += padded((at_least ? ">=" : "") + show_duration(rounded), 11);
  };
  for (const double q : {0.5, 0.9, 0.99, 0.999}) cell(sketch.quantile(q));
  cell(sketch.max());
  return line + "\n";
}

std::string times(const Account& account) {
  const Tally& tally = account.result.tally;
  std::string text = "  " + std::string(24, ' ') + padded("count", 9);
  for (const char* name : {"p50", "p90", "p99", "p99.9", "max"}) text += padded(name, 11);
  text += "\n" + row("lateness (ours)", tally.lateness) + row("pushback (server's)", tally.pushback) +
          row("connect", tally.connect) + row("ready", tally.ready);
  text += row("delivery", tally.fanout.delivery);
  for (std::size_t kind = 0; kind < tally.latency.size(); ++kind) {
    text += row("latency " + std::string(account.score.page.kind_name(static_cast<KindId>(kind))),
                tally.latency[kind],
                kind < tally.unanswered_by_kind.size() && tally.unanswered_by_kind[kind] > 0);
  }
  return text;
}

// All clients with one reason, shown at the step where most of them stopped; the most frequent first.
struct Trouble {
  Stop stop;
  StopCount there;
  std::uint64_t clients = 0;
};

std::vector<Trouble> by_reason(const Tally& tally) {
  std::map<std::string, Trouble> reasons;  // the advice may name each client's own user
  for (const auto& [stop, count] : tally.stops) {
    Trouble& trouble = reasons[stop.reason.what];
    trouble.clients += count.clients;
    if (count.clients <= trouble.there.clients) continue;
    trouble.stop = stop;
    trouble.there = count;
  }
  std::vector<Trouble> list;
  for (auto& [reason, trouble] : reasons) list.push_back(std::move(trouble));
  std::stable_sort(list.begin(), list.end(),
                   [](const Trouble& a, const Trouble& b) { return a.clients > b.clients; });
  return list;
}

std::string copies_in_words(const Account& account) {
  constexpr std::size_t most_gaps = 3;
  const Fanout& fanout = account.result.tally.fanout;
  if (!account.score.counts_copies) return {};
  const std::size_t rooms = rooms_of(fanout);
  std::string text =
      "copies   " + std::to_string(fanout.delivered) + " of " + std::to_string(fanout.expected) + " expected";
  if (rooms > 0) text += " in " + std::to_string(rooms) + (rooms == 1 ? " room" : " rooms");
  text += " delivered within 3s";
  if (fanout.expected > 0) {
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, " (fan-out %.6g)",
                  static_cast<double>(fanout.delivered) / static_cast<double>(fanout.expected));
    text += ratio;
  }
  if (account.result.processes > 1)
    text += ", not counted between the " + std::to_string(account.result.processes) + " processes";
  if (fanout.duplicated > 0) text += ", " + std::to_string(fanout.duplicated) + " twice";
  if (fanout.ambiguous > 0)
    text += ", " + std::to_string(fanout.ambiguous) + " to whom joined or left meanwhile";
  text += "\n";
  for (std::size_t i = 0; i < fanout.gaps.size() && i < most_gaps; ++i) {
    const Fanout::Gap& gap = fanout.gaps[i];
    text += "         client " + std::to_string(gap.client) + " did not hear client " +
            std::to_string(gap.sender) + " in " + audience_name(account, gap.room) + " at " +
            show_duration(std::chrono::round<std::chrono::milliseconds>(gap.intended)) + "\n";
  }
  return text;
}

std::string canaries_in_words(const Account& account) {
  std::string text;
  for (const CanarySession& session : account.result.canaries) {
    const Tally& tally = session.performance.tally;
    text += std::string("canary   ") +
            (session.joined_late ? "joined the complete crowd" : "from before the crowd") + ", " +
            show_duration(std::chrono::round<std::chrono::milliseconds>(session.begins)) + " .. " +
            show_duration(std::chrono::round<std::chrono::milliseconds>(session.ends)) + ": " +
            canary_outcome(account, session);
    for (std::size_t kind = 0; kind < tally.latency.size(); ++kind) {
      const Sketch& latency = tally.latency[kind];
      if (latency.count() == 0) continue;
      text += "; " + std::string(account.score.page.kind_name(static_cast<KindId>(kind))) + " answered in " +
              show_duration(std::chrono::round<std::chrono::microseconds>(latency.quantile(0.5))) +
              ", at most " + show_duration(std::chrono::round<std::chrono::microseconds>(latency.max()));
    }
    if (tally.unanswered > 0) text += "; " + std::to_string(tally.unanswered) + " unanswered";
    text += "\n";
  }
  return text;
}

}  // namespace

std::string explain(const Account& account, std::size_t most) {
  const std::vector<Trouble> troubles = by_reason(account.result.tally);
  std::string text;
  for (std::size_t i = 0; i < troubles.size() && i < most; ++i) {
    const auto& [stop, there, clients] = troubles[i];
    const std::size_t messages = account.score.parts[stop.part].steps.size() - 1;
    text += "  " + std::to_string(clients) + (clients == 1 ? " client" : " clients") +
            (there.clients < clients ? ", " + std::to_string(there.clients) + " of them after " : " after ") +
            std::to_string(stop.step) + " of " + std::to_string(messages) + " messages: " + stop.reason.what +
            "\n    recorded: " + there.expected + "\n    received: " + there.got + "\n";
    if (!stop.reason.advice.empty()) text += "    try:      " + stop.reason.advice + "\n";
  }
  if (troubles.size() > most)
    text += "  and " + std::to_string(troubles.size() - most) + " more kinds of trouble (--json has all)\n";
  return text;
}

std::string in_words(const Account& account) {
  const RunResult& result = account.result;
  const Counts counts = count(result);
  const Tally& tally = result.tally;
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  std::string text = (account.verdict.valid ? "VALID    " : "INVALID  ") + number(account.plan.clients()) +
                     " clients (" + number(account.plan.copies) +
                     (account.plan.copies == 1 ? " copy of " : " copies of ") + number(account.plan.members) +
                     ") as " + std::string(account.score.page.name()) + " against " +
                     show_address(account.options.target) + ", " +
                     show_duration(std::chrono::round<std::chrono::milliseconds>(result.duration)) +
                     (result.interrupted ? ", ended early" : "") + "\n";
  for (const std::string& reason : account.verdict.reasons) text += "         " + reason + "\n";
  text += "clients  " + number(counts.connected) + " connected, " + number(counts.completed) +
          " completed, " + number(counts.refused) + " refused, " + number(counts.failed) + " failed, " +
          number(counts.disconnected) + " disconnected";
  if (counts.unjudged > 0)
    text += ", " + number(counts.unjudged) + " unjudged (no page says what an answer is)";
  if (counts.interrupted > 0) text += ", " + number(counts.interrupted) + " interrupted";
  text += "\nmessages " + number(tally.scheduled) + " scheduled, " + number(tally.sent) + " sent, " +
          number(tally.received) + " received, " + number(tally.unanswered) + " unanswered";
  if (tally.pushed_back > 0)
    text += ", " + number(tally.pushed_back) + " dropped since the server took nothing";
  if (tally.proceeded > 0) text += ", " + number(tally.proceeded) + " went on though their gate stayed shut";
  text += "\n" + copies_in_words(account) + "our own  " +
          show_duration(std::chrono::milliseconds(static_cast<std::int64_t>(result.cpu_s * 1000))) +
          " of processor time, " + show_size(result.rss_peak_bytes) + " of memory\n";
  if (result.server) {
    text += "server   " +
            show_duration(std::chrono::milliseconds(static_cast<std::int64_t>(result.server->cpu_s * 1000))) +
            " of processor time, " + show_size(result.server->rss_peak_bytes) + " of memory\n";
  }
  text += times(account) + canaries_in_words(account) + steps_in_words(account);
  for (const auto& [other, times] : tally.others) {
    text += "differs  " + other_answer(account, other) + " in " + number(times) + " of " +
            number(tally.latency[other.to].count()) + "\n";
  }
  if (!tally.stops.empty()) text += "where clients stopped\n" + explain(account, 3);
  return text;
}

}  // namespace chorus::replayer
