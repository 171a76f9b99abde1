// Blocks that hold nothing of what is wanted are passed over: by the index, while the blocks stand where it
// says, else by their own headers.
#include "traces/format/reader_impl.h"

#include <algorithm>
#include <array>

namespace chorus::format {

void Reader::Impl::seek(Selection wanted) {
  std::sort(wanted.connections.begin(), wanted.connections.end());
  wanted_ = std::move(wanted);
  wanted_connections_ = 0;
  for (const auto connection : wanted_.connections)
    wanted_connections_ |= std::uint64_t{1} << connection % 64;
  selective_ = true;
  done_ = false;
  next_sequence_ = bad_since_good_ = events_ = read_in_vain_ = forged_ = 0;
  damage_ = {};
  missing_ = {};
  if (index_.kind.empty()) read_index();
  position_ = search_from_ = header_.size;
}

std::optional<std::uint64_t> Reader::Impl::total_events() const {
  if (index_.kind.empty()) return std::nullopt;
  return index_.total_events;
}

// Through the trailer. Whatever is wrong there stands in damage() when next() comes to it; here it only means
// that there is no index.
void Reader::Impl::read_index() {
  std::array<char, trailer_size> bytes;
  if (source_.size() < header_.size + trailer_size) return;
  const std::size_t size = source_.read(source_.size() - trailer_size, bytes.data(), bytes.size());
  const auto trailer = decode_trailer({bytes.data(), size});
  if (!trailer || trailer->mark != header_.mark) return;
  if (trailer->index_offset < header_.size || trailer->index_offset >= source_.size()) return;
  position_ = trailer->index_offset;
  const auto header = header_at(position_);
  if (!header || header->kind != BlockKind::Index || header->sequence != trailer->blocks) return;
  if (read_content(*header)) index_ = std::move(content_.index);
  content_.clear();
}

bool Reader::Impl::wants(std::int64_t first_ns, std::int64_t last_ns, std::uint64_t connections_in) const {
  return last_ns >= wanted_.from.count() && first_ns <= wanted_.until.count() &&
         (wanted_.connections.empty() || (connections_in & wanted_connections_) != 0);
}

// Goes past the blocks that are not wanted, as long as the blocks stand where the index says. Whether it
// moved.
bool Reader::Impl::skip_by_index() {
  if (!selective_ || next_sequence_ >= index_.kind.size() || index_.offset[next_sequence_] != position_)
    return false;
  std::size_t at = static_cast<std::size_t>(next_sequence_);
  const std::size_t before = at,
                    end = index_.kind.size() - 1;  // the last is looked at, so that the rest is found
  for (; at < end && index_.kind[at] == static_cast<std::uint8_t>(BlockKind::Events); ++at) {
    const auto in = index_.connections_in.empty() ? ~std::uint64_t{0} : index_.connections_in[at];
    if (wants(index_.first_ns[at], index_.last_ns[at], in)) break;
    events_ += index_.events[at];
  }
  if (at == before || index_.offset[at] > source_.size()) return false;
  BlockHeader last;
  last.kind = BlockKind::Events;
  for (std::size_t i = before; i < at; ++i) {
    last.sequence = i;
    last.count = index_.events[i];
    last.first_ns = index_.first_ns[i];
    last.last_ns = index_.last_ns[i];
    missing_.good(last);
  }
  next_sequence_ = at;
  bad_since_good_ = 0;
  position_ = index_.offset[at];
  search_from_ = position_ + 1;
  return true;
}

// The same by a block's own header, where there is no index.
bool Reader::Impl::skip_by_header(const BlockHeader& header) {
  if (!selective_ || header.kind != BlockKind::Events || header.count > max_rows) return false;
  if (wants(header.first_ns, header.last_ns, ~std::uint64_t{0})) return false;
  if (header.stored > source_.size() - position_ - block_header_size) return false;
  content_.clear();
  accept(header);
  return true;
}

void Reader::Impl::keep_wanted() {
  const auto& connections = wanted_.connections;
  std::erase_if(content_.events, [&](const Event& event) {
    return event.time < wanted_.from || event.time > wanted_.until ||
           (!connections.empty() &&
            !std::binary_search(connections.begin(), connections.end(), event.connection));
  });
}

}  // namespace chorus::format
