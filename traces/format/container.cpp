#include "traces/format/container.h"

#include <bit>
#include <cstring>

#include <xxhash.h>

namespace chorus::format {

static_assert(std::endian::native == std::endian::little,
              "a trace is little-endian, and so is its columns' memory");

namespace {

template <class T, std::size_t N>
void put(std::array<char, N>& bytes, std::size_t at, T value) {
  static_assert(std::is_integral_v<T>);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <class T>
T get(Bytes bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <std::size_t N>
void put_magic(std::array<char, N>& bytes, std::size_t at, std::string_view magic) {
  std::memcpy(bytes.data() + at, magic.data(), magic.size());
}

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}();

std::string printable(Bytes bytes) {
  std::string text;
  for (const char c : bytes) text += c >= ' ' && c <= '~' ? c : '.';
  return text;
}

}  // namespace

std::uint32_t crc32c(Bytes bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc_table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::uint64_t xxh3(Bytes bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::array<char, file_header_size> encode(FileHeader& header) {
  std::array<char, file_header_size> bytes{};
  put_magic(bytes, 0, file_magic);
  put(bytes, 8, header.version);
  put(bytes, 10, header.size);
  put(bytes, 12, std::uint32_t{header.zstd});
  put(bytes, 16, header.start.wall_ns);
  put(bytes, 24, header.start.mono_ns);
  header.mark = crc32c({bytes.data(), 60});
  put(bytes, 60, header.mark);
  return bytes;
}

std::array<char, block_header_size> encode(const BlockHeader& header) {
  std::array<char, block_header_size> bytes{};
  put_magic(bytes, 0, block_magic);
  put(bytes, 8, static_cast<std::uint8_t>(header.kind));
  put(bytes, 9, static_cast<std::uint8_t>(header.codec));
  put(bytes, 12, header.stored);
  put(bytes, 16, header.raw);
  put(bytes, 20, header.count);
  put(bytes, 24, header.sequence);
  put(bytes, 32, header.first_ns);
  put(bytes, 40, header.last_ns);
  put(bytes, 48, header.hash);
  put(bytes, 56, header.mark);
  put(bytes, 60, crc32c({bytes.data(), 60}));
  return bytes;
}

std::array<char, trailer_size> encode(const Trailer& trailer) {
  std::array<char, trailer_size> bytes{};
  put(bytes, 0, trailer.index_offset);
  put(bytes, 8, trailer.blocks);
  put(bytes, 16, trailer.mark);
  put(bytes, 20, crc32c({bytes.data(), 20}));
  put_magic(bytes, 24, trailer_magic);
  return bytes;
}

Expected<FileHeader> decode_file_header(Bytes bytes) {
  if (bytes.empty())
    return Trouble{"is empty; a trace was expected, which chorus record or chorus replay makes"};
  if (bytes.substr(0, 8) != file_magic.substr(0, bytes.size())) {
    if (bytes.starts_with("CHORUS\n") || bytes.starts_with("CHORUS\r\r")) {
      return Trouble{"is a trace whose line ends were changed on the way; copy it again in binary mode"};
    }
    return Trouble{"is no trace: it begins with \"" + printable(bytes.substr(0, 8)) +
                   "\"; expected is a file that chorus record or chorus replay made"};
  }
  if (bytes.size() < file_header_size) {
    return Trouble{"ends inside its header (" + std::to_string(bytes.size()) +
                   " of 64 bytes), so nothing is in it; " + "record it again"};
  }
  FileHeader header;
  header.version = get<std::uint16_t>(bytes, 8);
  header.size = get<std::uint16_t>(bytes, 10);
  header.zstd = (get<std::uint32_t>(bytes, 12) & 1) != 0;
  header.start = {get<std::int64_t>(bytes, 16), get<std::int64_t>(bytes, 24)};
  header.mark = get<std::uint32_t>(bytes, 60);
  if (crc32c(bytes.substr(0, 60)) != header.mark) {
    return Trouble{
        "is damaged in its header (bytes 0 to 63 do not fit their checksum); use another copy of it"};
  }
  if (header.version > newest_version) {
    return Trouble{"has version " + std::to_string(header.version) +
                   " of the format, and this chorus reads up to " + std::to_string(newest_version) +
                   "; use a newer chorus"};
  }
  if (header.version == 0 || header.size < file_header_size || header.size % 8 != 0) {
    return Trouble{"has a header that no chorus writes (version " + std::to_string(header.version) +
                   ", size " + std::to_string(header.size) + "); use another copy of it"};
  }
  return header;
}

Expected<BlockHeader> decode_block_header(Bytes bytes) {
  if (bytes.size() < block_header_size) return Trouble{"the file ends inside a block's header"};
  if (bytes.substr(0, 8) != block_magic) return Trouble{"no block begins where one was expected"};
  if (crc32c(bytes.substr(0, 60)) != get<std::uint32_t>(bytes, 60)) {
    return Trouble{"a block's header does not fit its checksum"};
  }
  BlockHeader header;
  header.kind = static_cast<BlockKind>(get<std::uint8_t>(bytes, 8));
  header.codec = static_cast<Codec>(get<std::uint8_t>(bytes, 9));
  header.stored = get<std::uint32_t>(bytes, 12);
  header.raw = get<std::uint32_t>(bytes, 16);
  header.count = get<std::uint32_t>(bytes, 20);
  header.sequence = get<std::uint64_t>(bytes, 24);
  header.first_ns = get<std::int64_t>(bytes, 32);
  header.last_ns = get<std::int64_t>(bytes, 40);
  header.hash = get<std::uint64_t>(bytes, 48);
  header.mark = get<std::uint32_t>(bytes, 56);
  if (header.stored > max_block_bytes || header.raw > max_block_bytes) {
    return Trouble{"a block claims more than 16 MiB"};
  }
  return header;
}

Expected<Trailer> decode_trailer(Bytes bytes) {
  if (bytes.size() < trailer_size) return Trouble{"the file ends inside its trailer"};
  if (bytes.substr(24, 8) != trailer_magic || crc32c(bytes.substr(0, 20)) != get<std::uint32_t>(bytes, 20)) {
    return Trouble{"the trailer is damaged"};
  }
  return Trailer{get<std::uint64_t>(bytes, 0), get<std::uint64_t>(bytes, 8), get<std::uint32_t>(bytes, 16)};
}

}  // namespace chorus::format
