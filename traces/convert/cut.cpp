#include "traces/convert/cut.h"

#include "traces/convert/files.h"
#include "traces/convert/info.h"
#include "traces/convert/summary.h"
#include "traces/format/quantity.h"

#include <algorithm>
#include <limits>
#include <map>
#include <unordered_set>
#include <utility>

#include <boost/json.hpp>

namespace chorus::convert {
namespace {

namespace json = boost::json;
using format::Event;
using format::EventKind;
using format::Nanos;

constexpr std::string_view closing_words = "the cut ends here";

// A connection that is open.
struct Life {
  bool carried = true;  // nothing is owed before its next event
  bool opened = false;
  bool client_ended = false, server_ended = false;
  std::string addresses;
};

class Cutter {
 public:
  Cutter(const CutOptions& options, format::Writer& writer)
      : from_(options.from.value_or(Nanos::min())),
        to_(options.to.value_or(Nanos::max())),
        origin_(options.from.value_or(Nanos(0))),
        closes_(options.to.has_value()),
        wanted_(options.connections.begin(), options.connections.end()),
        writer_(writer) {}

  void block(const std::vector<Event>& events) {
    for (const Event* event : in_order(events)) {
      if (event->time >= from_) carry_all();
      take(*event);
    }
  }

  // `whole`: the recording came to its end, so that what is open went on at --to. Else nothing says more than
  // its last event.
  CutReport finish(bool whole) {
    carry_all();
    if (closes_)
      for (const auto& [connection, life] : open_) {
        write(whole ? to_ : std::clamp(latest_, from_, to_), connection, EventKind::Closed, closing_words);
        ++report_.closed_here;
      }
    report_.connections = kept_.size();
    return report_;
  }

  // The first connection that was asked for and does not exist.
  std::optional<std::uint32_t> missing() const {
    std::optional<std::uint32_t> least;
    for (const std::uint32_t wanted : wanted_)
      if (!seen_.count(wanted)) least = std::min(least.value_or(wanted), wanted);
    return least;
  }

 private:
  void take(const Event& event) {
    latest_ = std::max(latest_, event.time);
    if (!wanted_.empty()) {
      if (!wanted_.count(event.connection)) {
        ++report_.left_out;
        return;
      }
      seen_.insert(event.connection);
    }
    const bool before = event.time < from_;
    if (event.time >= to_ || before) ++report_.left_out;
    if (event.time >= to_) return;
    if (!before) {
      if (const auto life = open_.find(event.connection); life != open_.end())
        carry(event.connection, life->second);
      write(event.time, event.connection, event.kind, event.payload);
      ++report_.events;
    }
    follow(event, before);
  }

  void follow(const Event& event, bool before) {
    if (event.kind == EventKind::Closed || event.kind == EventKind::Refused) {
      open_.erase(event.connection);
      return;
    }
    const auto [place, fresh] = open_.try_emplace(event.connection);
    Life& life = place->second;
    if (before && fresh) {
      life.carried = false;
      all_carried_ = false;
    }
    if (event.kind == EventKind::Opened) {
      life.opened = true;
      if (before) life.addresses = event.payload;
    }
    life.client_ended |= event.kind == EventKind::ClientEnd;
    life.server_ended |= event.kind == EventKind::ServerEnd;
  }

  // Silent ones too.
  void carry_all() {
    if (std::exchange(all_carried_, true)) return;
    for (auto& [connection, life] : open_) carry(connection, life);
  }

  void carry(std::uint32_t connection, Life& life) {
    if (std::exchange(life.carried, true) || !life.opened) return;
    write(from_, connection, EventKind::Opened, life.addresses);
    if (life.client_ended) write(from_, connection, EventKind::ClientEnd, {});
    if (life.server_ended) write(from_, connection, EventKind::ServerEnd, {});
    std::string().swap(life.addresses);
    ++report_.carried;
  }

  void write(Nanos time, std::uint32_t connection, EventKind kind, format::Bytes payload) {
    kept_.insert(connection);
    writer_.add(
        {.time = time - origin_, .connection = connection, .kind = kind, .payload = payload, .intended = {}});
  }

