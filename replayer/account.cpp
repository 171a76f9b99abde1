#include "replayer/account.h"

#include <algorithm>
#include <map>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

namespace chorus::replayer {
namespace {

namespace json = boost::json;
using format::Outcome;

double micros(Nanos value) {
  return static_cast<double>(value.count() / 10) / 100;
}

json::object quantiles(const Sketch& sketch) {
  return {{"count", sketch.count()},
          {"p50", micros(sketch.quantile(0.5))},
          {"p90", micros(sketch.quantile(0.9))},
          {"p99", micros(sketch.quantile(0.99))},
          {"p999", micros(sketch.quantile(0.999))},
          {"max", micros(sketch.max())}};
}

json::object clients_to_json(const Account& account) {
  const Counts counts = count(account.result);
  json::object outcomes;
  if (counts.completed > 0) outcomes["completed"] = counts.completed;
  if (counts.unjudged > 0) outcomes["unjudged"] = counts.unjudged;
  if (counts.interrupted > 0) outcomes["interrupted"] = counts.interrupted;
  for (const auto& [stop, clients] : account.result.tally.stops) {
    const auto before =
        outcomes.contains(stop.reason.what) ? outcomes[stop.reason.what].to_number<std::uint64_t>() : 0;
    outcomes[stop.reason.what] = before + clients.clients;
  }
  json::array reasons;
  for (const std::string& reason : reasons_of(account.result.tally)) reasons.emplace_back(reason);
  return {{"requested", account.plan.clients()},
          {"connected", counts.connected},
          {"completed", counts.completed},
          {"refused", counts.refused},
          {"failed", counts.failed},
          {"disconnected", counts.disconnected},
          {"unjudged", counts.unjudged},
          {"interrupted", counts.interrupted},
          {"copies", account.plan.copies},
          {"outcomes", std::move(outcomes)},
          {"reasons", std::move(reasons)}};
}

json::object messages_to_json(const Account& account) {
  const Tally& tally = account.result.tally;
  json::object by_kind;
  for (std::size_t kind = 0; kind < account.score.page.kinds(); ++kind) {
    const std::uint64_t sent = kind < tally.sent_by_kind.size() ? tally.sent_by_kind[kind] : 0;
    const std::uint64_t received = kind < tally.received_by_kind.size() ? tally.received_by_kind[kind] : 0;
    if (sent + received == 0) continue;
    by_kind[account.score.page.kind_name(static_cast<KindId>(kind))] = {{"sent", sent},
                                                                        {"received", received}};
  }
  return {{"scheduled", tally.scheduled},       {"sent", tally.sent},
          {"late_dropped", tally.late_dropped}, {"pushed_back", tally.pushed_back},
          {"received", tally.received},         {"unanswered", tally.unanswered},
          {"replies", tally.replies},           {"bytes_sent", tally.bytes_out},
          {"bytes_received", tally.bytes_in},   {"by_kind", std::move(by_kind)}};
}

json::array divergences_to_json(const Account& account) {
  json::array list;
  for (const auto& [stop, clients] : account.result.tally.stops) {
    list.push_back({{"reason", stop.reason.what},
                    {"clients", clients.clients},
                    {"origin", account.score.parts[stop.part].origin},
                    {"step", stop.step},
                    {"expected", clients.expected},
                    {"got", clients.got},
                    {"try", stop.reason.advice}});
  }
  return list;
}

json::object resources_to_json(const RunResult& result) {
  json::object resources{{"self", {{"cpu_s", result.cpu_s}, {"rss_peak_bytes", result.rss_peak_bytes}}},
                         {"server", nullptr},
                         {"processors_busy", result.processors_busy}};
  if (result.server) {
    resources["server"] = {{"cpu_s", result.server->cpu_s},
                           {"rss_peak_bytes", result.server->rss_peak_bytes}};
  }
  return resources;
}

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
  std::map<Reason, Trouble> reasons;
  for (const auto& [stop, count] : tally.stops) {
    Trouble& trouble = reasons[stop.reason];
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

}  // namespace

Counts count(const RunResult& result) {
  Counts counts;
  for (const format::ClientRow& client : result.clients) {
    counts.connected += client.connect_ns >= 0;
    switch (client.outcome) {
      case Outcome::Completed:
        ++counts.completed;
        break;
      case Outcome::Refused:
        ++counts.refused;
        break;
      case Outcome::Failed:
        ++counts.failed;
        break;
      case Outcome::Disconnected:
        ++counts.disconnected;
        break;
      case Outcome::Unjudged:
        ++counts.unjudged;
        break;
      case Outcome::Unfinished:
      case Outcome::None:
        ++counts.interrupted;
        break;
    }
  }
  return counts;
}

std::vector<std::string> reasons_of(const Tally& tally) {
  std::vector<std::string> reasons{"as recorded"};
  for (const auto& [stop, clients] : tally.stops) {
    if (std::find(reasons.begin(), reasons.end(), stop.reason.what) == reasons.end())
      reasons.push_back(stop.reason.what);
  }
  return reasons;
}

json::object options_to_json(const Options& options, const Score& score) {
  json::array renames;
  for (const auto& rename : options.renames)
    renames.push_back(json::value(rename.recorded + "=" + rename.value));
  json::object object{{"recording", options.recording},
                      {"target", show_address(options.target)},
                      {"protocol", score.page.name()},
                      {"ramp_us", micros(options.ramp)},
                      {"workers", options.workers},
                      {"speed", options.speed},
                      {"duration_s", nullptr},
                      {"loop", options.loop},
                      {"cohort", options.cohort},
                      {"schedule", options.schedule == ScheduleKind::random ? "random" : "recorded"},
                      {"send_every_us", micros(options.send_every)},
                      {"seed", options.seed},
                      {"rename", std::move(renames)},
                      {"keep", options.keep},
                      {"on_refused", options.on_refused == OnRefused::retry ? "retry" : "give-up"},
                      {"tolerate", options.tolerate},
                      {"pending", options.pending},
                      {"timeout_s", static_cast<double>(options.timeout.count()) / 1e9},
                      {"drain_s", static_cast<double>(options.drain.count()) / 1e9}};
  if (options.duration) object["duration_s"] = static_cast<double>(options.duration->count()) / 1e9;
  return object;
}

json::object to_json(const Account& account) {
  const RunResult& result = account.result;
  json::array reasons;
  for (const std::string& reason : account.verdict.reasons) reasons.emplace_back(reason);
  json::object latency;
  for (std::size_t kind = 0; kind < result.tally.latency.size(); ++kind) {
    if (result.tally.latency[kind].count() == 0) continue;
    latency[account.score.page.kind_name(static_cast<KindId>(kind))] = quantiles(result.tally.latency[kind]);
  }
  return {{"schema", "chorus.replay/1"},
          {"verdict", account.verdict.valid ? "VALID" : "INVALID"},
          {"reasons", std::move(reasons)},
          {"interrupted", result.interrupted},
          {"clients", clients_to_json(account)},
          {"messages", messages_to_json(account)},
          {"fanout", nullptr},
          {"lateness_us", quantiles(result.tally.lateness)},
          {"pushback_us", quantiles(result.tally.pushback)},
          {"connect_us", quantiles(result.tally.connect)},
          {"ready_us", quantiles(result.tally.ready)},
          {"latency_us", std::move(latency)},
          {"delivery_us", nullptr},
          {"resources", resources_to_json(result)},
          {"canary", nullptr},
          {"divergences", divergences_to_json(account)},
          {"duration_s", static_cast<double>(result.duration.count()) / 1e9},
          {"options", options_to_json(account.options, account.score)}};
}

std::string explain(const Account& account, std::size_t most) {
  const std::vector<Trouble> troubles = by_reason(account.result.tally);
  std::string text;
  for (std::size_t i = 0; i < troubles.size() && i < most; ++i) {
    const auto& [stop, there, clients] = troubles[i];
    const std::size_t messages = account.score.parts[stop.part].steps.size() - 1;
    text += "  " + std::to_string(clients) + (clients == 1 ? " client" : " clients") +
            (there.clients < clients ? ", most of them after " : " after ") + std::to_string(stop.step) +
            " of " + std::to_string(messages) + " messages: " + stop.reason.what +
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
  text += "\nour own  " +
          show_duration(std::chrono::milliseconds(static_cast<std::int64_t>(result.cpu_s * 1000))) +
          " of processor time, " + show_size(result.rss_peak_bytes) + " of memory\n";
  if (result.server) {
    text += "server   " +
            show_duration(std::chrono::milliseconds(static_cast<std::int64_t>(result.server->cpu_s * 1000))) +
            " of processor time, " + show_size(result.server->rss_peak_bytes) + " of memory\n";
  }
  text += times(account);
  if (!tally.stops.empty()) text += "where clients stopped\n" + explain(account, 3);
  return text;
}

Exit exit_of(const Account& account) {
  const Counts counts = count(account.result);
  if (!account.verdict.valid) return Exit::trouble;
  if (counts.unjudged > 0 && !account.options.unjudged) return Exit::trouble;
  if (counts.connected == 0 || account.result.interrupted) return Exit::trouble;
  const std::uint64_t lost = counts.refused + counts.failed + counts.disconnected;
  const double allowed = account.options.tolerate * account.plan.clients();
  return static_cast<double>(lost) > allowed ? Exit::differs : Exit::ok;
}

}  // namespace chorus::replayer
