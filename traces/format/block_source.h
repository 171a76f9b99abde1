// Random access to a file's bytes and the search for the next block in them. Private to the reader.
#pragma once

#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace chorus::format {

// Bytes at a 16-byte-aligned address, which FlatBuffers' columns need.
class AlignedBytes {
 public:
  char* resize(std::size_t size);  // content is lost
  Bytes bytes() const noexcept { return {reinterpret_cast<const char*>(units_.get()), size_}; }

 private:
  struct alignas(16) Unit {
    char bytes[16];
  };
  std::unique_ptr<Unit[]> units_;
  std::size_t capacity_ = 0, size_ = 0;
};

class BlockSource {
 public:
  static Expected<BlockSource> open(const std::filesystem::path& path);

  std::uint64_t size() const noexcept { return size_; }  // when it was opened
  // Up to `size` bytes into `to`; fewer at the end of the file, or when the disk fails (see failed()).
  std::size_t read(std::uint64_t offset, char* to, std::size_t size);
  // The offset of the next block magic at or after `from`; size() when there is none.
  std::uint64_t find_block(std::uint64_t from);
  bool failed() const noexcept { return failed_; }
  std::uint64_t bytes_read() const noexcept { return bytes_read_; }

 private:
  std::ifstream file_;
  std::uint64_t size_ = 0, position_ = 0, bytes_read_ = 0;
  bool failed_ = false;
  std::string window_;  // of find_block(): what stands at window_at_
  std::uint64_t window_at_ = 0;
};

}  // namespace chorus::format
