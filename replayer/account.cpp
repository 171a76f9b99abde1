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
          {"lost", account.result.lost_clients},
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
          {"replies", tally.replies},           {"proceeded", tally.proceeded},
          {"bytes_sent", tally.bytes_out},      {"bytes_received", tally.bytes_in},
          {"by_kind", std::move(by_kind)}};
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
  const Fanout& fanout = account.result.tally.fanout;
  if (fanout.missing() + fanout.duplicated > 0) {
    list.push_back({{"reason", fanout.missing() > 0 ? "copies were not delivered" : "copies came twice"},
                    {"clients", nullptr},
                    {"copies", fanout.missing() + fanout.duplicated},
                    {"of", fanout.expected},
                    {"expected", "each once"},
                    {"got", std::to_string(fanout.missing()) + " missing, " +
                                std::to_string(fanout.duplicated) + " twice"}});
  }
  for (const auto& [other, count] : account.result.tally.others) {
    const auto& page = account.score.page;
    list.push_back({{"reason", other_answer(account, other)},
                    {"clients", nullptr},
                    {"answers", count},
                    {"of", account.result.tally.latency[other.to].count()},
                    {"expected", page.kind_name(other.expected)},
                    {"got", page.kind_name(other.got)}});
  }
  return list;
}

json::value fanout_to_json(const Account& account) {
  constexpr std::size_t most_shown = 100;  // rooms, the worst first
  if (!account.score.counts_copies) return nullptr;
  const Fanout& fanout = account.result.tally.fanout;
  std::vector<std::pair<std::uint32_t, Fanout::Copies>> worst(fanout.rooms.begin(), fanout.rooms.end());
  std::stable_sort(worst.begin(), worst.end(), [](const auto& a, const auto& b) {
    return a.second.expected - a.second.delivered > b.second.expected - b.second.delivered;
  });
  json::array rooms, gaps;
  for (const auto& [room, copies] : worst) {
    if (rooms.size() == most_shown) break;
    rooms.push_back({{"room", audience_name(account, room)},
                     {"expected", copies.expected},
                     {"delivered", copies.delivered}});
  }
  for (const Fanout::Gap& gap : fanout.gaps) {
    gaps.push_back({{"client", gap.client},
                    {"sender", gap.sender},
                    {"room", audience_name(account, gap.room)},
                    {"intended_s", static_cast<double>(gap.intended.count()) / 1e9}});
  }
  json::object object{{"expected", fanout.expected},
                      {"delivered", fanout.delivered},
                      {"duplicated", fanout.duplicated},
                      {"ambiguous", fanout.ambiguous},
                      {"ratio", nullptr},
                      {"missing", fanout.missing()},
                      {"unexpected", fanout.unexpected},
                      {"rooms_counted", rooms_of(fanout)},
                      {"rooms", std::move(rooms)},
                      {"gaps", std::move(gaps)}};
  if (fanout.expected > 0)
    object["ratio"] = static_cast<double>(fanout.delivered) / static_cast<double>(fanout.expected);
  return object;
}

json::object latency_to_json(const Score& score, const Tally& tally) {
  json::object latency;
  for (std::size_t kind = 0; kind < tally.latency.size(); ++kind) {
    if (tally.latency[kind].count() == 0) continue;
    latency[score.page.kind_name(static_cast<KindId>(kind))] = quantiles(tally.latency[kind]);
  }
  return latency;
}

double seconds(Nanos time) {
  return static_cast<double>(time.count()) / 1e9;
}

json::object canary_to_json(const Account& account, const CanarySession& session) {
  const Tally& tally = session.performance.tally;
  json::array stops;
  for (const auto& [stop, count] : tally.stops)
    stops.push_back({{"reason", stop.reason.what}, {"expected", count.expected}, {"got", count.got}});
  return {{"outcome", canary_outcome(account, session)},
          {"begins_s", seconds(session.begins)},
          {"ends_s", seconds(session.ends)},
          {"first_client", session.plan.mine.first},
          {"stops", std::move(stops)},
          {"sent", tally.sent},
          {"received", tally.received},
          {"unanswered", tally.unanswered},
          {"lateness_us", quantiles(tally.lateness)},
          {"connect_us", quantiles(tally.connect)},
          {"ready_us", quantiles(tally.ready)},
          {"latency_us", latency_to_json(account.score, tally)},
          {"fanout_expected", tally.fanout.expected},
          {"fanout_delivered", tally.fanout.delivered}};
}

