// The blocks of a trace's bytes, taken apart and made by hand: for tests of damaged and lying traces.
#pragma once

#include "tests/trace_sample.h"
#include "traces/format/codec.h"
#include "traces/format/columns.h"
#include "traces/format/container.h"

#include <functional>
#include <vector>

namespace chorus::format::sample {

struct Block {
  std::size_t offset, end;
  BlockHeader header;
};

inline std::vector<Block> blocks_of(std::string_view file) {
  std::vector<Block> blocks;
  std::size_t offset = file_header_size;
  while (auto header = decode_block_header(file.substr(offset, block_header_size))) {
    const std::size_t end = offset + block_header_size + padded(header->stored);
    blocks.push_back({offset, end, *header});
    offset = end;
  }
  return blocks;
}

// A block that is right in every checksum, whose content is made by hand.
inline std::string file_with_block(BlockHeader block, std::string_view stored) {
  FileHeader file;
  file.start = start;
  const auto head = encode(file);
  block.mark = file.mark;
  block.hash = xxh3(stored);
  const auto block_head = encode(block);
  std::string bytes(head.data(), head.size());
  bytes.append(block_head.data(), block_head.size()).append(stored);
  return bytes + std::string(padded(stored.size()) - stored.size(), '\0');
}

// The same of a FlatBuffer that `build` makes.
inline std::string file_with_buffer(BlockHeader block,
                                    const std::function<void(flatbuffers::FlatBufferBuilder&)>& build) {
  flatbuffers::FlatBufferBuilder builder;
  build(builder);
  block.stored = block.raw = builder.GetSize();
  return file_with_block(block,
                         {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()});
}

// Two events that are right, until somebody changes a column.
struct EventBlock {
  std::vector<std::uint32_t> offset{0, 5}, connection{1, 1}, size{2, 1};
  std::vector<std::uint8_t> kind{3, 4}, payload{'a', 'b', 'c'};
  std::vector<std::int64_t> intended;
  std::uint32_t count = 2;
  std::int64_t first = 10, last = 15;

  std::string file() const {
    BlockHeader header;
    header.kind = BlockKind::Events;
    header.count = count;
    header.first_ns = first;
    header.last_ns = last;
    return file_with_buffer(header, [&](flatbuffers::FlatBufferBuilder& builder) {
      builder.FinishSizePrefixed(
          schema::CreateEventsDirect(builder, &offset, &connection, &kind, &size, &payload, &intended));
    });
  }
};

// `blocks` blocks that each become `raw`, in a few hundred bytes each.
inline std::string bomb(BlockKind kind, std::string_view raw, std::uint32_t count, int blocks) {
  Compressor compressor;
  const Bytes stored = compressor.compress(raw);
  BlockHeader header;
  header.kind = kind;
  header.codec = Codec::Zstd;
  header.count = count;
  header.stored = static_cast<std::uint32_t>(stored.size());
  header.raw = static_cast<std::uint32_t>(raw.size());
  std::string bytes = file_with_block(header, stored);
  for (int i = 1; i < blocks; ++i) {
    header.sequence = static_cast<std::uint64_t>(i);
    bytes += file_with_block(header, stored).substr(file_header_size);
  }
  return bytes;
}

}  // namespace chorus::format::sample
