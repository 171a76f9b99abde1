#include "traces/format/block_writer.h"

namespace chorus::format {

void DistinctConnections::add(std::uint32_t connection) {
  constexpr std::uint32_t small = 1u << 24;
  if (connection >= small) {
    count_ += large_.insert(connection).second;
    return;
  }
  if (connection >= seen_.size()) seen_.resize(connection + connection / 2 + 64);
  if (seen_[connection]) return;
  seen_[connection] = true;
  ++count_;
}

Expected<std::unique_ptr<BlockWriter>> BlockWriter::create(const std::filesystem::path& path, bool force,
                                                           Codec codec, Start start) {
  auto file = OutputFile::create(path, force);
  if (!file) return file.error();
  if (!has_zstd()) codec = Codec::None;
  std::unique_ptr<BlockWriter> writer(new BlockWriter(std::move(*file), codec));
  FileHeader header;
  header.zstd = codec == Codec::Zstd;
  header.start = start;
  const auto bytes = encode(header);
  writer->mark_ = header.mark;
  if (auto written = writer->file_->append({bytes.data(), bytes.size()}); !written) {
    writer.reset();
    std::error_code ignored;  // nothing is in it: it must not be in the way of the next attempt
    std::filesystem::remove(partial_name(path), ignored);
    return written.error();
  }
  return writer;
}

BlockWriter::BlockWriter(std::unique_ptr<OutputFile> file, Codec codec)
    : file_(std::move(file)), codec_(codec) {}

Expected<void> BlockWriter::write(const EventColumns& events) {
  builder_.Clear();
  pack(events, builder_, offsets_);
  BlockHeader header;
  header.kind = BlockKind::Events;
  header.count = static_cast<std::uint32_t>(events.count());
  header.first_ns = events.first_ns;
  header.last_ns = events.last_ns;
  std::uint64_t connections_in = 0;
  for (const auto connection : events.connection) connections_in |= std::uint64_t{1} << connection % 64;
  auto written = put(header, connections_in,
                     {reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize()});
  if (!written) return written;
  index_.total_events += events.count();
  index_.total_payload += events.payload.size();
  for (const auto connection : events.connection) connections_.add(connection);
  return {};
}

Expected<void> BlockWriter::write(const TableBlock& table) {
  BlockHeader header;
  header.kind = table.kind;
  header.count = table.count;
  return put(header, 0, {reinterpret_cast<const char*>(table.bytes.data()), table.bytes.size()});
}

Expected<void> BlockWriter::put(BlockHeader header, std::uint64_t connections_in, Bytes raw) {
  if (raw.size() > max_block_bytes) {
    return Trouble{"a block of " + std::to_string(raw.size()) + " bytes is larger than the format's 16 MiB"};
  }
  Bytes stored = codec_ == Codec::Zstd ? compressor_.compress(raw) : Bytes{};
  header.codec = stored.empty() ? Codec::None : Codec::Zstd;
  if (stored.empty()) stored = raw;
  header.stored = static_cast<std::uint32_t>(stored.size());
  header.raw = static_cast<std::uint32_t>(raw.size());
  header.sequence = next_sequence_;
  header.hash = xxh3(stored);
  header.mark = mark_;
  const std::uint64_t offset = file_->size();
  const auto head = encode(header);
  constexpr std::string_view zeros{"\0\0\0\0\0\0\0", 7};
  auto written = file_->append({head.data(), head.size()}, stored,
                               zeros.substr(0, padded(stored.size()) - stored.size()));
  if (!written) return written;
  ++next_sequence_;
  if (next_sequence_ > max_indexed_blocks) return {};
  index_.kind.push_back(static_cast<std::uint8_t>(header.kind));
  index_.offset.push_back(offset);
  index_.first_ns.push_back(header.first_ns);
  index_.last_ns.push_back(header.last_ns);
  index_.events.push_back(header.kind == BlockKind::Events ? header.count : 0);
  index_.connections_in.push_back(connections_in);
  return {};
}

Expected<void> BlockWriter::finish(std::uint64_t lost_events) {
  index_.lost_events = lost_events;
  index_.connections = connections_.count();
  if (next_sequence_ > max_indexed_blocks) {
    index_.kind.clear();
    index_.offset.clear();
    index_.first_ns.clear();
    index_.last_ns.clear();
    index_.events.clear();
    index_.connections_in.clear();
  }
  const Trailer trailer{file_->size(), next_sequence_, mark_};
  if (auto written = write(pack(index_)); !written) return written;
  const auto bytes = encode(trailer);
  if (auto written = file_->append({bytes.data(), bytes.size()}); !written) return written;
  return file_->finish();
}

}  // namespace chorus::format
