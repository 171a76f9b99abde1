// The tables of a run whose rows stand for themselves, and Info.
#include "traces/format/column.h"
#include "traces/format/info_json.h"

#include <algorithm>

namespace chorus::format {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;

// The first rows that go into one block.
template <class Row, class SizeOf>
std::span<const Row> one_block(std::span<const Row> rows, SizeOf size_of) {
  std::size_t bytes = 0, taken = 0;
  while (taken < rows.size() && taken < table_rows && bytes < table_bytes) bytes += size_of(rows[taken++]);
  return rows.first(taken);
}

template <class Row, class SizeOf, class Pack>
std::vector<TableBlock> in_blocks(std::span<const Row> rows, SizeOf size_of, Pack pack_block) {
  std::vector<TableBlock> blocks;
  while (!rows.empty()) {
    const auto block = one_block(rows, size_of);
    blocks.push_back(pack_block(block));
    rows = rows.subspan(block.size());
  }
  return blocks;
}

template <class T, class Row, class Of>
std::vector<T> column_of(std::span<const Row> rows, Of of) {
  std::vector<T> values(rows.size());
  std::transform(rows.begin(), rows.end(), values.begin(),
                 [&](const Row& row) { return static_cast<T>(of(row)); });
  return values;
}

TableBlock pack_clients(std::span<const ClientRow> rows) {
  using U32 = std::uint32_t;
  using U8 = std::uint8_t;
  using I64 = std::int64_t;
  Builder builder;
  const auto client =
      write_column(builder, column_of<U32>(rows, [](const ClientRow& row) { return row.client; }));
  const auto copy =
      write_column(builder, column_of<U32>(rows, [](const ClientRow& row) { return row.copy; }));
  const auto origin =
      write_column(builder, column_of<U32>(rows, [](const ClientRow& row) { return row.origin; }));
  const auto outcome =
      write_column(builder, column_of<U8>(rows, [](const ClientRow& row) { return row.outcome; }));
  const auto reason =
      write_column(builder, column_of<U32>(rows, [](const ClientRow& row) { return row.reason; }));
  const auto steps =
      write_column(builder, column_of<U32>(rows, [](const ClientRow& row) { return row.steps; }));
  const auto connect =
      write_column(builder, column_of<I64>(rows, [](const ClientRow& row) { return row.connect_ns; }));
  const auto ready =
      write_column(builder, column_of<I64>(rows, [](const ClientRow& row) { return row.ready_ns; }));
  const auto kept = write_column(builder, column_of<U8>(rows, [](const ClientRow& row) { return row.kept; }));
  const bool canaries =
      std::any_of(rows.begin(), rows.end(), [](const ClientRow& row) { return row.canary != Canary::None; });
  const auto canary =
      canaries ? write_column(builder, column_of<U8>(rows, [](const ClientRow& row) { return row.canary; }))
               : 0;
  return finish(BlockKind::Clients, rows.size(), builder,
                schema::CreateClients(builder, client, copy, origin, outcome, reason, steps, connect, ready,
                                      kept, canary));
}

TableBlock pack_bindings(std::span<const Binding> rows) {
  Builder builder;
  TextColumn recorded, own;
  for (const Binding& row : rows) {
    recorded.add(row.recorded);
    own.add(row.own);
  }
  const auto copy =
      write_column(builder, column_of<std::uint32_t>(rows, [](const Binding& row) { return row.copy; }));
  const auto member =
      write_column(builder, column_of<std::uint32_t>(rows, [](const Binding& row) { return row.member; }));
  const auto recorded_size = write_column(builder, recorded.size);
  const auto recorded_bytes = write_bytes(builder, recorded.bytes);
  const auto own_size = write_column(builder, own.size);
  const auto own_bytes = write_bytes(builder, own.bytes);
  return finish(
      BlockKind::Bindings, rows.size(), builder,
      schema::CreateBindings(builder, copy, member, recorded_size, recorded_bytes, own_size, own_bytes));
}

TableBlock pack_divergences(std::span<const Divergence> rows) {
  Builder builder;
  TextColumn expected, got;
  for (const Divergence& row : rows) {
    expected.add(row.expected);
    got.add(row.got);
  }
  const auto client =
      write_column(builder, column_of<std::uint32_t>(rows, [](const Divergence& row) { return row.client; }));
  const auto step =
      write_column(builder, column_of<std::uint32_t>(rows, [](const Divergence& row) { return row.step; }));
  const auto time = write_column(
      builder, column_of<std::int64_t>(rows, [](const Divergence& row) { return row.time.count(); }));
  const auto expected_size = write_column(builder, expected.size);
  const auto expected_bytes = write_bytes(builder, expected.bytes);
  const auto got_size = write_column(builder, got.size);
  const auto got_bytes = write_bytes(builder, got.bytes);
  return finish(BlockKind::Divergences, rows.size(), builder,
                schema::CreateDivergences(builder, client, step, time, expected_size, expected_bytes,
                                          got_size, got_bytes));
}

}  // namespace

