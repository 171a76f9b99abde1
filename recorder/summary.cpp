#include "recorder/summary.h"

#include <array>
#include <cstdio>

#include <boost/json.hpp>

namespace chorus::recorder {

namespace json = boost::json;

namespace {

json::object options_json(const RecordOptions& options) {
  return {{"listen", show_address(options.listen)},
          {"upstream", show_address(options.upstream)},
          {"protocol", options.protocol},
          {"sessions", options.sessions},
          {"duration", show_duration(options.duration)}};
}

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string counted(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

json::object redacted_object(const Redaction& redaction) {
  return {{"secrets", redaction.secrets[0] || redaction.secrets[1]},
          {"pattern", redaction.pattern.has_value()}};
}

std::string times(const RecordOptions& options) {
  std::string text = kernel_times ? "kernel: arrival of the last segment of each read" : "reading";
  if (options.one_per_write) text += "; a client's message: when it went on";
  return text;
}

bool blanks(const Redaction& redaction) {
  return redaction.secrets[0] || redaction.secrets[1] || redaction.pattern;
}

}  // namespace

std::string iso_time(std::int64_t wall_ns) {
  using namespace std::chrono;
  const sys_time<milliseconds> time(duration_cast<milliseconds>(nanoseconds(wall_ns)));
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

std::string info_json(const RecordOptions& options, const format::Start& start) {
  json::object info{{"mode", "recording"},
                    {"tool", options.version},
                    {"started", iso_time(start.wall_ns)},
                    {"times", times(options)},
                    {"options", options_json(options)}};
  if (!options.protocol.empty()) info["protocol"] = options.protocol;
  if (options.one_per_write) info["changed"] = recut_from_start;
  if (options.keep_secrets) info["secrets"] = "kept";
  if (blanks(options.redaction)) info["redacted"] = redacted_object(options.redaction);
  if (options.redaction.payloads != Payloads::all)
    info["payloads"] = options.redaction.payloads == Payloads::client ? "client" : "none";
  return json::serialize(info);
}

std::string changed_json(const Recut& recut) {
  return json::serialize(json::object{{"changed", show_recut(recut)}});
}

std::string redacted_json(const Redaction& redaction, const Redacted& redacted) {
  json::object info;
  if (blanks(redaction)) {
    json::object done = redacted_object(redaction);
    for (const Side side : {Side::client, Side::server}) {
      const Redacted::Direction& one = redacted.sides[static_cast<std::size_t>(side)];
      done[side == Side::client ? "client" : "server"] =
          json::object{{"secrets", one.secrets}, {"matches", one.matches}, {"blank_bytes", one.blank_bytes}};
    }
    info["redacted"] = std::move(done);
  }
  return json::serialize(info);
}

std::string summary_sentence(const RecordSummary& summary) {
  const Totals& totals = summary.totals;
  std::string text = "recorded " + counted(totals.connections, "connection");
  if (totals.refused > 0) text += " (" + std::to_string(totals.refused) + " refused)";
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "%.1f s", seconds(summary.duration));
  text += ": " + rounded_size(totals.to_server) + " to the server, " + rounded_size(totals.to_client) +
          " to the client, " + counted(summary.events, "event") + " in " + time.data() + " -> " +
          summary.file.string() + " (" + rounded_size(summary.file_size) + ")";
  if (!summary.problem.empty()) text += ", NOT COMPLETE";
  return text;
}

std::string summary_json(const RecordSummary& summary, const RecordOptions& options) {
  json::object document{{"schema", "chorus.record/1"},
                        {"trace", summary.file.string()},
                        {"complete", summary.problem.empty()},
                        {"problem", summary.problem},
                        {"ended_by", summary.ended_by},
                        {"connections", summary.totals.connections},
                        {"refused", summary.totals.refused},
                        {"to_server_bytes", summary.totals.to_server},
                        {"to_client_bytes", summary.totals.to_client},
                        {"events", summary.events},
                        {"lost_events", summary.lost_events},
                        {"duration_s", seconds(summary.duration)},
                        {"file_bytes", summary.file_size},
                        {"options", options_json(options)}};
  return json::serialize(document);
}

}  // namespace chorus::recorder
