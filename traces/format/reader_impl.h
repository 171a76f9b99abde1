// What a Reader consists of: going from block to block is reader.cpp, seeking is reader_seek.cpp.
#pragma once

#include "traces/format/block_source.h"
#include "traces/format/codec.h"
#include "traces/format/columns.h"
#include "traces/format/missing_blocks.h"
#include "traces/format/reader.h"

namespace chorus::format {

struct Reader::Impl {
  Impl(BlockSource own_source, const FileHeader& header)
      : source_(std::move(own_source)), header_(header), position_(header.size), search_from_(header.size) {}

  bool next();
  void seek(Selection wanted);
  std::optional<std::uint64_t> total_events() const;
  std::uint64_t wasted_bytes() const { return source_.bytes_read() + unpacked_ - useful_; }

  BlockSource source_;
  const FileHeader header_;
  Content content_;
  Damage damage_;

 private:
  Expected<BlockHeader> header_at(std::uint64_t offset);
  Expected<void> read_content(const BlockHeader& header);
  void accept(const BlockHeader& header);
  void use_events(const BlockHeader& header);
  void use_info();
  void read_index();
  bool skip_by_index();
  bool skip_by_header(const BlockHeader& header);
  bool wants(std::int64_t first_ns, std::int64_t last_ns, std::uint64_t connections_in) const;
  void keep_wanted();
  void skip_bad_block(const BlockHeader& header);
  void skip_to(std::uint64_t offset);
  void end_at_index();
  void end_without_index();
  void note(const std::string& what);

  std::uint64_t position_;
  std::uint64_t accepted_at_ = 0;  // where the last good block began
  std::uint64_t search_from_ = 0;  // where to look for a block when there is none at position_
  std::uint64_t next_sequence_ = 0;
  std::uint64_t bad_since_good_ = 0;         // bad blocks that the next gap in the sequence will count, too
  std::uint64_t events_ = 0;                 // in good blocks, and in those that were not wanted
  std::uint64_t read_in_vain_ = 0;           // bytes of blocks that turned out bad
  std::uint64_t forged_ = 0;                 // of blocks that fit their checksum, unpacked
  std::uint64_t unpacked_ = 0, useful_ = 0;  // bytes
  bool done_ = false;
  MissingBlocks missing_;
  bool selective_ = false;
  Selection wanted_;
  std::uint64_t wanted_connections_ = 0;  // as the index has them
  IndexColumns index_;                    // while selective_; may be empty
  Decompressor decompressor_;
  AlignedBytes stored_, raw_;
};

}  // namespace chorus::format
