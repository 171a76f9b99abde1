// Damaged, cut, lying and foreign traces: what is whole is read, what is not is said, nothing crashes.
#include "tests/trace_sample.h"
#include "traces/format/columns.h"
#include "traces/format/container.h"

#include <algorithm>
#include <functional>

#include <catch2/catch.hpp>

namespace chorus::format {
namespace {

// Small enough for a test at every byte, and still several blocks of events and one of every table.
std::string sample_bytes(const sample::Folder& folder, Codec codec, bool with_tables) {
  WriterOptions options;
  options.force = true;
  options.codec = codec;
  options.block_events = 5;
  sample::write(folder / "whole.trace", options, with_tables, 20);
  return sample::read_file(folder / "whole.trace");
}

Expected<Trace> load_bytes(const sample::Folder& folder, std::string_view bytes) {
  sample::write_file(folder / "damaged.trace", bytes);
  return load(folder / "damaged.trace");
}

// Whether every event is one of the sample's, and no two are the same; the first `count` when `prefix`.
bool only_correct(const std::vector<Event>& events, bool prefix) {
  std::vector<std::string> texts;
  const auto expected = sample::events(texts, 20);
  std::int64_t last = -1;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto number = events[i].time.count() / 1000;
    if (number < 0 || number >= 20 || number <= last) return false;
    if (prefix && number != static_cast<std::int64_t>(i)) return false;
    if (!sample::same(events[i], expected[static_cast<std::size_t>(number)])) return false;
    last = number;
  }
  return true;
}

struct Block {
  std::size_t offset, end;
  BlockHeader header;
};

std::vector<Block> blocks_of(std::string_view file) {
  std::vector<Block> blocks;
  std::size_t offset = file_header_size;
  while (auto header = decode_block_header(file.substr(offset, block_header_size))) {
    const std::size_t end = offset + block_header_size + padded(header->stored);
    blocks.push_back({offset, end, *header});
    offset = end;
  }
  return blocks;
}

TEST_CASE("a trace cut at any byte gives every whole block before the cut", "[damage]") {
  const sample::Folder folder;
  const std::string whole = sample_bytes(folder, Codec::None, false);
  const auto blocks = blocks_of(whole);
  REQUIRE(blocks.size() == 7);  // info, 4 of events, info, index
  sample::write_file(folder / "cut.trace", whole);
  for (std::size_t size = whole.size(); size-- > 0;) {
    std::filesystem::resize_file(folder / "cut.trace", size);
    const auto trace = load(folder / "cut.trace");
    CAPTURE(size);
    if (size < file_header_size) {
      REQUIRE(!trace.has_value());
      continue;
    }
    REQUIRE(trace.has_value());
    std::size_t whole_events = 0;
    for (const Block& block : blocks) {
      const bool in = block.offset + block_header_size + block.header.stored <= size;
      if (in && block.header.kind == BlockKind::Events) whole_events += block.header.count;
    }
    REQUIRE(trace->events.size() == whole_events);
    REQUIRE(only_correct(trace->events, true));
    REQUIRE(trace->damage.cut);
    REQUIRE(trace->damage.bad_blocks == 0);
    REQUIRE(!trace->damage.first.empty());
  }
}

TEST_CASE("a trace with any one byte changed gives correct events or none, and says so", "[damage]") {
  const sample::Folder folder;
  const Codec codec = GENERATE(Codec::None, Codec::Zstd);
  const std::string whole = sample_bytes(folder, codec, true);
  const auto blocks = blocks_of(whole);
  const auto is_padding = [&](std::size_t at) {
    return std::any_of(blocks.begin(), blocks.end(), [&](const Block& block) {
      return at < block.end && at >= block.offset + block_header_size + block.header.stored;
    });
  };
  const auto put = [&](std::size_t at, char value) {
    std::fstream file(folder / "whole.trace", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at)).put(value);
  };
  for (std::size_t at = 0; at < whole.size(); ++at) {
    put(at, static_cast<char>(whole[at] ^ (1 << (at % 8))));
    const auto trace = load(folder / "whole.trace");
    put(at, whole[at]);
    CAPTURE(at);
    if (at < file_header_size) {
      REQUIRE(!trace.has_value());
      continue;
    }
    REQUIRE(trace.has_value());
    REQUIRE(only_correct(trace->events, false));
    REQUIRE(trace->events.size() >= 15);  // at most one block is lost
    REQUIRE(trace->damage.any() == !is_padding(at));
    if (trace->damage.any()) REQUIRE(!trace->damage.first.empty());
    REQUIRE(!trace->damage.cut);
    if (trace->events.size() < 20) REQUIRE(trace->damage.missing_events == 20 - trace->events.size());
  }
}

