// What the blocks that could not be read held: how many events, over how long. Exact where the Index is
// there, else as far as the neighbours and what is left of a bad block's header tell. Private to the reader.
#pragma once

#include "traces/format/columns.h"

#include <vector>

namespace chorus::format {

class MissingBlocks {
 public:
  void good(const BlockHeader& header);  // in order of the sequence; the Index too
  void bad(const BlockHeader& header);   // its header is right, the rest is not

  // Of blocks whose header was there: for traces without an Index.
  std::uint64_t events() const noexcept { return bad_events_; }
  Nanos time() const;
  Nanos time(const IndexColumns& index) const;  // the same as time() for an Index without columns

 private:
  struct Range {
    std::uint64_t begin, end;  // sequence numbers
  };
  static constexpr std::size_t most_ranges = 65'536;  // 1 MiB; beyond that estimates must do

  std::vector<Range> ranges_;
  bool all_ranges_ = true;
  std::uint64_t next_ = 0;
  std::int64_t latest_ns_ = 0;  // of the good events
  bool gap_ = false;            // since then something is missing
  std::uint64_t estimate_ns_ = 0;
  std::uint64_t bad_events_ = 0;
  std::int64_t bad_until_ns_ = 0;  // of the bad blocks since the last good events
};

}  // namespace chorus::format