// "before": the sessions of the one that was there before the crowd, in their order; "joined": the other's.
json::value canaries_to_json(const Account& account) {
  if (!account.options.canary) return nullptr;
  json::array before;
  json::value joined = nullptr;
  for (const CanarySession& session : account.result.canaries) {
    if (session.joined_late) {
      joined = canary_to_json(account, session);
    } else {
      before.push_back(canary_to_json(account, session));
    }
  }
  return json::object{{"before", std::move(before)}, {"joined", std::move(joined)}};
}

json::value steps_to_json(const Account& account) {
  const auto& windows = account.plan.steps;
  if (windows.empty()) return nullptr;
  json::array rows;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const StepRow row = step_row(account, i);
    if (!row.held) continue;
    const StepTally& tally = *row.tally;
    rows.push_back(
        {{"clients", row.clients},
         {"connected", row.connected},
         {"failed", row.lost},
         {"good", row.trouble.empty()},
         {"trouble", row.trouble},
         {"sent", tally.sent},
         {"received", row.received},
         {"unanswered", tally.unanswered},
         {"lateness_us", quantiles(tally.lateness)},
         {"latency_us", quantiles(tally.latency)},
         {"delivery_us", quantiles(tally.delivery)},
         {"fanout_expected", tally.expected},
         {"fanout_delivered", tally.delivered},
         {"cpu_share", row.cpu_share},
         {"server_cpu_share", row.server_cpu_share ? json::value(*row.server_cpu_share) : nullptr},
         {"server_us_per_copy", row.server_us_per_copy ? json::value(*row.server_us_per_copy) : nullptr}});
  }
  const std::size_t good = last_good_step(account);
  json::value last_good = nullptr;
  if (good > 0) last_good = step_row(account, good - 1).clients;
  return json::object{{"rows", std::move(rows)}, {"last_good_clients", std::move(last_good)}};
}

json::object resources_to_json(const RunResult& result) {
  json::object resources{{"self", {{"cpu_s", result.cpu_s}, {"rss_peak_bytes", result.rss_peak_bytes}}},
                         {"processes", result.processes},
                         {"server", nullptr},
                         {"processors_busy", result.processors_busy}};
  if (result.server) {
    resources["server"] = {{"cpu_s", result.server->cpu_s},
                           {"rss_peak_bytes", result.server->rss_peak_bytes}};
  }
  return resources;
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
                      {"processes", options.processes},
                      {"pace", pace_in_words(options.pace)},
                      {"priority", options.priority == Priority::realtime ? "realtime"
                                   : options.priority == Priority::high   ? "high"
                                                                          : "normal"},
                      {"coalesce", options.coalesce ? show_duration(*options.coalesce) : "auto"},
                      {"phase_us", micros(options.phase.value_or(options.ramp))},
                      {"canary", options.canary},
                      {"speed", options.speed},
                      {"duration_s", nullptr},
                      {"loop", options.loop},
                      {"cohort", options.cohort},
                      {"schedule", options.schedule == ScheduleKind::random ? "random" : "recorded"},
                      {"send_every_us", micros(options.send_every)},
                      {"seed", options.seed},
                      {"rename", std::move(renames)},
                      {"users", options.users},
                      {"keep", options.keep},
                      {"on_refused", options.on_refused == OnRefused::retry ? "retry" : "give-up"},
                      {"tolerate", options.tolerate},
                      {"pending", options.pending},
                      {"timeout_s", static_cast<double>(options.timeout.count()) / 1e9},
                      {"drain_s", static_cast<double>(options.drain.count()) / 1e9}};
  if (options.climb) {
    object["climb"] = {{"first", options.climb->first},
                       {"last", options.climb->last},
                       {"by", options.climb->by},
                       {"hold_s", static_cast<double>(options.hold.value_or(default_hold).count()) / 1e9},
                       {"step_limit_us", micros(options.step_limit.value_or(default_step_limit))}};
  }
  if (options.duration) object["duration_s"] = static_cast<double>(options.duration->count()) / 1e9;
  return object;
}