TEST_CASE("a byte that was taken out or bytes that were put in cost no more than the block they are in",
          "[damage]") {
  const sample::Folder folder;
  const std::string whole = sample_bytes(folder, Codec::None, false);
  for (std::size_t at = file_header_size; at + 40 < whole.size(); at += 3) {
    CAPTURE(at);
    for (std::string bytes :
         {whole.substr(0, at) + whole.substr(at + 1), whole.substr(0, at) + "xyz" + whole.substr(at)}) {
      const auto trace = load_bytes(folder, bytes);
      REQUIRE(trace.has_value());
      REQUIRE(only_correct(trace->events, false));
      REQUIRE(trace->events.size() >= 15);
      REQUIRE(trace->damage.any());
    }
  }
}

TEST_CASE("a block that was taken out is missed by its number and its events", "[damage]") {
  const sample::Folder folder;
  const std::string whole = sample_bytes(folder, Codec::None, false);
  const Block gone = blocks_of(whole).at(2);
  const auto trace = load_bytes(folder, whole.substr(0, gone.offset) + whole.substr(gone.end));
  REQUIRE(trace.has_value());
  CHECK(trace->damage.bad_blocks == 1);
  CHECK(trace->damage.missing_events == 5);
  CHECK(trace->damage.skipped_bytes == 0);
  CHECK(!trace->damage.cut);
}

TEST_CASE("a block that stands there twice counts once", "[damage]") {
  const sample::Folder folder;
  const std::string whole = sample_bytes(folder, Codec::None, false);
  const Block twice = blocks_of(whole).at(2);
  const auto trace = load_bytes(folder, whole.substr(0, twice.end) + whole.substr(twice.offset));
  REQUIRE(trace.has_value());
  CHECK(trace->events.size() == 20);
  CHECK(only_correct(trace->events, true));
  CHECK(trace->damage.skipped_bytes == twice.end - twice.offset);
}

TEST_CASE("a trace inside another one's payload is never taken for its blocks", "[damage]") {
  const sample::Folder folder;
  WriterOptions options;
  options.codec = Codec::None;
  options.start = {1, 2};  // another trace, so another mark
  auto inner = Writer::create(folder / "inner.trace", options).value();
  for (int i = 0; i < 3; ++i) inner->add({Nanos(i), 9, EventKind::ToServer, "of the inner trace", {}});
  REQUIRE(inner->close().has_value());
  options.start = sample::start;
  auto outer = Writer::create(folder / "outer.trace", options).value();
  outer->add({Nanos(7), 1, EventKind::ToClient, sample::read_file(folder / "inner.trace"), {}});
  REQUIRE(outer->close().has_value());
  std::string bytes = sample::read_file(folder / "outer.trace");
  bytes[file_header_size + 20] ^= 1;  // in the header of the block that holds the inner trace
  const auto trace = load_bytes(folder, bytes);
  REQUIRE(trace.has_value());
  CHECK(trace->events.empty());
  CHECK(trace->damage.missing_events == 1);
  CHECK(trace->damage.bad_blocks == 1);
}

TEST_CASE("bytes behind the end are damage", "[damage]") {
  const sample::Folder folder;
  const std::string whole = sample_bytes(folder, Codec::None, false);
  const auto trace = load_bytes(folder, whole + whole);
  REQUIRE(trace.has_value());
  CHECK(only_correct(trace->events, true));
  CHECK(trace->damage.skipped_bytes == whole.size());
  CHECK(!trace->damage.cut);
}

TEST_CASE("what is no trace is refused in one line that says what it is", "[damage]") {
  const sample::Folder folder;
  const auto why = [&](std::string_view bytes) {
    const auto trace = load_bytes(folder, bytes);
    REQUIRE(!trace.has_value());
    REQUIRE(trace.error().what.find('\n') == std::string::npos);
    return trace.error().what.substr((folder / "damaged.trace").string().size() + 1);
  };
  CHECK(why("") == "is empty; a trace was expected, which chorus record or chorus replay makes");
  CHECK(why("GIF89a, and so on").find("is no trace: it begins with \"GIF89a, \"") == 0);
  CHECK(why("CHORUS\nx").find("line ends were changed") != std::string::npos);
  CHECK(why("CHORUS\r\n").find("ends inside its header (8 of 64 bytes)") == 0);
  std::string zeros = sample_bytes(folder, Codec::None, false).substr(0, 64);
  zeros[20] ^= 4;
  CHECK(why(zeros).find("is damaged in its header") == 0);
  FileHeader newer;
  newer.version = newest_version + 1;
  const auto header = encode(newer);
  CHECK(why({header.data(), header.size()})
            .find("has version 2 of the format, and this chorus reads up to 1") == 0);
  CHECK(load(folder / "nothing.trace").error().what.find("cannot read") == 0);
  CHECK(load(folder.path()).error().what.find("not a regular file") != std::string::npos);
}

