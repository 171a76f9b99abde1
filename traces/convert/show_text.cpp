#include "traces/convert/files.h"
#include "traces/convert/printable.h"
#include "traces/convert/show.h"
#include "traces/convert/summary.h"
#include "traces/convert/table.h"
#include "traces/format/quantity.h"

#include <ostream>

#include <boost/json.hpp>

namespace chorus::convert {
namespace {

namespace json = boost::json;
using format::Nanos;

constexpr std::size_t text_width = 80;  // of what a client expected and got, so that a line fits 100 columns

std::string text_of(const json::object& in, std::string_view key) {
  const json::value* value = in.if_contains(key);
  return value && value->is_string() ? printable_words(std::string_view(value->as_string())) : std::string{};
}

// The summary, section by section.
class Sheet {
 public:
  Sheet(std::ostream& out, const Shown& shown, const ShowOptions& options)
      : out_(out),
        trace_(shown.trace),
        seen_(shown.seen),
        options_(options),
        summary_(shown.summary),
        beginning_(shown.beginning) {}

  void print() {
    head();
    connections();
    kinds();
    names();
    if (trace_.is_run()) run();
  }

 private:
  std::size_t shown(std::size_t rows) const {
    return options_.rows == 0 ? rows : std::min(rows, options_.rows);
  }
  void more(std::size_t rows) {
    if (shown(rows) < rows) out_ << "  and " << rows - shown(rows) << " more (--full or --json list them)\n";
  }

  void head() {
    const ConnectionSummary& total = summary_.total;
    out_ << trace_.path.string() << ": a " << (trace_.is_run() ? "run" : "recording") << "\n";
    Table table("ll");
    table.row({"started", summary_.started + ", " + brief(summary_.length) + " long"});
    if (const std::string tool = text_of(summary_.info, "tool"); !tool.empty()) table.row({"made by", tool});
    if (const std::string changed = text_of(summary_.info, "changed"); !changed.empty())
      table.row({"changed", changed});
    if (const std::string times = text_of(summary_.info, "times"); !times.empty())
      table.row({"times", times});
    if (const std::string left_out = left_out_words(summary_.info); !left_out.empty())
      table.row({"left out", left_out});
    table.row({"protocol", seen_.protocol + (seen_.because.empty() ? "" : " (" + seen_.because + ")")});
    table.row({"to server", traffic(total.bytes_to_server, total.chunks_to_server, true)});
    table.row({"to client", traffic(total.bytes_to_client, total.chunks_to_client, false)});
    if (const std::string damage = damage_text(trace_.damage, summary_); !damage.empty())
      table.row({"damage", damage});
    for (const std::string& broken : seen_.broken) table.row({"broken", printable_words(broken)});
    table.print(out_);
  }

  std::string traffic(std::uint64_t bytes, std::uint64_t chunks, bool to_server) const {
    std::uint64_t messages = 0;
    for (const KindCount& kind : seen_.kinds) messages += to_server ? kind.to_server : kind.to_client;
    return (seen_.raw || beginning_ ? "" : std::to_string(messages) + " messages, ") + show_size(bytes) +
           " in " + std::to_string(chunks) + " chunks";
  }

  void connections() {
    const auto& rows = summary_.connections;
    out_ << "\nconnections (" << rows.size() << (trace_.is_run() ? " kept)\n" : ")\n");
    Table table("rrrrrl");
    table.row({"#", "opened", "lasted", "to server", "to client", "ended"});
    for (std::size_t i = 0; i < shown(rows.size()); ++i) {
      const ConnectionSummary& row = rows[i];
      table.row({std::to_string(row.connection), seconds(row.opened), brief(row.ended - row.opened),
                 show_size(row.bytes_to_server), show_size(row.bytes_to_client),
                 row.end + canary_of(row.connection)});
    }
    table.print(out_);
    more(rows.size());
  }

  // A long trace is not read into memory: its first events show what it is.
  std::string of_beginning() const {
    return beginning_ ? " (of the first " + counted(trace_.events.size(), "event") + ")" : "";
  }

  std::string canary_of(std::uint32_t connection) const {
    for (const format::ClientRow& row : trace_.clients) {
      if (row.client != connection || row.canary == format::Canary::None) continue;
      return row.canary == format::Canary::FromBefore ? "  (canary, from before the crowd)"
                                                      : "  (canary, joined the complete crowd)";
    }
    return {};
  }

  void kinds() {
    if (seen_.kinds.empty()) return;
    out_ << "\nmessages by kind" << of_beginning() << "\n";
    Table table("lrr");
    table.row({"", "to server", "to client"});
    const auto count = [](std::uint64_t n) { return n == 0 ? std::string("-") : std::to_string(n); };
    for (const KindCount& kind : seen_.kinds)
      table.row({printable(kind.kind), count(kind.to_server), count(kind.to_client)});
    table.print(out_);
  }

