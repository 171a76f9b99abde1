// What stands inside a block: columns in a FlatBuffer whose tables schema/trace.fbs describes. Packing and
// unpacking of one table stand next to each other (event_columns.cpp, table_columns.cpp, sketch_columns.cpp,
// index_columns.cpp). Unpacking trusts nothing: see the rules in the schema.
#pragma once

#include "traces/format/container.h"
#include "traces/format/event.h"

#include <span>
#include <string>
#include <vector>

#include <flatbuffers/flatbuffers.h>

namespace chorus::format {

inline constexpr std::size_t max_text = 1u << 20;      // longest text or payload of one row
inline constexpr std::uint32_t max_rows = 131'072;     // of any block but the Index
inline constexpr std::size_t max_named = 65'536;       // histograms or series of a block
inline constexpr std::size_t table_rows = 65'536;      // a block of a table is closed at so many rows ...
inline constexpr std::size_t table_bytes = 4u << 20;   // ... or so many bytes
inline constexpr std::size_t sketch_span = 1'048'576;  // sum of (largest bucket + 1) in a block of sketches

// A packed block, and what its header says of it.
struct TableBlock {
  BlockKind kind = BlockKind::None;
  std::uint32_t count = 0;
  flatbuffers::DetachedBuffer bytes;
};

// Events on their way to the disk, already as columns.
struct EventColumns {
  std::vector<std::int64_t> time_ns;
  std::vector<std::uint32_t> connection, size;
  std::vector<std::uint8_t> kind;
  std::vector<std::int64_t> intended_ns;  // one for each ToServer event
  std::string payload;
  bool any_intended = false;
  std::int64_t first_ns = 0, last_ns = 0;
  std::uint64_t lost = 0;  // events that were not kept, and their times
  std::int64_t lost_first_ns = 0, lost_last_ns = 0;

  bool fits(Nanos time) const noexcept;  // whether its distance to all others fits the offset column
  void add(const Event& event);
  void lose(Nanos time, std::uint64_t events);
  void lose(const EventColumns& others);  // its events, and what it had lost itself
  void clear() noexcept;
  std::size_t count() const noexcept { return kind.size(); }
};

// Into a builder that was cleared; `offsets` is working memory.
void pack(const EventColumns& events, flatbuffers::FlatBufferBuilder& builder,
          std::vector<std::uint32_t>& offsets);

std::vector<TableBlock> pack(std::span<const ClientRow> rows);
std::vector<TableBlock> pack(std::span<const Binding> rows);
std::vector<TableBlock> pack(std::span<const Divergence> rows);
std::vector<TableBlock> pack(std::span<const NamedSketch> sketches);
std::vector<TableBlock> pack(std::span<const Series> series);
TableBlock pack_info(std::string_view json);

struct IndexColumns {
  std::vector<std::uint8_t> kind;
  std::vector<std::uint64_t> offset;
  std::vector<std::int64_t> first_ns, last_ns;
  std::vector<std::uint32_t> events;
  std::vector<std::uint64_t> connections_in;  // empty in traces of before there was such a column
  std::uint64_t blocks = 0;  // the columns are empty when there are more than max_indexed_blocks
  std::uint64_t total_events = 0, total_payload = 0, lost_events = 0;
  std::uint32_t connections = 0;
};
TableBlock pack(const IndexColumns& index);

// The content of one block: what belongs to `kind` is filled, all else is empty.
struct Content {
  BlockKind kind = BlockKind::None;
  std::vector<Event> events;  // payloads point into the raw bytes
  std::uint64_t lost = 0;
  std::int64_t lost_first_ns = 0, lost_last_ns = 0;
  std::string info;
  std::vector<ClientRow> clients;
  std::vector<Binding> bindings;
  std::vector<Divergence> divergences;
  std::vector<NamedSketch> sketches;
  std::vector<Series> series;
  IndexColumns index;

  void clear();  // keeps the memory of events, and of nothing else
};

// `raw` must be 16-byte-aligned and stay while the events are used. A Trouble says what is wrong with it.
Expected<void> unpack(const BlockHeader& header, Bytes raw, Content& content);

}  // namespace chorus::format
