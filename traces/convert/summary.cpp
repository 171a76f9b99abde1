#include "traces/convert/summary.h"

#include "traces/convert/files.h"
#include "traces/convert/info.h"
#include "traces/convert/printable.h"
#include "traces/format/quantity.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <tuple>

#include <boost/json.hpp>

namespace chorus::convert {
namespace {

using format::Event;
using format::EventKind;
namespace json = boost::json;

void append(std::string& to, const std::string& words) {
  to += (to.empty() ? "" : ", ") + words;
}

std::string with_reason(std::string_view what, format::Bytes payload) {
  return std::string(what) + (payload.empty() ? "" : " (" + printable_words(payload) + ")");
}

void enter(ConnectionSummary& row, const Event& event) {
  row.ended = std::max(row.ended, event.time);
  switch (event.kind) {
    case EventKind::Opened:
      row.peers = printable_words(event.payload);
      break;
    case EventKind::Refused:
      row.end = with_reason("refused", event.payload);
      break;
    case EventKind::ToServer:
      ++row.chunks_to_server;
      row.bytes_to_server += event.payload.size();
      break;
    case EventKind::ToClient:
      ++row.chunks_to_client;
      row.bytes_to_client += event.payload.size();
      break;
    case EventKind::ClientEnd:
      append(row.end, "client ended");
      break;
    case EventKind::ServerEnd:
      append(row.end, "server ended");
      break;
    case EventKind::ClientReset:
      append(row.end, with_reason("client reset", event.payload));
      break;
    case EventKind::ServerReset:
      append(row.end, with_reason("server reset", event.payload));
      break;
    case EventKind::Closed:
      if (row.end.empty()) row.end = with_reason("closed", event.payload);
      break;
    case EventKind::None:
      break;
  }
}

}  // namespace

std::string utc(std::int64_t wall_ns) {
  using namespace std::chrono;
  const sys_time<milliseconds> moment{duration_cast<milliseconds>(nanoseconds(wall_ns))};
  const auto day = floor<days>(moment);
  const year_month_day date(day);
  const hh_mm_ss clock(moment - day);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::string seconds(format::Nanos time) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6f", static_cast<double>(time.count()) / 1e9);
  return text;
}

std::string hash_text(std::uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

void Summariser::add(const Event& event) {
  const auto [row, fresh] = rows_.emplace(event.connection, summary_.connections.size());
  if (fresh) {
    ConnectionSummary& connection = summary_.connections.emplace_back();
    connection.connection = event.connection;
    connection.opened = event.time;
  }
  enter(summary_.connections[row->second], event);
  ++summary_.events;
  summary_.length = std::max(summary_.length, event.time);
}

Summary Summariser::finish(const format::Start& start, json::object info) {
  for (ConnectionSummary& row : summary_.connections) {
    if (row.end.empty()) row.end = "open at the end";
    summary_.total.chunks_to_server += row.chunks_to_server;
    summary_.total.chunks_to_client += row.chunks_to_client;
    summary_.total.bytes_to_server += row.bytes_to_server;
    summary_.total.bytes_to_client += row.bytes_to_client;
  }
  summary_.started = utc(start.wall_ns);
  summary_.info = std::move(info);
  return std::move(summary_);
}

Summary summarise(const format::Trace& trace) {
  Summariser summariser;
  for (const Event& event : trace.events) summariser.add(event);
  json::object info;
  add_info(info, trace.info);
  return summariser.finish(trace.start, std::move(info));
}

std::string_view outcome_name(format::Outcome outcome) noexcept {
  using format::Outcome;
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
    case Outcome::Unfinished:
      return "unfinished";
    case Outcome::None:
      break;
  }
  return "none";
}

std::vector<Fate> fates(const format::Trace& trace, const json::object& info) {
  const json::value* list = nullptr;
  boost::system::error_code none;
  if (const json::value* result = info.if_contains("result"); result && result->is_object())
    list = result->find_pointer("/clients/reasons", none);
  const auto reason = [&](std::uint32_t number) -> std::string {
    if (number == 0 || !list || !list->is_array() || number >= list->as_array().size()) return {};
    const json::value& entry = list->as_array()[number];
    return entry.is_string() ? std::string(entry.as_string()) : std::string{};
  };
  std::map<std::pair<format::Outcome, std::uint32_t>, std::uint64_t> counts;
  for (const format::ClientRow& row : trace.clients) ++counts[{row.outcome, row.reason}];
  std::vector<Fate> result;
  for (const auto& [key, count] : counts)
    result.push_back({std::string(outcome_name(key.first)), reason(key.second), count});
  return result;
}

std::vector<format::NamedSketch> whole_run(const format::Trace& trace) {
  std::map<std::string, std::pair<format::NamedSketch, format::NamedSketch>> rows;  // whole, windows added
  for (const format::NamedSketch& sketch : trace.sketches) {
    auto& [whole, windows] = rows[sketch.name];
    (sketch.window.count() == 0 ? whole : windows).sketch.merge(sketch.sketch);
  }
  std::vector<format::NamedSketch> result;
  for (auto& [name, row] : rows) {
    format::NamedSketch& sketch = row.first.sketch.count() > 0 ? row.first : row.second;
    sketch.name = name;
    result.push_back(std::move(sketch));
  }
  return result;
}

std::string left_out_words(const json::object& info) {
  std::string text;
  if (const json::value* payloads = info.if_contains("payloads"); payloads && payloads->is_string())
    append(text, *payloads == "none" ? "all bytes (only sizes and times were kept)"
                                     : "the server's bytes (only sizes and times were kept)");
  const json::value* redacted = info.if_contains("redacted");
  if (!redacted || !redacted->is_object()) return text;
  const auto says = [&](std::string_view member) {
    const json::value* value = redacted->as_object().if_contains(member);
    return value && value->is_bool() && value->as_bool();
  };
  if (says("secrets")) append(text, "passwords (blank, at the same length)");
  if (says("pattern")) append(text, "what --redact matched (blank, at the same length)");
  return text;
}

std::string damage_text(const format::Damage& damage, const Summary& summary) {
  return damage_words(damage,
                      counted(summary.events, "event") + " (" + show_duration(summary.length) + ") kept");
}

}  // namespace chorus::convert