  void names() {
    if (!seen_.names_problem.empty()) out_ << "\nnames: " << printable_words(seen_.names_problem) << "\n";
    if (seen_.names.empty()) return;
    out_ << "\nnames, and what stands for them in a replay" << of_beginning() << "\n";
    Table table("lll");
    for (const NameSeen& name : seen_.names)
      table.row({name.role, printable(name.recorded), printable(name.value)});
    table.print(out_);
  }

  void run() {
    verdict();
    clients();
    divergences();
    quantiles();
    course();
  }

  void verdict() {
    const json::value* result = summary_.info.if_contains("result");
    if (!result || !result->is_object()) {
      out_ << "\nthe run has no result: it did not come to its end\n";
      return;
    }
    out_ << "\nthe run is " << text_of(result->as_object(), "verdict") << "\n";
    const json::value* reasons = result->as_object().if_contains("reasons");
    if (reasons && reasons->is_array())
      for (const json::value& reason : reasons->as_array())
        if (reason.is_string()) out_ << "  " << printable_words(std::string_view(reason.as_string())) << "\n";
  }

  void clients() {
    out_ << "\nclients (" << trace_.clients.size() << ")\n";
    Table table("rll");
    for (const Fate& fate : fates(trace_, summary_.info))
      table.row({std::to_string(fate.count), fate.outcome, printable_words(fate.reason)});
    table.print(out_);
  }

  void divergences() {
    const auto& rows = trace_.divergences;
    if (rows.empty()) return;
    out_ << "\ndivergences (" << rows.size() << ")\n";
    const std::size_t some = options_.rows == 0 ? rows.size() : std::min<std::size_t>(rows.size(), 5);
    for (std::size_t i = 0; i < some; ++i)
      out_ << "  client " << rows[i].client << " after " << rows[i].step << " sent, at "
           << seconds(rows[i].time) << "\n    expected " << printable_words(rows[i].expected, width())
           << "\n    got      " << printable_words(rows[i].got, width()) << "\n";
    if (some < rows.size()) out_ << "  and " << rows.size() - some << " more (--full or --json list them)\n";
  }

  std::size_t width() const { return options_.full ? 0 : text_width; }

  void quantiles() {
    const auto sketches = whole_run(trace_);
    if (sketches.empty()) return;
    out_ << "\ntimes\n";
    Table table("lrrrrrr");
    table.row({"", "count", "p50", "p90", "p99", "p99.9", "max"});
    for (const format::NamedSketch& row : sketches) {
      const format::Sketch& s = row.sketch;
      table.row({printable_words(row.name), std::to_string(s.count()), brief(s.quantile(0.5)),
                 brief(s.quantile(0.9)), brief(s.quantile(0.99)), brief(s.quantile(0.999)), brief(s.max())});
    }
    table.print(out_);
  }

  // What the run was like at its quarters; counters as what came since the quarter before.
  void course() {
    constexpr std::size_t quarters = 4;
    Table table("lrrrr");
    for (const format::Series& series : trace_.series) {
      if (series.points.size() < quarters) continue;
      std::vector<std::string> cells{printable_words(series.name)};
      double before = 0;
      for (std::size_t quarter = 1; quarter <= quarters; ++quarter) {
        const double value = series.points[series.points.size() * quarter / quarters - 1].value;
        cells.push_back(course_cell(series.name, value, before));
        before = value;
      }
      table.row(std::move(cells));
    }
    if (table.empty()) return;
    out_ << "\nover the run, quarter by quarter (memory and times as they were, the others as what was "
            "added)\n";
    table.print(out_);
  }

  static std::string course_cell(const std::string& name, double value, double before) {
    const auto ends_with = [&](std::string_view end) {
      return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
    };
    if (!(value >= 0) || value > 1e18) return "?";
    if (ends_with("_bytes")) return show_size(static_cast<std::uint64_t>(value));
    if (ends_with("_ns")) return brief(format::Nanos(static_cast<std::int64_t>(value)));
    const double added = std::max(0.0, value - before);
    if (ends_with("cpu_s")) return brief(format::Nanos(static_cast<std::int64_t>(added * 1e9)));
    return std::to_string(static_cast<std::uint64_t>(added));
  }

  std::ostream& out_;
  const format::Trace& trace_;
  const Seen& seen_;
  const ShowOptions& options_;
  const Summary& summary_;
  const bool beginning_;
};

}  // namespace

void show_text(std::ostream& out, const Shown& shown, const ShowOptions& options) {
  if (options.events)
    show_events(out, shown.trace, shown.seen, options);
  else
    Sheet(out, shown, options).print();
}

}  // namespace chorus::convert