// A block that is right in every checksum, whose content is made by hand.
std::string file_with_block(BlockHeader block, std::string_view stored) {
  FileHeader file;
  file.start = sample::start;
  const auto head = encode(file);
  block.mark = file.mark;
  block.hash = xxh3(stored);
  const auto block_head = encode(block);
  std::string bytes(head.data(), head.size());
  bytes.append(block_head.data(), block_head.size()).append(stored);
  return bytes + std::string(padded(stored.size()) - stored.size(), '\0');
}

// Loads a file whose one block holds what `build` makes; the rule that it breaks, "" when none.
std::string broken_rule(BlockKind kind, std::uint32_t count,
                        const std::function<void(flatbuffers::FlatBufferBuilder&)>& build,
                        std::int64_t first_ns = 0, std::int64_t last_ns = 0) {
  const sample::Folder folder;
  flatbuffers::FlatBufferBuilder builder;
  build(builder);
  BlockHeader header;
  header.kind = kind;
  header.count = count;
  header.stored = header.raw = builder.GetSize();
  header.first_ns = first_ns;
  header.last_ns = last_ns;
  const std::string_view raw(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  const auto trace = load_bytes(folder, file_with_block(header, raw));
  REQUIRE(trace.has_value());
  if (trace->damage.bad_blocks == 0) return "";
  CHECK(trace->events.empty());
  CHECK(trace->clients.empty());
  CHECK(trace->sketches.empty());
  return trace->damage.first;
}

struct EventBlock {
  std::vector<std::uint32_t> offset{0, 5}, connection{1, 1}, size{2, 1};
  std::vector<std::uint8_t> kind{3, 4}, payload{'a', 'b', 'c'};
  std::vector<std::int64_t> intended;
  std::uint32_t count = 2;
  std::int64_t first = 10, last = 15;

  std::string broken() const {
    return broken_rule(
        BlockKind::Events, count,
        [&](flatbuffers::FlatBufferBuilder& builder) {
          builder.FinishSizePrefixed(
              schema::CreateEventsDirect(builder, &offset, &connection, &kind, &size, &payload, &intended));
        },
        first, last);
  }
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a block of events made by hand is read when nothing in it lies", "[damage]") {
  CHECK(EventBlock{}.broken() == "");
}

TEST_CASE("a block of events that lies is refused by the rule it breaks", "[damage]") {
  EventBlock block;
  SECTION("a column too short") {
    block.connection.pop_back();
    CHECK(has(block.broken(), "column connection has 1 rows, not 2"));
  }
  SECTION("a count too large") {
    block.count = 4'000'000'000;
    CHECK(has(block.broken(), "column offset_ns has 2 rows, not 4000000000"));
  }
  SECTION("sizes beyond the payload") {
    block.size = {2, 2};
    CHECK(has(block.broken(), "sizes of payload add up to 4, not 3"));
  }
  SECTION("sizes that add up only when they overflow") {
    block.size = {0xffffffff, 4};
    CHECK(has(block.broken(), "sizes of payload add up to 4294967299, not 3"));
  }
  SECTION("kind 0") {
    block.kind = {3, 0};
    CHECK(has(block.broken(), "an event is of unknown kind"));
  }
  SECTION("a kind nobody knows") {
    block.kind = {10, 3};
    CHECK(has(block.broken(), "an event is of unknown kind"));
  }
  SECTION("intended times of more events than there are") {
    block.intended = {1, 2};
    CHECK(has(block.broken(), "intended_ns does not fit"));
  }
  SECTION("times of the header that are not those of the events") {
    block.last = 16;
    CHECK(has(block.broken(), "the times of a block's header"));
  }
  SECTION("times that overflow") {
    block.first = INT64_MAX - 2;
    block.last = INT64_MIN + 2;
    CHECK(has(block.broken(), "the times of a block's header"));
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

TEST_CASE("random bytes between good blocks never crash the reader", "[damage]") {
  const sample::Folder folder;
  const std::string whole = sample_bytes(folder, Codec::Zstd, true);
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string bytes = whole;
    const std::size_t changes = 1 + random() % 20;
    for (std::size_t i = 0; i < changes; ++i) {
      bytes[file_header_size + random() % (bytes.size() - file_header_size)] = static_cast<char>(random());
    }
    const auto trace = load_bytes(folder, bytes);
    REQUIRE(trace.has_value());
    REQUIRE(only_correct(trace->events, false));
  }
}

}  // namespace
}  // namespace chorus::format
