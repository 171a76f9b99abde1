// What the writer and the reader must agree on: the fixed parts of the container, byte by byte as
// schema/trace.fbs describes them, and their checksums. What stands inside a block is columns.h.
#pragma once

#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace chorus::format {

inline constexpr std::uint16_t newest_version = 1;
inline constexpr std::size_t file_header_size = 64;
inline constexpr std::size_t block_header_size = 64;
inline constexpr std::size_t trailer_size = 32;
inline constexpr std::uint32_t max_block_bytes = 16u << 20;
inline constexpr std::uint32_t max_indexed_blocks = 400'000;  // keeps the Index below max_block_bytes
inline constexpr std::string_view file_magic{"CHORUS\r\n", 8};
inline constexpr std::string_view block_magic{
    "\x89"
    "chBLK\r\n",
    8};
inline constexpr std::string_view trailer_magic{"\r\nSUROHC", 8};

struct FileHeader {
  std::uint16_t version = newest_version;
  std::uint16_t size = file_header_size;
  bool zstd = false;  // flag 1
  Start start;
  std::uint32_t mark = 0;  // the header's own checksum, which every block and the trailer repeat
};

struct BlockHeader {
  BlockKind kind = BlockKind::None;
  Codec codec = Codec::None;
  std::uint32_t stored = 0, raw = 0, count = 0;
  std::uint64_t sequence = 0;
  std::int64_t first_ns = 0, last_ns = 0;
  std::uint64_t hash = 0;
  std::uint32_t mark = 0;
};

struct Trailer {
  std::uint64_t index_offset = 0, blocks = 0;
  std::uint32_t mark = 0;
};

// Encoding sets the checksum, and `header.mark` of a file header. Decoding checks magic, checksum, enums and
// lengths; the rest (marks, sequences, what lies behind a length) only its caller can judge.
std::array<char, file_header_size> encode(FileHeader& header);
std::array<char, block_header_size> encode(const BlockHeader& header);
std::array<char, trailer_size> encode(const Trailer& trailer);
Expected<FileHeader> decode_file_header(
    Bytes bytes);  // up to file_header_size bytes; messages follow a file's name
Expected<BlockHeader> decode_block_header(Bytes bytes);
Expected<Trailer> decode_trailer(Bytes bytes);

constexpr std::uint64_t padded(std::uint64_t size) {
  return (size + 7) & ~std::uint64_t{7};
}

std::uint32_t crc32c(Bytes bytes);
std::uint64_t xxh3(Bytes bytes);

}  // namespace chorus::format
