#include "traces/format/column.h"

namespace chorus::format {

TableBlock pack(const IndexColumns& index) {
  flatbuffers::FlatBufferBuilder builder;
  const auto kind = write_column(builder, index.kind);
  const auto offset = write_column(builder, index.offset);
  const auto first = write_column(builder, index.first_ns);
  const auto last = write_column(builder, index.last_ns);
  const auto events = write_column(builder, index.events);
  const auto connections_in = write_column(builder, index.connections_in);
  return finish(
      BlockKind::Index, index.kind.size(), builder,
      schema::CreateIndex(builder, kind, offset, first, last, events, index.total_events, index.total_payload,
                          index.connections, index.lost_events, connections_in));
}

Expected<void> unpack(const schema::Index& table, const BlockHeader& header, Content& content) {
  Columns columns;
  const std::size_t count = header.count;
  const auto kind = columns.rows(table.kind(), count, "kind");
  const auto offset = columns.rows(table.offset(), count, "offset");
  const auto first = columns.rows(table.first_ns(), count, "first_ns");
  const auto last = columns.rows(table.last_ns(), count, "last_ns");
  const auto events = columns.rows(table.events(), count, "events");
  const bool connections = table.connections_in() != nullptr && table.connections_in()->size() > 0;
  const auto connections_in = connections ? columns.rows(table.connections_in(), count, "connections_in")
                                          : std::span<const std::uint64_t>{};
  const bool left_out = count == 0 && header.sequence > max_indexed_blocks;
  columns.require(left_out || count == header.sequence, "the index does not list every block");
  if (!columns.ok()) return columns.result();

  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    columns.require(kind[i] >= 1 && kind[i] < static_cast<std::uint8_t>(BlockKind::Index),
                    "the index lists a block of unknown kind");
    columns.require(offset[i] >= file_header_size && (i == 0 || offset[i] > offset[i - 1]),
                    "the offsets in the index do not rise");
    columns.require(first[i] <= last[i], "the times of a block in the index run backwards");
    if (kind[i] == static_cast<std::uint8_t>(BlockKind::Events)) sum += events[i];
  }
  columns.require(left_out || sum == table.total_events(),
                  "the events of all blocks do not add up to the total");
  if (!columns.ok()) return columns.result();

  content.index.kind.assign(kind.begin(), kind.end());
  content.index.offset.assign(offset.begin(), offset.end());
  content.index.first_ns.assign(first.begin(), first.end());
  content.index.last_ns.assign(last.begin(), last.end());
  content.index.events.assign(events.begin(), events.end());
  content.index.connections_in.assign(connections_in.begin(), connections_in.end());
  content.index.blocks = header.sequence;
  content.index.total_events = table.total_events();
  content.index.total_payload = table.total_payload();
  content.index.connections = table.connections();
  content.index.lost_events = table.lost_events();
  return {};
}

}  // namespace chorus::format
