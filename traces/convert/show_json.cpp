// `chorus show --json`: the same facts as the text, whole. Times are in microseconds since the start of the
// trace.
#include "traces/convert/printable.h"
#include "traces/convert/show.h"
#include "traces/convert/summary.h"

#include <map>
#include <ostream>

#include <boost/json.hpp>

namespace chorus::convert {
namespace {

namespace json = boost::json;

std::int64_t us(format::Nanos time) {
  return (time.count() + 500) / 1000;  // as the text rounds them
}

json::object connection(const ConnectionSummary& row) {
  return {{"connection", row.connection},
          {"opened_us", us(row.opened)},
          {"ended_us", us(row.ended)},
          {"peers", row.peers},
          {"end", row.end},
          {"to_server", {{"bytes", row.bytes_to_server}, {"chunks", row.chunks_to_server}}},
          {"to_client", {{"bytes", row.bytes_to_client}, {"chunks", row.chunks_to_client}}}};
}

json::object protocol(const Seen& seen) {
  json::array kinds, names, broken;
  std::uint64_t to_server = 0, to_client = 0;
  for (const KindCount& kind : seen.kinds) {
    to_server += kind.to_server;
    to_client += kind.to_client;
    kinds.push_back(
        {{"kind", printable(kind.kind)}, {"to_server", kind.to_server}, {"to_client", kind.to_client}});
  }
  for (const NameSeen& name : seen.names)
    names.push_back(
        {{"role", name.role}, {"recorded", printable(name.recorded)}, {"value", printable(name.value)}});
  for (const std::string& where : seen.broken) broken.emplace_back(printable_words(where));
  json::object out{{"name", seen.protocol},
                   {"because", seen.because},
                   {"kinds", kinds},
                   {"names", names},
                   {"names_problem", printable_words(seen.names_problem)},
                   {"broken", broken}};
  if (seen.raw)
    out["messages"] = nullptr;
  else
    out["messages"] = {{"to_server", to_server}, {"to_client", to_client}};
  return out;
}

json::object damage(const format::Damage& d, const Summary& summary) {
  return {{"any", d.any()},
          {"cut", d.cut},
          {"bad_blocks", d.bad_blocks},
          {"skipped_bytes", d.skipped_bytes},
          {"missing_events", d.missing_events},
          {"missing_time_us", us(d.missing_time)},
          {"dropped_events", d.dropped_events},
          {"incomplete", d.incomplete},
          {"text", damage_text(d, summary)}};
}

json::object run(const format::Trace& trace, const Summary& summary) {
  json::array clients, divergences;
  for (const Fate& fate : fates(trace, summary.info))
    clients.push_back(
        {{"outcome", fate.outcome}, {"reason", printable_words(fate.reason)}, {"count", fate.count}});
  for (const format::Divergence& row : trace.divergences)
    divergences.push_back({{"client", row.client},
                           {"step", row.step},
                           {"time_us", us(row.time)},
                           {"expected", printable_words(row.expected)},
                           {"got", printable_words(row.got)}});
  json::object times;
  for (const format::NamedSketch& row : whole_run(trace)) {
    const format::Sketch& s = row.sketch;
    times[printable_words(row.name)] = {{"count", s.count()},
                                        {"p50_us", us(s.quantile(0.5))},
                                        {"p90_us", us(s.quantile(0.9))},
                                        {"p99_us", us(s.quantile(0.99))},
                                        {"p999_us", us(s.quantile(0.999))},
                                        {"max_us", us(s.max())}};
  }
  json::object series;  // by name: [time in s, value] each
  for (const format::Series& row : trace.series) {
    json::array points;
    for (const format::Series::Point& point : row.points)
      points.push_back(json::array{static_cast<double>(point.time.count()) / 1e9, point.value});
    series[printable_words(row.name)] = std::move(points);
  }
  const json::value* result = summary.info.if_contains("result");
  return {{"clients", trace.clients.size()},
          {"outcomes", clients},
          {"divergences", divergences},
          {"times", times},
          {"series", series},
          {"result", result ? *result : json::value(nullptr)}};
}

void print_messages(std::ostream& out, const Seen& seen, const ShowOptions& options) {
  out << ",\"messages\":[";
  bool first = true;
  for (const MessageLine& row : seen.messages) {
    if (!out) return;
    if (row.time < options.from || row.time >= options.to) continue;
    out << (first ? "" : ",")
        << json::serialize(json::object{{"time_us", us(row.time)},
                                        {"connection", row.connection},
                                        {"to", row.to_server ? "server" : "client"},
                                        {"kind", printable(row.kind)},
                                        {"text", printable(row.bytes)}});
    first = false;
  }
  out << "]";
}

}  // namespace

void show_json(std::ostream& out, const Shown& shown, const ShowOptions& options) {
  const auto& [trace, summary, seen, beginning] = shown;
  const ConnectionSummary& total = summary.total;
  json::array connections;
  std::map<std::uint32_t, format::Canary> canaries;
  for (const format::ClientRow& row : trace.clients)
    if (row.canary != format::Canary::None) canaries[row.client] = row.canary;
  for (const ConnectionSummary& row : summary.connections) {
    json::object one = connection(row);
    if (const auto canary = canaries.find(row.connection); canary != canaries.end())
      one["canary"] = canary->second == format::Canary::FromBefore ? "before" : "joined";
    connections.push_back(std::move(one));
  }
  const json::object document{
      {"schema", "chorus.show/1"},
      {"file", printable_words(trace.path.string())},
      {"mode", trace.is_run() ? "run" : "recording"},
      {"started", summary.started},
      {"duration_us", us(summary.length)},
      {"events", summary.events},
      {"described_events", trace.events.size()},
      {"content_hash", beginning ? json::value(nullptr) : json::value(hash_text(trace.content_hash))},
      {"left_out", left_out_words(summary.info)},
      {"damage", damage(trace.damage, summary)},
      {"to_server", {{"bytes", total.bytes_to_server}, {"chunks", total.chunks_to_server}}},
      {"to_client", {{"bytes", total.bytes_to_client}, {"chunks", total.chunks_to_client}}},
      {"connections", connections},
      {"protocol", protocol(seen)},
      {"run", trace.is_run() ? json::value(run(trace, summary)) : json::value(nullptr)}};
  std::string text = json::serialize(document);
  if (options.events) {  // messages are streamed: the document is closed after them
    text.pop_back();
    out << text;
    print_messages(out, seen, options);
    text = "}";
  }
  out << text << '\n';
}

}  // namespace chorus::convert
