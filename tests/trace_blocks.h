// The blocks of a trace's bytes, taken apart and made by hand: for tests of damaged and lying traces.
#pragma once

#include "tests/trace_sample.h"
#include "traces/format/columns.h"
#include "traces/format/container.h"

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

}  // namespace chorus::format::sample