std::vector<TableBlock> pack(std::span<const ClientRow> rows) {
  return in_blocks(
      rows, [](const ClientRow&) { return std::size_t{0}; }, pack_clients);
}

std::vector<TableBlock> pack(std::span<const Binding> rows) {
  return in_blocks(
      rows, [](const Binding& row) { return row.recorded.size() + row.own.size(); }, pack_bindings);
}

std::vector<TableBlock> pack(std::span<const Divergence> rows) {
  return in_blocks(
      rows, [](const Divergence& row) { return row.expected.size() + row.got.size(); }, pack_divergences);
}

TableBlock pack_info(std::string_view json) {
  Builder builder;
  return finish(BlockKind::Info, 1, builder, schema::CreateInfo(builder, write_bytes(builder, json)));
}

Expected<void> unpack(const schema::Info& table, const BlockHeader&, Content& content) {
  Columns columns;
  const auto json = columns.any(table.json(), "json");
  if (!columns.ok()) return columns.result();
  content.info.assign(reinterpret_cast<const char*>(json.data()), json.size());
  if (const std::string wrong = info_mistake(content.info); !wrong.empty())
    return Trouble{"an Info block " + wrong};
  return {};
}

Expected<void> unpack(const schema::Clients& table, const BlockHeader& header, Content& content) {
  Columns columns;
  const auto client = columns.rows(table.client(), header.count, "client");
  const auto copy = columns.rows(table.copy(), header.count, "copy");
  const auto origin = columns.rows(table.origin(), header.count, "origin");
  const auto outcome = columns.rows(table.outcome(), header.count, "outcome");
  const auto reason = columns.rows(table.reason(), header.count, "reason");
  const auto steps = columns.rows(table.steps(), header.count, "steps");
  const auto connect = columns.rows(table.connect_ns(), header.count, "connect_ns");
  const auto ready = columns.rows(table.ready_ns(), header.count, "ready_ns");
  const auto kept = columns.rows(table.kept(), header.count, "kept");
  const bool canaries = table.canary() != nullptr && table.canary()->size() > 0;
  const auto canary =
      canaries ? columns.rows(table.canary(), header.count, "canary") : std::span<const std::uint8_t>{};
  if (!columns.ok()) return columns.result();
  content.clients.resize(header.count);
  for (std::size_t i = 0; i < header.count; ++i) {
    columns.require(outcome[i] >= 1 && outcome[i] <= static_cast<std::uint8_t>(Outcome::Unfinished),
                    "a client has an unknown outcome");
    columns.require(kept[i] <= 1, "column kept holds something else than 0 and 1");
    content.clients[i] = {client[i],   copy[i],  origin[i],  static_cast<Outcome>(outcome[i]),
                          reason[i],   steps[i], connect[i], ready[i],
                          kept[i] == 1};
    if (!canaries) continue;
    columns.require(canary[i] <= static_cast<std::uint8_t>(Canary::JoinedLate),
                    "a client is an unknown canary");
    content.clients[i].canary = static_cast<Canary>(canary[i]);
  }
  return columns.result();
}

Expected<void> unpack(const schema::Bindings& table, const BlockHeader& header, Content& content) {
  Columns columns;
  const auto copy = columns.rows(table.copy(), header.count, "copy");
  const auto member = columns.rows(table.member(), header.count, "member");
  const auto recorded_size = columns.rows(table.recorded_size(), header.count, "recorded_size");
  auto recorded = columns.texts(table.recorded(), recorded_size, "recorded");
  const auto own_size = columns.rows(table.own_size(), header.count, "own_size");
  auto own = columns.texts(table.own(), own_size, "own");
  if (!columns.ok()) return columns.result();
  content.bindings.resize(header.count);
  for (std::size_t i = 0; i < header.count; ++i) {
    content.bindings[i] = {copy[i], member[i], std::string(take(recorded, recorded_size[i])),
                           std::string(take(own, own_size[i]))};
  }
  return {};
}

Expected<void> unpack(const schema::Divergences& table, const BlockHeader& header, Content& content) {
  Columns columns;
  const auto client = columns.rows(table.client(), header.count, "client");
  const auto step = columns.rows(table.step(), header.count, "step");
  const auto time = columns.rows(table.time_ns(), header.count, "time_ns");
  const auto expected_size = columns.rows(table.expected_size(), header.count, "expected_size");
  auto expected = columns.texts(table.expected(), expected_size, "expected");
  const auto got_size = columns.rows(table.got_size(), header.count, "got_size");
  auto got = columns.texts(table.got(), got_size, "got");
  if (!columns.ok()) return columns.result();
  content.divergences.resize(header.count);
  for (std::size_t i = 0; i < header.count; ++i) {
    content.divergences[i] = {client[i], step[i], Nanos(time[i]),
                              std::string(take(expected, expected_size[i])),
                              std::string(take(got, got_size[i]))};
  }
  return {};
}

}  // namespace chorus::format