  const Nanos from_, to_, origin_;
  const bool closes_;
  const std::unordered_set<std::uint32_t> wanted_;
  format::Writer& writer_;
  Nanos latest_{0};
  std::map<std::uint32_t, Life> open_;
  bool all_carried_ = true;
  std::unordered_set<std::uint32_t> seen_, kept_;
  CutReport report_;
};

// The note in the part's Info. A part of a part keeps the earlier note.
std::string note(const CutOptions& options, const CutReport& report, json::object info, format::Start start) {
  json::object cut{{"left_out_events", report.left_out},
                   {"open_at_from", report.carried},
                   {"closed_at_to", report.closed_here}};
  if (options.from) cut["from"] = show_duration(*options.from);
  if (options.to) cut["to"] = show_duration(*options.to);
  if (!options.connections.empty())
    cut["connections"] = json::array(options.connections.begin(), options.connections.end());
  if (const json::value* started = info.if_contains("started")) cut["of"] = *started;
  if (const json::value* earlier = info.if_contains("cut")) cut["before"] = *earlier;
  json::object note{{"started", utc(start.wall_ns)}, {"cut", std::move(cut)}};
  if (const std::string damage = damage_words(report.damage); !damage.empty()) note["incomplete"] = damage;
  return json::serialize(note);
}

Expected<format::Start> moved(format::Start start, Nanos by) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  if (start.wall_ns > most - by.count() || start.mono_ns > most - by.count())
    return Trouble{"--from lies beyond what its clocks can count"};
  return format::Start{start.wall_ns + by.count(), start.mono_ns + by.count()};
}

}  // namespace

Expected<CutReport> cut(const CutOptions& options) {
  if (options.from && options.to && *options.from >= *options.to)
    return Trouble{"--from " + show_duration(*options.from) + " is not before --to " +
                   show_duration(*options.to) + ", nothing would be left"};
  auto reader = format::Reader::open(options.input);
  if (!reader) return reader.error();
  if (const auto apart = keep_apart(options.input, options.output); !apart) return apart.error();
  const auto start = moved((*reader)->start(), options.from.value_or(Nanos(0)));
  if (!start) return start.error();
  auto trace = NewTrace::create(options.output, *start, options.force);
  if (!trace) return trace.error();

  // Blocks that hold nothing of these connections, or only what comes later, are not even read. How much that
  // leaves out the index knows; without one all is read.
  if (!options.connections.empty() || options.to) {
    format::Selection wanted;
    wanted.connections = options.connections;
    if (options.to) wanted.until = *options.to - Nanos(1);
    (*reader)->seek(std::move(wanted));
    if (!(*reader)->total_events()) (*reader)->seek({});
  }
  Cutter cutter(options, trace->writer());
  json::object info;
  while ((*reader)->next() && trace->writer().ok()) {
    if (const std::string& text = (*reader)->info(); !text.empty()) {
      add_info(info, text);
      trace->writer().info(text);
    }
    if (const std::string why = run_refusal(**reader, info); !why.empty())
      return Trouble{options.input.string() + ' ' + why};
    cutter.block((*reader)->events());
  }
  CutReport report = cutter.finish(!(*reader)->damage().cut);
  report.damage = (*reader)->damage();
  if (const auto total = (*reader)->total_events(); total && *total >= report.events)
    report.left_out = *total - report.events;
  if (const auto missing = cutter.missing())
    return Trouble{options.input.string() + " has no connection " + std::to_string(*missing) +
                   (options.to ? " before --to" : "") + "; chorus show lists them"};
  if (report.connections == 0) {
    const std::string damage = damage_words(report.damage);
    return Trouble{"nothing of " + options.input.string() + " lies within the cut; " +
                   (damage.empty() ? "chorus show says how long it is" : damage)};
  }
  trace->writer().info(note(options, report, std::move(info), *start));
  if (const auto closed = trace->finish(); !closed) return closed.error();
  return report;
}

}  // namespace chorus::convert
