// A whole trace in memory: block after block from the reader, then put in order and hashed.
#include "traces/format/reader.h"

#include <algorithm>
#include <bit>
#include <new>
#include <system_error>
#include <unordered_map>

#include <boost/json.hpp>
#include <xxhash.h>

namespace chorus::format {
namespace {

// XXH3 of the logical content. Every table begins with its number and rows, every text with its size, so that
// no two contents run together to the same bytes. Info and the clock pair say how a trace came about and are
// left out.
class ContentHash {
 public:
  ContentHash() : state_(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state_.get()); }

  void table(BlockKind kind, std::size_t rows) {
    number(static_cast<std::uint64_t>(kind));
    number(rows);
  }
  void number(std::uint64_t value) { XXH3_64bits_update(state_.get(), &value, sizeof value); }
  void number(Nanos value) { number(static_cast<std::uint64_t>(value.count())); }
  void text(std::string_view value) {
    number(value.size());
    XXH3_64bits_update(state_.get(), value.data(), value.size());
  }
  std::uint64_t value() const { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state_;
};

void hash_events(ContentHash& hash, const std::vector<Event>& events) {
  hash.table(BlockKind::Events, events.size());
  for (const Event& event : events) {
    hash.number(event.time);
    hash.number(std::uint64_t{event.connection} << 16 | static_cast<std::uint64_t>(event.kind) << 8 |
                std::uint64_t{event.intended.has_value()});
    if (event.intended) hash.number(*event.intended);
    hash.text(event.payload);
  }
}

void hash_sketches(ContentHash& hash, const std::vector<NamedSketch>& sketches) {
  hash.table(BlockKind::Sketches, sketches.size());
  for (const NamedSketch& named : sketches) {
    hash.text(named.name);
    hash.number(named.window_start);
    hash.number(named.window);
    hash.number(named.sketch.max());
    const auto& buckets = named.sketch.buckets();
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      if (buckets[i] == 0) continue;
      hash.number(i);
      hash.number(buckets[i]);
    }
    hash.number(~std::uint64_t{0});
  }
}

std::uint64_t hash_of(const Trace& trace) {
  ContentHash hash;
  hash_events(hash, trace.events);
  hash.table(BlockKind::Clients, trace.clients.size());
  for (const ClientRow& row : trace.clients) {
    for (const std::uint64_t value : {row.client, row.copy, row.origin, row.reason, row.steps})
      hash.number(value);
    hash.number(static_cast<std::uint64_t>(row.outcome) << 1 | std::uint64_t{row.kept});
    hash.number(Nanos(row.connect_ns));
    hash.number(Nanos(row.ready_ns));
    if (row.canary != Canary::None) hash.number(static_cast<std::uint64_t>(row.canary));
  }
  hash.table(BlockKind::Bindings, trace.bindings.size());
  for (const Binding& row : trace.bindings) {
    hash.number(std::uint64_t{row.copy} << 32 | row.member);
    hash.text(row.recorded);
    hash.text(row.own);
  }
  hash.table(BlockKind::Divergences, trace.divergences.size());
  for (const Divergence& row : trace.divergences) {
    hash.number(std::uint64_t{row.client} << 32 | row.step);
    hash.number(row.time);
    hash.text(row.expected);
    hash.text(row.got);
  }
  hash_sketches(hash, trace.sketches);
  hash.table(BlockKind::Series, trace.series.size());
  for (const Series& series : trace.series) {
    hash.text(series.name);
    hash.number(series.points.size());
    for (const auto& point : series.points) {
      hash.number(point.time);
      hash.number(std::bit_cast<std::uint64_t>(point.value));
    }
  }
  return hash.value();
}

// Copies the payloads into one string of the trace's own, which its events then borrow from.
void append_events(Trace& trace, const std::vector<Event>& events) {
  std::size_t size = 0;
  for (const Event& event : events) size += event.payload.size();
  std::string& payload = trace.payloads.emplace_back();
  payload.reserve(size);
  for (const Event& event : events) payload += event.payload;
  Bytes rest = payload;
  for (Event event : events) {
    event.payload = rest.substr(0, event.payload.size());
    rest.remove_prefix(event.payload.size());
    trace.events.push_back(event);
  }
}

template <class Row>
void append(std::vector<Row>& all, const std::vector<Row>& rows) {
  all.insert(all.end(), rows.begin(), rows.end());
}

// A series that is named again goes on; `places` knows where.
void append_series(std::vector<Series>& all, const std::vector<Series>& more,
                   std::unordered_map<std::string, std::size_t>& places) {
  for (const Series& one : more) {
    const auto [place, is_new] = places.try_emplace(one.name, all.size());
    if (is_new) {
      all.push_back(one);
    } else {
      append(all[place->second].points, one.points);
    }
  }
}

void merge_info(boost::json::object& merged, std::string_view json) {
  boost::json::error_code error;
  const auto value = boost::json::parse(json, error);
  if (error || !value.is_object()) return;  // the reader has checked it
  for (const auto& [name, member] : value.get_object()) merged[name] = member;
}

// A lower bound of what the block at hand takes in memory.
std::uint64_t size_of_block(const Reader& reader) {
  std::uint64_t size = reader.info().size() + sizeof(Event) * reader.events().size() +
                       sizeof(ClientRow) * reader.clients().size() +
                       sizeof(Binding) * reader.bindings().size() +
                       sizeof(Divergence) * reader.divergences().size();
  for (const Event& event : reader.events()) size += event.payload.size();
  for (const Binding& row : reader.bindings()) size += row.recorded.size() + row.own.size();
  for (const Divergence& row : reader.divergences()) size += row.expected.size() + row.got.size();
  for (const NamedSketch& named : reader.sketches())
    size += sizeof named + named.sketch.buckets().size() * sizeof(std::uint64_t);
  for (const Series& series : reader.series())
    size += sizeof series + series.points.size() * sizeof(Series::Point);
  return size;
}

// Some KiB of a file can be gigabytes of zeros in memory. What a chat compresses to is a tenth of it.
std::uint64_t most_in_memory(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return (64u << 20) + 256 * (error ? 0 : std::uint64_t{size});
}

Expected<Trace> read_all(Reader& reader, std::uint64_t most) {
  Trace trace;
  boost::json::object info;
  std::unordered_map<std::string, std::size_t> places;  // of series, by name
  std::uint64_t held = 0;
  while (reader.next()) {
    held += size_of_block(reader);
    if (held > most) {
      return Trouble{"would take more than " + std::to_string(most >> 20) +
                     " MiB of memory, over 256 times its size, which no recording of a chat does; it is not "
                     "loaded: take a part of it with chorus cut"};
    }
    if (reader.kind() == BlockKind::Info) merge_info(info, reader.info());
    if (!reader.events().empty()) append_events(trace, reader.events());
    append(trace.clients, reader.clients());
    append(trace.bindings, reader.bindings());
    append(trace.divergences, reader.divergences());
    append(trace.sketches, reader.sketches());
    append_series(trace.series, reader.series(), places);
  }
  trace.start = reader.start();
  trace.info = boost::json::serialize(info);
  trace.damage = reader.damage();
  const auto earlier = [](const Event& a, const Event& b) { return a.time < b.time; };
  if (!std::is_sorted(trace.events.begin(), trace.events.end(), earlier)) {
    std::stable_sort(trace.events.begin(), trace.events.end(), earlier);
  }
  trace.content_hash = hash_of(trace);
  return trace;
}

}  // namespace

bool Trace::is_run() const {
  boost::json::error_code error;
  const auto value = boost::json::parse(info, error);
  if (error || !value.is_object()) return false;
  const auto* mode = value.get_object().if_contains("mode");
  return mode != nullptr && mode->is_string() && mode->get_string() == "run";
}

Expected<Trace> load(const std::filesystem::path& path, const Selection& wanted) {
  try {
    auto reader = Reader::open(path);
    if (!reader) return reader.error();
    if (!wanted.all()) (*reader)->seek(wanted);
    auto trace = read_all(**reader, most_in_memory(path));
    if (!trace) return Trouble{path.string() + ' ' + trace.error().what};
    trace->path = path;
    return trace;
  } catch (const std::bad_alloc&) {
    return Trouble{path.string() + " does not fit into memory"};
  }
}

}  // namespace chorus::format
