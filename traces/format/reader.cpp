// Goes from block to block. Where something is wrong it goes on behind the damage: directly, when the next
// block stands where this one's header says, else at the next sync magic whose header fits its checksum and
// carries this trace's mark. Sequence numbers tell how many blocks are missing, the footer's totals how many
// events.
#include "traces/format/info_json.h"
#include "traces/format/reader_impl.h"

#include <algorithm>
#include <array>

namespace chorus::format {
namespace {

// Blocks that fit their checksums and are still wrong were made to be so: that much of them is looked at.
constexpr std::uint64_t most_forged_bytes = 128u << 20;

}  // namespace

void Reader::Impl::note(const std::string& what) {
  if (damage_.first.empty()) damage_.first = "at offset " + std::to_string(position_) + ": " + what;
}

bool Reader::Impl::next() {
  content_.clear();
  while (!done_) {
    if (skip_by_index()) continue;
    if (position_ >= source_.size()) {
      end_without_index();
      break;
    }
    const auto header = header_at(position_);
    if (!header) {
      const std::uint64_t rest = source_.size() - position_;
      std::array<char, trailer_size> end;
      if (rest == trailer_size && source_.read(position_, end.data(), end.size()) == end.size() &&
          decode_trailer({end.data(), end.size()})) {
        end_without_index();
        break;
      }
      note(header.error().what);
      skip_to(source_.find_block(search_from_));
      continue;
    }
    if (skip_by_header(*header)) continue;
    const auto read = read_content(*header);
    if (!read) {
      content_.clear();
      note(read.error().what);
      skip_bad_block(*header);
      continue;
    }
    accept(*header);
    if (header->kind == BlockKind::Index) {
      end_at_index();
    } else if (!selective_ || header->kind != BlockKind::Events || !content_.events.empty()) {
      return true;
    }
  }
  content_.clear();
  return false;
}

Expected<BlockHeader> Reader::Impl::header_at(std::uint64_t offset) {
  std::array<char, block_header_size> bytes;
  const std::size_t size = source_.read(offset, bytes.data(), bytes.size());
  if (source_.failed()) return Trouble{"the file cannot be read any further"};
  auto header = decode_block_header({bytes.data(), size});
  if (!header) return header;
  if (header->mark != header_.mark) return Trouble{"a block of another trace"};
  // A sequence number beyond what the file can hold, or one that has been there, is a lie.
  if (header->sequence < next_sequence_ || header->sequence > source_.size() / block_header_size) {
    return Trouble{"a block has number " + std::to_string(header->sequence) + ", expected was " +
                   std::to_string(next_sequence_)};
  }
  return header;
}

Expected<void> Reader::Impl::read_content(const BlockHeader& header) {
  if (header.stored > source_.size() - position_ - block_header_size) {
    return Trouble{"the file ends inside a block"};
  }
  const bool plain = header.codec == Codec::None;
  if (!plain && header.codec != Codec::Zstd) return Trouble{"a block has an unknown codec"};
  if (plain && header.stored != header.raw) return Trouble{"an uncompressed block has two lengths"};
  if (!plain && !has_zstd())
    return Trouble{"a block is compressed with zstd, which this chorus was built without"};

  AlignedBytes& target = plain ? raw_ : stored_;
  char* const to = target.resize(header.stored);
  if (source_.read(position_ + block_header_size, to, header.stored) != header.stored) {
    return Trouble{"the file cannot be read any further"};
  }
  if (xxh3(target.bytes()) != header.hash) return Trouble{"a block does not fit its checksum"};
  if (!plain) unpacked_ += header.raw;
  if (!plain && !decompressor_.decompress(stored_.bytes(), raw_.resize(header.raw), header.raw)) {
    forged_ += header.raw;
    return Trouble{"a block does not decompress to the length it claims"};
  }
  auto unpacked = unpack(header, raw_.bytes(), content_);
  (unpacked ? useful_ : forged_) += header.raw;
  if (unpacked) useful_ += block_header_size + (plain ? 0 : header.stored);
  return unpacked;
}

void Reader::Impl::accept(const BlockHeader& header) {
  accepted_at_ = position_;
  const std::uint64_t gap = header.sequence - next_sequence_;
  damage_.bad_blocks += std::max(gap, bad_since_good_);
  if (gap > bad_since_good_) {
    note(std::to_string(gap) + (gap == 1 ? " block is" : " blocks are") + " missing before this one");
  }
  bad_since_good_ = 0;
  next_sequence_ = header.sequence + 1;
  missing_.good(header);
  use_events(header);
  use_info();
  search_from_ = position_ + block_header_size + header.stored;  // its padding may have been lost
  position_ = std::min(position_ + block_header_size + padded(header.stored), source_.size());
}

void Reader::Impl::use_info() {
  if (std::string incomplete = info_text(content_.info, "incomplete"); !incomplete.empty())
    damage_.incomplete = std::move(incomplete);
}

void Reader::Impl::use_events(const BlockHeader& header) {
  if (header.kind != BlockKind::Events) return;
  events_ += header.count;
  if (content_.lost > 0) {
    const Nanos first(content_.lost_first_ns), last(content_.lost_last_ns);
    const bool known = damage_.dropped_events > 0;
    damage_.dropped_first = known ? std::min(damage_.dropped_first, first) : first;
    damage_.dropped_last = known ? std::max(damage_.dropped_last, last) : last;
    damage_.dropped_events += content_.lost;
  }
  if (selective_) keep_wanted();
}

// The header is good, what follows it is not.
void Reader::Impl::skip_bad_block(const BlockHeader& header) {
  missing_.bad(header);
  const std::uint64_t behind = position_ + block_header_size + padded(header.stored);
  if (behind > source_.size()) {  // cut, or its length is a lie: its number will be missing then
    return skip_to(source_.find_block(position_ + block_header_size));
  }
  ++bad_since_good_;
  read_in_vain_ += header.stored;
  if (forged_ > most_forged_bytes) {
    note(
        "too many blocks hold what no chorus writes, in spite of their checksums; the rest is not looked at");
    return skip_to(source_.size());
  }
  // Blocks inside of bad blocks could make a reader go over the same bytes again and again: not without end.
  const bool patient = read_in_vain_ <= source_.size() + max_block_bytes;
  if (behind == source_.size() || !patient || header_at(behind)) return skip_to(behind);
  skip_to(source_.find_block(position_ + block_header_size));
}

void Reader::Impl::skip_to(std::uint64_t offset) {
  damage_.skipped_bytes += offset > position_ ? offset - position_ : position_ - offset;
  position_ = offset;
  search_from_ = offset + 1;
}

void Reader::Impl::end_at_index() {
  done_ = true;
  damage_.counted = true;
  const IndexColumns& index = content_.index;
  damage_.dropped_events = std::max(damage_.dropped_events, index.lost_events);
  damage_.missing_time = missing_.time(index);
  if (index.total_events >= events_) {
    damage_.missing_events = index.total_events - events_;
  } else {
    ++damage_.bad_blocks;
    note("the index counts fewer events than there are");
  }
  std::array<char, trailer_size> bytes;
  const std::size_t size = source_.read(position_, bytes.data(), bytes.size());
  if (size < trailer_size) {
    damage_.cut = true;
    note("the file ends inside its trailer");
    return skip_to(source_.size());
  }
  const auto trailer = decode_trailer({bytes.data(), size});
  if (!trailer || trailer->mark != header_.mark || trailer->blocks != index.blocks) {
    ++damage_.bad_blocks;
    note(trailer ? "the trailer is that of another trace" : trailer.error().what);
    return skip_to(source_.size());
  }
  if (trailer->index_offset != accepted_at_ && damage_.bad_blocks == 0 && damage_.skipped_bytes == 0) {
    ++damage_.bad_blocks;
    note("the trailer names another place for the index");
  }
  position_ += trailer_size;
  if (position_ == source_.size()) return;
  note("there is something behind the trace's end");
  skip_to(source_.size());
}

// The totals are lost. Only the trailer can still tell a damaged trace from one that was not finished.
void Reader::Impl::end_without_index() {
  done_ = true;
  std::array<char, trailer_size> bytes{};
  damage_.missing_events = missing_.events();
  damage_.missing_time = missing_.time();
  const std::uint64_t size = source_.size();
  if (size >= header_.size + trailer_size) source_.read(size - trailer_size, bytes.data(), bytes.size());
  const auto trailer = decode_trailer({bytes.data(), bytes.size()});
  if (trailer && trailer->mark == header_.mark) {
    const std::uint64_t all = std::min(trailer->blocks, size / block_header_size) + 1;  // and the index
    const std::uint64_t gap = all > next_sequence_ ? all - next_sequence_ : 0;
    damage_.bad_blocks += std::max({gap, bad_since_good_, std::uint64_t{1}});
    note("the index is missing");
    return;
  }
  damage_.bad_blocks += bad_since_good_;
  damage_.cut = true;
  note("the file ends without a footer, so its writer did not finish");
}

Expected<std::unique_ptr<Reader>> Reader::open(const std::filesystem::path& path) {
  auto source = BlockSource::open(path);
  if (!source) return source.error();
  std::array<char, file_header_size> bytes;
  const std::size_t size = source->read(0, bytes.data(), bytes.size());
  if (source->failed()) return Trouble{"cannot read " + path.string()};
  const auto header = decode_file_header({bytes.data(), size});
  if (!header) return Trouble{path.string() + ' ' + header.error().what};
  if (header->zstd && !has_zstd()) {
    return Trouble{path.string() + " is compressed with zstd, which this chorus was built without; " +
                   "write it without compression where zstd exists"};
  }
  return std::unique_ptr<Reader>(new Reader(std::make_unique<Impl>(std::move(*source), *header)));
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

void Reader::seek(Selection wanted) {
  impl_->seek(std::move(wanted));
}
std::optional<std::uint64_t> Reader::total_events() const noexcept {
  return impl_->total_events();
}
std::uint64_t Reader::wasted_bytes() const noexcept {
  return impl_->wasted_bytes();
}
bool Reader::next() {
  return impl_->next();
}
const Start& Reader::start() const noexcept {
  return impl_->header_.start;
}
std::uint16_t Reader::version() const noexcept {
  return impl_->header_.version;
}
BlockKind Reader::kind() const noexcept {
  return impl_->content_.kind;
}
const std::vector<Event>& Reader::events() const noexcept {
  return impl_->content_.events;
}
const std::string& Reader::info() const noexcept {
  return impl_->content_.info;
}
const std::vector<ClientRow>& Reader::clients() const noexcept {
  return impl_->content_.clients;
}
const std::vector<Binding>& Reader::bindings() const noexcept {
  return impl_->content_.bindings;
}
const std::vector<Divergence>& Reader::divergences() const noexcept {
  return impl_->content_.divergences;
}
const std::vector<NamedSketch>& Reader::sketches() const noexcept {
  return impl_->content_.sketches;
}
const std::vector<Series>& Reader::series() const noexcept {
  return impl_->content_.series;
}
const Damage& Reader::damage() const noexcept {
  return impl_->damage_;
}

}  // namespace chorus::format
