#include "traces/format/block_source.h"

#include "traces/format/container.h"
#include "traces/format/output_file.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace chorus::format {
namespace fs = std::filesystem;

char* AlignedBytes::resize(std::size_t size) {
  if (const std::size_t wanted = (size + sizeof(Unit) - 1) / sizeof(Unit); wanted > capacity_) {
    units_.reset();  // the old ones go before the new ones come
    capacity_ = 0;
    units_ = std::make_unique_for_overwrite<Unit[]>(wanted);
    capacity_ = wanted;
  }
  size_ = size;
  return reinterpret_cast<char*>(units_.get());
}

Expected<BlockSource> BlockSource::open(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    std::error_code ignored;
    if (fs::exists(partial_name(path), ignored)) {
      return Trouble{path.string() + " does not exist, but " + partial_name(path).string() +
                     " does, which is not finished; it can be read by that name"};
    }
    return Trouble{"cannot read " + path.string() + ": " +
                   (error ? error : std::make_error_code(std::errc::no_such_file_or_directory)).message()};
  }
  if (!fs::is_regular_file(status))
    return Trouble{path.string() + " is not a regular file; expected is a trace"};
  BlockSource source;
  source.size_ = fs::file_size(path, error);
  if (error) return Trouble{"cannot read " + path.string() + ": " + error.message()};
  errno = 0;
  source.file_.open(path, std::ios::in | std::ios::binary);
  if (!source.file_) {
    return Trouble{"cannot read " + path.string() + ": " +
                   std::error_code(errno, std::generic_category()).message()};
  }
  return source;
}

std::size_t BlockSource::read(std::uint64_t offset, char* to, std::size_t size) {
  if (offset >= size_) return 0;
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(size, size_ - offset));
  if (offset != position_) file_.seekg(static_cast<std::streamoff>(offset));
  file_.read(to, static_cast<std::streamsize>(wanted));
  const auto got = static_cast<std::size_t>(file_.gcount());
  position_ = offset + got;
  bytes_read_ += got;
  if (got == wanted) return got;
  failed_ = true;  // the file became shorter, or the disk fails
  file_.clear();
  position_ = ~std::uint64_t{0};
  return got;
}

// The window is kept: in damage that is full of false magics the next search goes on in it.
std::uint64_t BlockSource::find_block(std::uint64_t from) {
  constexpr std::size_t window_size = 64u << 10;
  while (from < size_) {
    if (from < window_at_ || from + block_magic.size() > window_at_ + window_.size()) {
      window_.resize(window_size);
      window_.resize(read(from, window_.data(), window_size));
      window_at_ = from;
    }
    const auto at = window_.find(block_magic, static_cast<std::size_t>(from - window_at_));
    if (at != std::string::npos) return window_at_ + at;
    if (window_.size() < window_size) break;
    from = window_at_ + window_size - (block_magic.size() - 1);  // a magic may lie across two windows
  }
  return size_;
}

}  // namespace chorus::format
