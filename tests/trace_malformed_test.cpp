// Traces that are right in every checksum and lie all the same: each is refused by the rule that it breaks.
#include "tests/trace_blocks.h"
#include "traces/format/codec.h"

#include <algorithm>
#include <functional>

#include <catch2/catch.hpp>

namespace chorus::format {
namespace {

using sample::Block;
using sample::blocks_of;
using sample::bomb;
using sample::EventBlock;
using sample::file_with_block;

Expected<Trace> load_bytes(const sample::Folder& folder, std::string_view bytes) {
  sample::write_file(folder / "damaged.trace", bytes);
  return load(folder / "damaged.trace");
}

// The rule that a file of one block breaks, "" when none.
std::string broken_rule(std::string_view file) {
  const sample::Folder folder;
  const auto trace = load_bytes(folder, file);
  REQUIRE(trace.has_value());
  if (trace->damage.bad_blocks == 0) return "";
  CHECK(trace->events.empty());
  CHECK(trace->clients.empty());
  CHECK(trace->sketches.empty());
  return trace->damage.first;
}

// Of a block of `count` rows that `build` makes.
std::string broken_rule(BlockKind kind, std::uint32_t count,
                        const std::function<void(flatbuffers::FlatBufferBuilder&)>& build) {
  BlockHeader header;
  header.kind = kind;
  header.count = count;
  return broken_rule(sample::file_with_buffer(header, build));
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a block of events made by hand is read when nothing in it lies", "[damage]") {
  CHECK(broken_rule(EventBlock{}.file()) == "");
}

TEST_CASE("a block of events that lies is refused by the rule it breaks", "[damage]") {
  EventBlock block;
  SECTION("a column too short") {
    block.connection.pop_back();
    CHECK(has(broken_rule(block.file()), "column connection has 1 rows, not 2"));
  }
  SECTION("a count too large") {
    block.count = 4'000'000'000;
    CHECK(has(broken_rule(block.file()), "a block claims 4000000000 rows, over 131072"));
  }
  SECTION("a count that is not the columns'") {
    block.count = 3;
    CHECK(has(broken_rule(block.file()), "column offset_ns has 2 rows, not 3"));
  }
  SECTION("sizes beyond the payload") {
    block.size = {2, 2};
    CHECK(has(broken_rule(block.file()), "sizes of payload add up to 4, not 3"));
  }
  SECTION("sizes that add up only when they overflow") {
    block.size = {0xffffffff, 4};
    CHECK(has(broken_rule(block.file()), "sizes of payload add up to 4294967299, not 3"));
  }
  SECTION("kind 0") {
    block.kind = {3, 0};
    CHECK(has(broken_rule(block.file()), "an event is of unknown kind"));
  }
  SECTION("a kind nobody knows") {
    block.kind = {10, 3};
    CHECK(has(broken_rule(block.file()), "an event is of unknown kind"));
  }
  SECTION("intended times of more events than there are") {
    block.intended = {1, 2};
    CHECK(has(broken_rule(block.file()), "intended_ns does not fit"));
  }
  SECTION("times of the header that are not those of the events") {
    block.last = 16;
    CHECK(has(broken_rule(block.file()), "the times of a block's header"));
  }
  SECTION("times that overflow") {
    block.first = INT64_MAX - 2;
    block.last = INT64_MIN + 2;
    CHECK(has(broken_rule(block.file()), "the times of a block's header"));
  }
}

TEST_CASE("a FlatBuffer that is none is refused", "[damage]") {
  const sample::Folder folder;
  BlockHeader header;
  header.kind = BlockKind::Events;
  for (const std::string& raw :
       {std::string(), std::string("x"), std::string(64, '\xff'), std::string(64, '\0')}) {
    header.stored = header.raw = static_cast<std::uint32_t>(raw.size());
    const auto trace = load_bytes(folder, file_with_block(header, raw));
    REQUIRE(trace.has_value());
    CHECK(trace->damage.bad_blocks == 1);
    CHECK(has(trace->damage.first, "malformed"));
  }
}

TEST_CASE("a column that is not aligned is refused", "[damage]") {
  // The table of a good block, with the offset of its last column moved by four bytes into its own zeros.
  const std::string rule = broken_rule(BlockKind::Series, 0, [](flatbuffers::FlatBufferBuilder& builder) {
    const std::vector<std::int64_t> zeros(4, 0);
    const auto column = builder.CreateVector(zeros);
    builder.FinishSizePrefixed(schema::CreateSeries(builder, 0, 0, 0, column, 0));
    auto* table = const_cast<flatbuffers::Table*>(
        flatbuffers::GetSizePrefixedRoot<flatbuffers::Table>(builder.GetBufferPointer()));
    auto* offset =
        reinterpret_cast<std::uint8_t*>(table) + table->GetOptionalFieldOffset(schema::Series::VT_TIME_NS);
    flatbuffers::WriteScalar(offset, flatbuffers::ReadScalar<flatbuffers::uoffset_t>(offset) + 4);
  });
  CHECK(has(rule, "column time_ns is not aligned"));
}

TEST_CASE("lengths beyond 16 MiB are refused before anything is allocated for them", "[damage]") {
  const sample::Folder folder;
  BlockHeader header;
  header.kind = BlockKind::Events;
  header.codec = Codec::Zstd;
  header.stored = 4;
  header.raw = max_block_bytes + 1;
  const auto trace = load_bytes(folder, file_with_block(header, "abcd"));
  REQUIRE(trace.has_value());
  CHECK(has(trace->damage.first, "claims more than 16 MiB"));
}

TEST_CASE("a compressed block that is not what it claims is refused", "[damage]") {
  const sample::Folder folder;
  WriterOptions options;
  options.block_events = 100;
  sample::write(folder / "a.trace", options, false, 100);
  const std::string whole = sample::read_file(folder / "a.trace");
  const auto blocks = blocks_of(whole);
  const auto found = std::find_if(blocks.begin(), blocks.end(),
                                  [](const Block& block) { return block.header.codec == Codec::Zstd; });
  if (found == blocks.end()) return;  // a build without zstd
  const std::string_view stored =
      std::string_view(whole).substr(found->offset + block_header_size, found->header.stored);
  for (const std::uint32_t raw : {found->header.raw - 1, found->header.raw + 1, 0u, max_block_bytes}) {
    BlockHeader header = found->header;
    header.sequence = 0;
    header.raw = raw;
    const auto trace = load_bytes(folder, file_with_block(header, stored));
    REQUIRE(trace.has_value());
    CHECK(trace->damage.bad_blocks == 1);
    CHECK(trace->events.empty());
  }
}

TEST_CASE("clients with an unknown outcome are refused", "[damage]") {
  const auto rule = [](std::uint8_t outcome, std::uint8_t kept) {
    return broken_rule(BlockKind::Clients, 1, [&](flatbuffers::FlatBufferBuilder& builder) {
      const std::vector<std::uint32_t> number{0};
      const std::vector<std::uint8_t> outcomes{outcome}, kepts{kept};
      const std::vector<std::int64_t> time{-1};
      builder.FinishSizePrefixed(schema::CreateClientsDirect(builder, &number, &number, &number, &outcomes,
                                                             &number, &number, &time, &time, &kepts));
    });
  };
  CHECK(rule(1, 1) == "");
  CHECK(has(rule(0, 0), "unknown outcome"));
  CHECK(has(rule(7, 0), "unknown outcome"));
  CHECK(has(rule(1, 2), "kept holds"));
}

TEST_CASE("histograms that lie are refused", "[damage]") {
  const auto rule = [](std::vector<std::uint32_t> buckets, std::vector<std::uint32_t> bucket,
                       std::vector<std::uint64_t> total) {
    const auto rows = static_cast<std::uint32_t>(bucket.size());
    return broken_rule(BlockKind::Sketches, rows, [&](flatbuffers::FlatBufferBuilder& builder) {
      const std::vector<std::uint32_t> sizes(buckets.size(), 0);
      const std::vector<std::int64_t> zeros(buckets.size(), 0);
      builder.FinishSizePrefixed(schema::CreateSketchesDirect(builder, &sizes, nullptr, &zeros, &zeros,
                                                              &zeros, &buckets, &bucket, &total));
    });
  };
  CHECK(rule({2}, {3, 4}, {1, 1}) == "");
  CHECK(has(rule({3}, {3, 4}, {1, 1}), "do not add up to the count"));
  CHECK(has(rule({2}, {4, 4}, {1, 1}), "do not rise"));
  CHECK(has(rule({1}, {3776}, {1}), "beyond the last"));
  CHECK(has(rule({1}, {1}, {0}), "impossible count"));
  CHECK(has(rule({2}, {1, 2}, {~std::uint64_t{0}, 1}), "impossible count"));
  const std::size_t many = 300;  // a bomb: few bytes in the file, a megabyte and more in memory
  CHECK(has(rule(std::vector<std::uint32_t>(many, 1), std::vector<std::uint32_t>(many, 3775),
                 std::vector<std::uint64_t>(many, 1)),
            "too large"));
}

TEST_CASE("an Info block that is no JSON object is refused", "[damage]") {
  const auto rule = [](std::string_view json) {
    return broken_rule(BlockKind::Info, 1, [&](flatbuffers::FlatBufferBuilder& builder) {
      const std::vector<std::uint8_t> bytes(json.begin(), json.end());
      builder.FinishSizePrefixed(schema::CreateInfoDirect(builder, &bytes));
    });
  };
  CHECK(rule("{}") == "");
  CHECK(has(rule("[]"), "not a JSON object"));
  CHECK(has(rule(""), "not a JSON object"));
  CHECK(has(rule(std::string(100'000, '[')), "not a JSON object"));
}

TEST_CASE("an index whose totals lie is refused", "[damage]") {
  const auto rule = [](std::uint64_t total) {
    return broken_rule(BlockKind::Index, 0, [&](flatbuffers::FlatBufferBuilder& builder) {
      builder.FinishSizePrefixed(schema::CreateIndex(builder, 0, 0, 0, 0, 0, total));
    });
  };
  CHECK(rule(0) == "");
  CHECK(has(rule(1), "do not add up to the total"));
}

TEST_CASE("a block with more rows than any may have is refused before anything is allocated for them",
          "[damage]") {
  const auto rule = broken_rule(BlockKind::Clients, 131'073, [](flatbuffers::FlatBufferBuilder& builder) {
    builder.FinishSizePrefixed(schema::CreateClients(builder));
  });
  CHECK(has(rule, "a block claims 131073 rows, over 131072"));
  const auto names = [](BlockKind kind, std::size_t count) {
    return broken_rule(kind, 0, [&](flatbuffers::FlatBufferBuilder& builder) {
      const std::vector<std::uint32_t> none(count, 0);
      const std::vector<std::int64_t> zeros(count, 0);
      if (kind == BlockKind::Series) {
        builder.FinishSizePrefixed(schema::CreateSeriesDirect(builder, &none, nullptr, &none));
      } else {
        builder.FinishSizePrefixed(
            schema::CreateSketchesDirect(builder, &none, nullptr, &zeros, &zeros, &zeros, &none));
      }
    });
  };
  CHECK(names(BlockKind::Series, 65'536) == "");
  CHECK(has(names(BlockKind::Series, 65'537), "a block has more than 65536 series"));
  CHECK(has(names(BlockKind::Sketches, 65'537), "a block has more than 65536 histograms"));
}

TEST_CASE("an Info block that would take much memory is refused", "[damage]") {
  const auto rule = [](std::string_view json) {
    return broken_rule(BlockKind::Info, 1, [&](flatbuffers::FlatBufferBuilder& builder) {
      const std::vector<std::uint8_t> bytes(json.begin(), json.end());
      builder.FinishSizePrefixed(schema::CreateInfoDirect(builder, &bytes));
    });
  };
  std::string many = R"({"a":[0)";
  for (int i = 0; i < 262'144; ++i) many += ",0";
  CHECK(has(rule(many + "]}"), "an Info block has more than 262144 values"));
  CHECK(has(rule("{\"a\":\"" + std::string(8u << 20, 'x') + "\"}"), "bytes, over 8 MiB"));
  CHECK(has(rule("{} {}"), "not a JSON object"));
  CHECK(rule(" {\"a\": [1, 2.5, null, true, \"x\"]} \n") == "");
}

TEST_CASE("an index that lies about its blocks is refused by the rule it breaks", "[damage]") {
  const auto rule = [](std::uint8_t kind, std::uint64_t offset, std::int64_t first, std::int64_t last,
                       std::size_t connections) {
    const sample::Folder folder;
    const std::vector<std::uint8_t> kinds{kind};
    const std::vector<std::uint64_t> offsets{offset}, sets(connections, 1);
    const std::vector<std::int64_t> firsts{first}, lasts{last};
    const std::vector<std::uint32_t> events{0};
    BlockHeader header;
    header.kind = BlockKind::Index;
    header.sequence = header.count = 1;
    const auto trace =
        load_bytes(folder, sample::file_with_buffer(header, [&](flatbuffers::FlatBufferBuilder& builder) {
                     builder.FinishSizePrefixed(schema::CreateIndexDirect(
                         builder, &kinds, &offsets, &firsts, &lasts, &events, 0, 0, 0, 0, &sets));
                   }));
    REQUIRE(trace.has_value());
    return trace->damage.first;
  };
  CHECK(has(rule(2, 64, 0, 0, 1), "1 block is missing"));  // right so far, but its block is not there
  CHECK(has(rule(8, 64, 0, 0, 1), "the index lists a block of unknown kind"));
  CHECK(has(rule(0, 64, 0, 0, 1), "the index lists a block of unknown kind"));
  CHECK(has(rule(2, 63, 0, 0, 1), "the offsets in the index do not rise"));
  CHECK(has(rule(2, 64, 1, 0, 1), "the times of a block in the index run backwards"));
  CHECK(has(rule(2, 64, 0, 0, 2), "column connections_in has 2 rows, not 1"));
}

TEST_CASE("lost events whose times run backwards are refused", "[damage]") {
  const auto rule = broken_rule(BlockKind::Events, 0, [](flatbuffers::FlatBufferBuilder& builder) {
    builder.FinishSizePrefixed(schema::CreateEvents(builder, 0, 0, 0, 0, 0, 0, 7, 20, 10));
  });
  CHECK(has(rule, "the times of lost events run backwards"));
}

TEST_CASE("a trailer that names another place for the index is found out", "[damage]") {
  const sample::Folder folder;
  sample::write(folder / "a.trace");
  std::string bytes = sample::read_file(folder / "a.trace");
  auto trailer = decode_trailer(std::string_view(bytes).substr(bytes.size() - trailer_size)).value();
  trailer.index_offset -= 8;
  const auto encoded = encode(trailer);
  bytes.replace(bytes.size() - trailer_size, trailer_size, encoded.data(), encoded.size());
  const auto trace = load_bytes(folder, bytes);
  REQUIRE(trace.has_value());
  CHECK(trace->damage.bad_blocks == 1);
  CHECK(has(trace->damage.first, "the trailer names another place for the index"));
}

TEST_CASE("a reader gives up a trace in which block after block is forged", "[damage]") {
  if (!has_zstd()) return;
  const sample::Folder folder;
  sample::write_file(folder / "a.trace",
                     bomb(BlockKind::Events, std::string(max_block_bytes, '\0'), 2, 1000));
  auto reader = Reader::open(folder / "a.trace").value();
  CHECK(!reader->next());
  CHECK(reader->wasted_bytes() < (256u << 20));
  CHECK(reader->damage().bad_blocks >= 8);
  CHECK(has(reader->damage().first, "malformed"));
}

TEST_CASE("a small file that would be gigabytes in memory is streamed, and not loaded", "[damage]") {
  if (!has_zstd()) return;
  const sample::Folder folder;
  const std::vector<std::uint32_t> one{0}, connection{1}, size{15u << 20};
  const std::vector<std::uint8_t> kind{4}, payload(15u << 20, 0);
  flatbuffers::FlatBufferBuilder builder;
  builder.FinishSizePrefixed(schema::CreateEventsDirect(builder, &one, &connection, &kind, &size, &payload));
  sample::write_file(
      folder / "a.trace",
      bomb(BlockKind::Events, {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()},
           1, 50));
  const auto trace = load(folder / "a.trace");
  REQUIRE(!trace.has_value());
  CHECK(has(trace.error().what, "would take more than"));
  auto reader = Reader::open(folder / "a.trace").value();
  std::size_t blocks = 0;
  while (reader->next()) ++blocks;
  CHECK(blocks == 50);
}

}  // namespace
}  // namespace chorus::format
