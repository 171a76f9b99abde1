// Damaged, cut, lying and foreign traces: what is whole is read, what is not is said, nothing crashes.
#include "tests/trace_blocks.h"

#include <algorithm>

#include <catch2/catch.hpp>

namespace chorus::format {
namespace {

using sample::Block;
using sample::blocks_of;

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