std::string canary_outcome(const Account& account, const CanarySession& session) {
  if (session.completed(account.score.judged)) return "completed";
  if (!session.performance.tally.stops.empty())
    return session.performance.tally.stops.begin()->first.reason.what;
  return session.interrupted ? "interrupted" : "not finished";
}

std::string pace_in_words(const Pace& pace) {
  return pace.mode == Pace::Mode::exact  ? "exact"
         : pace.mode == Pace::Mode::spin ? "spin"
                                         : "grid=" + show_duration(pace.grid);
}

json::object to_json(const Account& account) {
  const RunResult& result = account.result;
  const Fanout& fanout = result.tally.fanout;
  json::array reasons;
  for (const std::string& reason : account.verdict.reasons) reasons.emplace_back(reason);
  return {{"schema", "chorus.replay/1"},
          {"verdict", account.verdict.valid ? "VALID" : "INVALID"},
          {"reasons", std::move(reasons)},
          {"interrupted", result.interrupted},
          {"clients", clients_to_json(account)},
          {"messages", messages_to_json(account)},
          {"fanout", fanout_to_json(account)},
          {"lateness_us", quantiles(result.tally.lateness)},
          {"pushback_us", quantiles(result.tally.pushback)},
          {"connect_us", quantiles(result.tally.connect)},
          {"ready_us", quantiles(result.tally.ready)},
          {"latency_us", latency_to_json(account.score, result.tally)},
          {"delivery_us", fanout.delivery.count() > 0 ? json::value(quantiles(fanout.delivery)) : nullptr},
          {"resources", resources_to_json(result)},
          {"canary", canaries_to_json(account)},
          {"steps", steps_to_json(account)},
          {"divergences", divergences_to_json(account)},
          {"duration_s", static_cast<double>(result.duration.count()) / 1e9},
          {"options", options_to_json(account.options, account.score)}};
}

std::string other_answer(const Account& account, const OtherAnswer& other) {
  const auto& page = account.score.page;
  return std::string(page.kind_name(other.to)) + " answered " + std::string(page.kind_name(other.got)) +
         " instead of " + std::string(page.kind_name(other.expected));
}

std::size_t rooms_of(const Fanout& fanout) {
  return fanout.rooms.size() - fanout.rooms.count(everybody_room) - fanout.rooms.count(private_room);
}

std::string audience_name(const Account& account, std::uint32_t room) {
  if (room == everybody_room) return "everybody";
  if (room == private_room) return "private";
  return account.plan.room_name(account.score.names, room);
}

Exit exit_of(const Account& account) {
  const Counts counts = count(account.result);
  if (!account.verdict.valid) return Exit::trouble;
  if (counts.unjudged > 0 && !account.options.unjudged) return Exit::trouble;
  if (counts.connected == 0 || account.result.interrupted) return Exit::trouble;
  if (const std::size_t steps = account.plan.steps.size(); steps > 0) {
    const std::size_t good = last_good_step(account);
    if (good == steps) return Exit::ok;
    return step_row(account, good).ours ? Exit::trouble : Exit::differs;
  }
  const std::uint64_t lost = counts.refused + counts.failed + counts.disconnected;
  const double allowed = account.options.tolerate * account.plan.clients();
  const Fanout& fanout = account.result.tally.fanout;
  const double copies_allowed = account.options.tolerate * static_cast<double>(fanout.expected);
  const bool wrong_copies = static_cast<double>(fanout.missing() + fanout.duplicated) > copies_allowed;
  const bool canaries_well = std::all_of(
      account.result.canaries.begin(), account.result.canaries.end(), [&](const CanarySession& session) {
        return session.completed(account.score.judged) && session.performance.tally.unanswered == 0;
      });
  return static_cast<double>(lost) > allowed || wrong_copies || !canaries_well ? Exit::differs : Exit::ok;
}

}  // namespace chorus::replayer
