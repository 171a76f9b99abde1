// Sketches and time series: a header row for each, and below it rows of its own.
#include "traces/format/column.h"

#include <algorithm>
#include <limits>

namespace chorus::format {
namespace {

struct SketchColumns {
  TextColumn name;
  std::vector<std::int64_t> window_start, window, max;
  std::vector<std::uint32_t> buckets, bucket;
  std::vector<std::uint64_t> total;
  std::size_t span = 0;

  bool room_for(const Sketch& sketch) const {
    return name.size.empty() ||
           (bucket.size() < table_rows && name.size.size() < table_rows && name.bytes.size() < table_bytes &&
            span + sketch.buckets().size() <= sketch_span);
  }

  void add(const NamedSketch& named) {
    const auto& all = named.sketch.buckets();
    const std::size_t before = bucket.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] == 0) continue;
      bucket.push_back(static_cast<std::uint32_t>(i));
      total.push_back(all[i]);
    }
    name.add(named.name);
    window_start.push_back(named.window_start.count());
    window.push_back(named.window.count());
    max.push_back(named.sketch.max().count());
    buckets.push_back(static_cast<std::uint32_t>(bucket.size() - before));
    span += all.size();
  }

  TableBlock pack() const {
    flatbuffers::FlatBufferBuilder builder;
    const auto name_size = write_column(builder, name.size);
    const auto names = write_bytes(builder, name.bytes);
    const auto starts = write_column(builder, window_start);
    const auto windows = write_column(builder, window);
    const auto maxima = write_column(builder, max);
    const auto counts = write_column(builder, buckets);
    const auto rows = write_column(builder, bucket);
    const auto totals = write_column(builder, total);
    return finish(
        BlockKind::Sketches, bucket.size(), builder,
        schema::CreateSketches(builder, name_size, names, starts, windows, maxima, counts, rows, totals));
  }
};

struct SeriesColumns {
  TextColumn name;
  std::vector<std::uint32_t> points;
  std::vector<std::int64_t> time;
  std::vector<double> value;

  bool full() const {
    return time.size() >= table_rows || name.size.size() >= table_rows || name.bytes.size() >= table_bytes;
  }

  void add(std::string_view own_name, std::span<const Series::Point> own) {
    name.add(own_name);
    points.push_back(static_cast<std::uint32_t>(own.size()));
    for (const auto& point : own) {
      time.push_back(point.time.count());
      value.push_back(point.value);
    }
  }

  TableBlock pack() const {
    flatbuffers::FlatBufferBuilder builder;
    const auto name_size = write_column(builder, name.size);
    const auto names = write_bytes(builder, name.bytes);
    const auto counts = write_column(builder, points);
    const auto times = write_column(builder, time);
    const auto values = write_column(builder, value);
    return finish(BlockKind::Series, time.size(), builder,
                  schema::CreateSeries(builder, name_size, names, counts, times, values));
  }
};

std::uint64_t sum_of(std::span<const std::uint32_t> values) {
  std::uint64_t sum = 0;
  for (const auto value : values) sum += value;
  return sum;
}

// Buckets rise within a histogram, none is empty, and a block cannot make a reader allocate without bounds.
void check_buckets(Columns& columns, std::span<const std::uint32_t> buckets,
                   std::span<const std::uint32_t> bucket, std::span<const std::uint64_t> total) {
  std::uint64_t span = 0;
  std::size_t row = 0;
  for (const auto own : buckets) {
    std::uint64_t count = 0;
    for (std::size_t end = row + own, first = row; row < end; ++row) {
      columns.require(bucket[row] < Sketch::most_buckets, "a histogram has a bucket beyond the last");
      columns.require(row == first || bucket[row] > bucket[row - 1],
                      "the buckets of a histogram do not rise");
      columns.require(total[row] > 0 && total[row] <= std::numeric_limits<std::uint64_t>::max() - count,
                      "a histogram has an impossible count");
      count += total[row];
    }
    if (own > 0) span += bucket[row - 1] + std::uint64_t{1};
  }
  columns.require(span <= sketch_span, "the histograms of a block are too large");
}

}  // namespace

