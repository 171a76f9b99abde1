// Puts blocks one after the other into a file: compressed, checksummed, numbered and remembered for the
// index. One thread at a time; the queue before it is writer.cpp.
#pragma once

#include "traces/format/codec.h"
#include "traces/format/columns.h"
#include "traces/format/output_file.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

namespace chorus::format {

// Counts different connections: a bit for each small number, which is what recorders and replayers give out.
class DistinctConnections {
 public:
  void add(std::uint32_t connection);
  std::uint32_t count() const noexcept { return count_; }

 private:
  std::vector<bool> seen_;
  std::unordered_set<std::uint32_t> large_;
  std::uint32_t count_ = 0;
};

class BlockWriter {
 public:
  static Expected<std::unique_ptr<BlockWriter>> create(const std::filesystem::path& path, bool force,
                                                       Codec codec, Start start);

  // A failure leaves the file at the end of the last whole block.
  Expected<void> write(const EventColumns& events);
  Expected<void> write(const TableBlock& table);
  Expected<void> finish(std::uint64_t lost_events);  // index, trailer, sync, name

 private:
  BlockWriter(std::unique_ptr<OutputFile> file, Codec codec);
  Expected<void> put(BlockHeader header, std::uint64_t connections_in, Bytes raw);

  std::unique_ptr<OutputFile> file_;
  Codec codec_;
  std::uint32_t mark_ = 0;
  std::uint64_t next_sequence_ = 0;
  IndexColumns index_;
  DistinctConnections connections_;
  Compressor compressor_;
  flatbuffers::FlatBufferBuilder builder_{1u << 20};
  std::vector<std::uint32_t> offsets_;
};

}  // namespace chorus::format
