// The malformed traces of version 1 that are kept as files, in tests/malformed: whoever writes a reader of
// the format can try it on them. expected.txt says what must come of each; it is what this test goes by.
#include "tests/trace_blocks.h"

#include <algorithm>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>

namespace chorus::format {
namespace {

namespace fs = std::filesystem;
using sample::Block;
using sample::EventBlock;

const fs::path kept = CHORUS_SOURCE "/tests/malformed";

// What is expected of each file: the number of events that are read ("none" where the file is refused as a
// whole), and a part of what is said.
std::map<std::string, std::pair<std::string, std::string>> expectations() {
  std::map<std::string, std::pair<std::string, std::string>> all;
  std::istringstream lines(sample::read_file(kept / "expected.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words(line);
    std::string name, events, text;
    words >> name >> events >> std::ws;
    std::getline(words, text);
    all[name] = {events, text};
  }
  return all;
}

TEST_CASE("each malformed trace that is kept is refused, or read as far as it is good, with the reason",
          "[damage]") {
  const auto expected = expectations();
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(kept)) files += entry.path().extension() == ".trace";
  CHECK(files == expected.size());
  for (const auto& [name, what] : expected) {
    INFO(name);
    REQUIRE(fs::exists(kept / name));
    if (name.starts_with("zstd-") && !has_zstd()) continue;
    const auto& [events, text] = what;
    const auto trace = load(kept / name);
    const std::string said = !trace                        ? trace.error().what
                             : trace->damage.first.empty() ? (trace->damage.cut ? "cut" : "")
                                                           : trace->damage.first;
    CHECK((trace ? std::to_string(trace->events.size()) : "none") == events);
    CHECK_THAT(said, Catch::Contains(text));
    if (trace) CHECK(trace->damage.any());
  }
}

std::string golden() {
  return sample::read_file(CHORUS_SOURCE "/tests/golden/version-1.trace");
}

Block first_events(std::string_view file) {
  const auto blocks = sample::blocks_of(file);
  return *std::find_if(blocks.begin(), blocks.end(),
                       [](const Block& block) { return block.header.kind == BlockKind::Events; });
}

std::string lying_index() {
  BlockHeader header;
  header.kind = BlockKind::Index;
  header.sequence = header.count = 1;
  return sample::file_with_buffer(header, [](flatbuffers::FlatBufferBuilder& builder) {
    const std::vector<std::uint8_t> kinds{2};
    const std::vector<std::uint64_t> offsets{63}, connections{1};
    const std::vector<std::int64_t> times{0};
    const std::vector<std::uint32_t> events{0};
    builder.FinishSizePrefixed(schema::CreateIndexDirect(builder, &kinds, &offsets, &times, &times, &events,
                                                         0, 0, 0, 0, &connections));
  });
}

TEST_CASE("writes the malformed traces anew: only for a version that nobody has seen yet",
          "[.write-malformed]") {
  const auto write = [](const char* name, std::string_view bytes) { sample::write_file(kept / name, bytes); };
  const std::string whole = golden();
  const Block block = first_events(whole);
  const auto part = [&](std::size_t from, std::size_t to) { return whole.substr(from, to - from); };

  write("empty.trace", "");
  write("picture.trace", "GIF89a, and so on");
  std::string text = whole;
  for (std::size_t at = 0; (at = text.find("\r\n", at)) != std::string::npos;) text.erase(at, 1);
  write("as-text.trace", text);
  write("header-cut.trace", part(0, 40));
  std::string changed = whole;
  changed[20] = static_cast<char>(changed[20] ^ 4);
  write("header-bit.trace", changed);
  FileHeader newer;
  newer.version = newest_version + 1;
  const auto head = encode(newer);
  write("newer.trace", {head.data(), head.size()});

  write("cut.trace", part(0, block.end + 20));
  changed = whole;
  const std::size_t middle = block.offset + block_header_size + block.header.stored / 2;
  changed[middle] = static_cast<char>(changed[middle] ^ 1);
  write("block-bit.trace", changed);
  write("block-missing.trace", part(0, block.offset) + part(block.end, whole.size()));
  write("block-twice.trace", part(0, block.end) + part(block.offset, whole.size()));
  write("noise-between.trace", part(0, block.offset) + "noise" + part(block.offset, whole.size()));
  write("bytes-behind.trace", whole + "more");

  EventBlock sizes;
  sizes.size = {0xffffffff, 4};
  write("sizes-overflow.trace", sizes.file());
  EventBlock count;
  count.count = 4'000'000'000;
  write("count-huge.trace", count.file());
  EventBlock kind;
  kind.kind = {10, 3};
  write("kind-unknown.trace", kind.file());
  BlockHeader claim;
  claim.kind = BlockKind::Events;
  claim.stored = 4;
  claim.raw = max_block_bytes + 1;
  write("length-huge.trace", sample::file_with_block(claim, "abcd"));
  claim.stored = claim.raw = 64;
  write("no-flatbuffer.trace", sample::file_with_block(claim, std::string(64, '\xff')));
  write("index-lies.trace", lying_index());
  write("zstd-bomb.trace", sample::bomb(BlockKind::Events, std::string(max_block_bytes, '\0'), 2, 10));
}

}  // namespace
}  // namespace chorus::format