std::vector<TableBlock> pack(std::span<const NamedSketch> sketches) {
  std::vector<TableBlock> blocks;
  SketchColumns columns;
  for (const NamedSketch& named : sketches) {
    if (!columns.room_for(named.sketch)) {
      blocks.push_back(columns.pack());
      columns = {};
    }
    columns.add(named);
  }
  if (!columns.name.size.empty()) blocks.push_back(columns.pack());
  return blocks;
}

std::vector<TableBlock> pack(std::span<const Series> series) {
  std::vector<TableBlock> blocks;
  SeriesColumns columns;
  for (const Series& one : series) {
    std::span<const Series::Point> rest = one.points;
    do {  // at least once: a series without points is one, too
      if (columns.full()) {
        blocks.push_back(columns.pack());
        columns = {};
      }
      const auto part = rest.first(std::min(rest.size(), table_rows - columns.time.size()));
      columns.add(one.name, part);
      rest = rest.subspan(part.size());
    } while (!rest.empty());
  }
  if (!columns.name.size.empty()) blocks.push_back(columns.pack());
  return blocks;
}

Expected<void> unpack(const schema::Sketches& table, const BlockHeader& header, Content& content) {
  Columns columns;
  const auto name_size = columns.any(table.name_size(), "name_size");
  columns.require(name_size.size() <= max_named, "a block has more than 65536 histograms");
  auto names = columns.texts(table.name(), name_size, "name");
  const auto start = columns.rows(table.window_start_ns(), name_size.size(), "window_start_ns");
  const auto window = columns.rows(table.window_ns(), name_size.size(), "window_ns");
  const auto max = columns.rows(table.max_ns(), name_size.size(), "max_ns");
  const auto buckets = columns.rows(table.buckets(), name_size.size(), "buckets");
  const auto bucket = columns.rows(table.bucket(), header.count, "bucket");
  const auto total = columns.rows(table.total(), header.count, "total");
  columns.require(sum_of(buckets) == header.count,
                  "the buckets of all histograms do not add up to the count");
  if (columns.ok()) check_buckets(columns, buckets, bucket, total);
  if (!columns.ok()) return columns.result();

  content.sketches.resize(name_size.size());
  std::size_t row = 0;
  for (std::size_t i = 0; i < name_size.size(); ++i) {
    NamedSketch& named = content.sketches[i];
    named.name = take(names, name_size[i]);
    named.window_start = Nanos(start[i]);
    named.window = Nanos(window[i]);
    columns.require(window[i] >= 0 && max[i] >= 0, "a histogram has a negative window or maximum");
    for (const std::size_t end = row + buckets[i]; row < end; ++row)
      named.sketch.add_bucket(bucket[row], total[row]);
    named.sketch.raise_max(Nanos(max[i]));
  }
  return columns.result();
}

Expected<void> unpack(const schema::Series& table, const BlockHeader& header, Content& content) {
  Columns columns;
  const auto name_size = columns.any(table.name_size(), "name_size");
  columns.require(name_size.size() <= max_named, "a block has more than 65536 series");
  auto names = columns.texts(table.name(), name_size, "name");
  const auto points = columns.rows(table.points(), name_size.size(), "points");
  const auto time = columns.rows(table.time_ns(), header.count, "time_ns");
  const auto value = columns.rows(table.value(), header.count, "value");
  columns.require(sum_of(points) == header.count, "the points of all series do not add up to the count");
  if (!columns.ok()) return columns.result();

  content.series.resize(name_size.size());
  std::size_t row = 0;
  for (std::size_t i = 0; i < name_size.size(); ++i) {
    content.series[i].name = take(names, name_size[i]);
    content.series[i].points.reserve(points[i]);
    for (const std::size_t end = row + points[i]; row < end; ++row) {
      content.series[i].points.push_back({Nanos(time[row]), value[row]});
    }
  }
  return {};
}

}  // namespace chorus::format
