// Every framing over any bytes. An input is a Framing (the first setup_size bytes) and a stream.
#include "tests/fuzz/fuzz_target.h"
#include "traces/protocol/framing.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace chorus::fuzz {
namespace {

using namespace protocol;

constexpr std::size_t setup_size = 19;
constexpr const char* roots[] = {"", "a", "stream:stream", "b>"};

Framing framing_of(const unsigned char* setup) {
  Framing framing;
  framing.type = static_cast<Framing::Type>(setup[0] % 5);
  framing.offset = setup[1] % 8;
  framing.width = static_cast<std::uint8_t>(1 + setup[2] % (framing.type == Framing::Type::varint ? 5 : 8));
  framing.header = setup[3] % 16;
  framing.big_endian = (setup[4] & 1) != 0;
  framing.includes_header = (setup[4] & 2) != 0;
  framing.kind_big_endian = (setup[4] & 4) != 0;
  framing.root = roots[setup[4] >> 6];
  framing.max_message = 1u + setup[5] + 256u * setup[6];
  framing.kind_width = setup[8] % 9;
  framing.kind_at = setup[7] % 16;
  const bool before = framing.kind_at + framing.kind_width <= framing.offset;
  const int behind = framing.offset + framing.width;
  if (!before && framing.kind_at < behind) framing.kind_at = static_cast<std::uint16_t>(behind);
  for (unsigned i = 0; i < (setup[4] >> 4 & 3u); ++i) {
    const unsigned char* special = setup + 10 + 3 * i;
    framing.specials.push_back({special[0], special[1], static_cast<signed char>(special[2])});
  }
  return framing;
}

struct Found {
  std::vector<std::size_t> sizes;  // of the messages
  std::string broken;
  bool operator==(const Found&) const = default;
};

// The bytes in a block of their own, so that AddressSanitizer sees a step beyond them.
class Block {
 public:
  explicit Block(Bytes bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    if (size_ > 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  Bytes view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

void check(const Framing& framing, const Frame& frame, std::size_t in_hand) {
  switch (frame.is) {
    case Frame::Is::message:
      must(frame.size > 0, "a message has bytes");
      must(frame.size <= in_hand, "a message is made of bytes that are there");
      must(framing.type == Framing::Type::raw || frame.size <= framing.max_message, "max_message");
      break;
    case Frame::Is::more:
      must(frame.size > in_hand, "more is more than what is there");
      break;
    case Frame::Is::broken:
      must(frame.why != nullptr, "broken bytes say why");
      break;
  }
}

// The messages of a stream that arrives in pieces of 1 .. most bytes.
Found arrive(const Framing& framing, Bytes stream, std::size_t most, unsigned seed) {
  Found found;
  Scan scan;
  std::size_t start = 0, needed = 0;
  for (std::size_t have = 0; have < stream.size();) {
    seed = seed * 1103515245u + 12345u;
    have += std::min(stream.size() - have, 1 + (seed >> 16) % most);
    while (start < have) {
      const Block block(stream.substr(start, have - start));
      const Frame frame = next_frame(framing, block.view(), scan);
      check(framing, frame, block.view().size());
      if (frame.is == Frame::Is::more) {
        needed = frame.size;
        break;
      }
      must(scan.at == 0 && scan.depth == 0 && scan.state == 0, "a decision resets the scan");
      if (frame.is == Frame::Is::broken) {
        found.broken = frame.why;
        return found;
      }
      must(frame.size >= needed, "more asked for no more than was needed");
      needed = 0;
      found.sizes.push_back(frame.size);
      start += frame.size;
    }
  }
  return found;
}

// The last byte of the shortest form of a varint is 0 only if it is its only byte.
bool is_shortest(const Framing& framing, Bytes message) {
  const std::size_t header = header_size(framing, message);
  return header == framing.offset + 1u || message[header - 1] != '\0';
}

void rewrite(const Framing& framing, Bytes message) {
  const Bytes body = without_delimiter(framing, message);
  must(body.size() <= message.size() && message.starts_with(body), "a delimiter stands at the end");
  must(header_size(framing, message) <= message.size(), "a header is part of its message");
  const bool counted = framing.type == Framing::Type::length || framing.type == Framing::Type::varint;

  std::string same = "<>" + std::string(message);
  must(set_length(framing, same, 2), "a message's own length can be set");
  must(same.starts_with("<>"), "set_length begins at its start");
  if (framing.type != Framing::Type::varint || is_shortest(framing, message)) {
    must(Bytes(same).substr(2) == message, "a true length does not change");
  }
  if (!counted) return;
  for (const int change : {-3, -1, 1, 2, 130}) {
    std::string other(message);
    other.resize(static_cast<std::size_t>(std::max(0, static_cast<int>(other.size()) + change)), 'z');
    const std::string before = other;
    if (!set_length(framing, other)) {
      must(other == before, "a refused length changes nothing");
      continue;
    }
    const Frame frame = next_frame(framing, Block(other).view());
    must(frame.is == Frame::Is::message && frame.size == other.size(), "a set length is true");
  }
}

std::string seed(unsigned type, std::string_view stream, std::initializer_list<unsigned> setup) {
  std::string bytes(setup_size, '\0');
  bytes[0] = static_cast<char>(type);
  std::size_t at = 1;
  for (const unsigned number : setup) bytes[at++] = static_cast<char>(number);
  return bytes.append(stream);
}

}  // namespace

std::vector<std::string> seeds() {
  using namespace std::string_view_literals;
  // offset, width - 1, header, flags and root, max_message (2), kind_at, kind_width, chunks, specials
  return {
      seed(0, "any bytes"sv, {}),
      seed(1, "NICK a\r\nUSER b\n\r\nPING :x\r\n"sv, {0, 0, 0, 0, 255, 1}),
      seed(2, "\6\0\x0b\0alice\0\2\0\x15\0hi"sv, {0, 1, 4, 0, 255, 1}),
      seed(2, "..\0\0\0\x0a-hi..\0\0\0\x09+"sv, {2, 3, 7, 3, 255, 1}),
      seed(2, "\x08\0\x33\0....\6\0\x15\0........\2\0\x21\0....hi"sv,
           {0, 1, 4, 0x30, 255, 0, 2, 2, 3, 51, 0, 0xfc, 21, 12, 0, 33, 0, 4}),
      seed(3, "\x10\x05hello\xc0\0\x30\x83\x80\0abc\x30\xff\xff\x03"sv, {1, 3, 0, 0, 255, 1}),
      seed(3, "\x82\x01"sv, {0, 4, 0, 0, 255, 255}),
      seed(4,
           "<?xml version='1.0'?>\n<stream:stream to='a' a=\"/>\"> <b c='>'><d/>t<![CDATA[</b>]]]></b>"
           "\n<stream:stream><e/></stream:stream>"sv,
           {0, 0, 0, 0x80, 255, 1}),
      seed(4, "<a><b><c></c></b></a ><!-- --><x/></y>"sv, {0, 0, 0, 0, 255, 0}),
  };
}

}  // namespace chorus::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace chorus::fuzz;
  if (size < setup_size) return 0;
  const Framing framing = framing_of(data);
  const Bytes stream(reinterpret_cast<const char*>(data) + setup_size, size - setup_size);
  const Found whole = arrive(framing, stream, std::max<std::size_t>(stream.size(), 1) << 16, 0);
  if (framing.type != Framing::Type::raw) {  // raw bytes are messages as they come
    must(arrive(framing, stream, 1, 0) == whole, "messages are the same byte by byte");
    must(arrive(framing, stream, 1 + data[9] % 32, data[9]) == whole, "messages are the same in pieces");
  }
  std::size_t at = 0;
  for (const std::size_t message : whole.sizes) {
    rewrite(framing, stream.substr(at, message));
    at += message;
  }
  return 0;
}
