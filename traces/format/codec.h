// Compression of a block's bytes. The only place that knows zstd; where it does not exist (Windows) blocks
// are stored as they are, and a compressed trace is refused with a clear message.
#pragma once

#include "traces/format/event.h"

#include <memory>
#include <string>

namespace chorus::format {

bool has_zstd() noexcept;

// One thread at a time; keeps its working memory between calls.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  // The compressed bytes, borrowed until the next call; empty when they would not be fewer than `raw`.
  Bytes compress(Bytes raw);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  // Fills exactly `size` bytes at `to`, never more; false when `stored` is anything else than that.
  bool decompress(Bytes stored, char* to, std::size_t size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus::format
