// A reader that was written from schema/trace.fbs alone: nothing of traces/format is used here, only what
// flatc makes of the schema, FlatBuffers, xxHash and zstd. If this cannot read the golden trace, the document
// is not complete.
#include "schema/trace_generated.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <flatbuffers/flatbuffers.h>
#include <xxhash.h>
#ifndef _WIN32
#include <zstd.h>
#endif

namespace {

namespace schema = chorus::schema;

std::string file_content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class T>
T number(std::string_view bytes, std::size_t at) {
  T value;
  REQUIRE(at + sizeof value <= bytes.size());
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::uint32_t castagnoli(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
  }
  return crc ^ 0xffffffff;
}

struct Block {
  std::size_t offset;
  schema::BlockKind kind;
  std::uint32_t count;
  std::int64_t first_ns, last_ns;
  std::vector<std::uint64_t> raw;  // 8-aligned
  template <class Table>
  const Table& table() const {
    return *flatbuffers::GetSizePrefixedRoot<Table>(raw.data());
  }
};

std::string unpacked(std::string_view stored, std::uint8_t codec, std::size_t size) {
  if (codec == static_cast<std::uint8_t>(schema::Codec::None)) return std::string(stored);
  REQUIRE(codec == static_cast<std::uint8_t>(schema::Codec::Zstd));
  std::string raw(size, '\0');
#ifndef _WIN32
  REQUIRE(ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size()) == size);
#endif
  return raw;
}

std::vector<Block> blocks_by_the_book(std::string_view file) {
  REQUIRE(file.substr(0, 8) == "CHORUS\r\n");
  REQUIRE(number<std::uint16_t>(file, 8) == 1);
  std::size_t at = number<std::uint16_t>(file, 10);
  const auto mark = number<std::uint32_t>(file, 60);
  REQUIRE(castagnoli(file.substr(0, 60)) == mark);
  std::vector<Block> blocks;
  for (bool last = false; !last;) {
    const std::string_view head = file.substr(at, 64);
    REQUIRE(head.substr(0, 8) ==
            "\x89"
            "chBLK\r\n");
    REQUIRE(castagnoli(head.substr(0, 60)) == number<std::uint32_t>(head, 60));
    REQUIRE(number<std::uint32_t>(head, 56) == mark);
    REQUIRE(number<std::uint64_t>(head, 24) == blocks.size());
    const auto size = number<std::uint32_t>(head, 12);
    const std::string_view stored = file.substr(at + 64, size);
    REQUIRE(XXH3_64bits(stored.data(), stored.size()) == number<std::uint64_t>(head, 48));
    const std::string raw =
        unpacked(stored, static_cast<std::uint8_t>(head[9]), number<std::uint32_t>(head, 16));
    REQUIRE(raw.size() == number<std::uint32_t>(head, 16));
    Block block{at,
                static_cast<schema::BlockKind>(head[8]),
                number<std::uint32_t>(head, 20),
                number<std::int64_t>(head, 32),
                number<std::int64_t>(head, 40),
                {}};
    block.raw.resize((raw.size() + 7) / 8);
    std::memcpy(block.raw.data(), raw.data(), raw.size());
    blocks.push_back(block);
    at += 64 + (size + 7) / 8 * 8;
    last = block.kind == schema::BlockKind::Index;
  }
  const std::string_view trailer = file.substr(at);
  REQUIRE(trailer.size() == 32);
  REQUIRE(trailer.substr(24) == "\r\nSUROHC");
  REQUIRE(castagnoli(trailer.substr(0, 20)) == number<std::uint32_t>(trailer, 20));
  REQUIRE(number<std::uint32_t>(trailer, 16) == mark);
  REQUIRE(number<std::uint64_t>(trailer, 0) == blocks.back().offset);
  REQUIRE(number<std::uint64_t>(trailer, 8) == blocks.size() - 1);
  return blocks;
}

std::string_view text(const flatbuffers::Vector<std::uint8_t>* bytes, std::size_t at, std::size_t size) {
  return bytes == nullptr
             ? std::string_view{}
             : std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size()).substr(at, size);
}

void tell_events(const Block& block, std::ostream& out) {
  const auto& table = block.table<schema::Events>();
  std::size_t at = 0, send = 0;
  for (unsigned i = 0; i < block.count; ++i) {
    const auto kind = static_cast<schema::EventKind>(table.kind()->Get(i));
    out << block.first_ns + table.offset_ns()->Get(i) << ' ' << table.connection()->Get(i) << ' '
        << schema::EnumNameEventKind(kind) << ' ' << text(table.payload(), at, table.size()->Get(i));
    at += table.size()->Get(i);
    if (kind == schema::EventKind::ToServer && table.intended_ns() != nullptr) {
      const auto intended = table.intended_ns()->Get(static_cast<unsigned>(send++));
      if (intended != INT64_MIN) out << " (intended " << intended << ')';
    }
    out << '\n';
  }
  if (table.lost() > 0)
    out << "lost " << table.lost() << " from " << table.lost_first_ns() << " to " << table.lost_last_ns()
        << '\n';
}

void tell_run(const Block& block, std::ostream& out) {
  std::size_t at = 0, other = 0, row = 0;
  if (block.kind == schema::BlockKind::Clients) {
    const auto& table = block.table<schema::Clients>();
    for (unsigned i = 0; i < block.count; ++i)
      out << "client " << table.client()->Get(i) << " of copy " << table.copy()->Get(i) << ' '
          << schema::EnumNameOutcome(static_cast<schema::Outcome>(table.outcome()->Get(i))) << ' '
          << table.connect_ns()->Get(i) << '\n';
  } else if (block.kind == schema::BlockKind::Bindings) {
    const auto& table = block.table<schema::Bindings>();
    for (unsigned i = 0; i < block.count; ++i) {
      out << "binding " << text(table.recorded(), at, table.recorded_size()->Get(i)) << " -> "
          << text(table.own(), other, table.own_size()->Get(i)) << '\n';
      at += table.recorded_size()->Get(i);
      other += table.own_size()->Get(i);
    }
  } else if (block.kind == schema::BlockKind::Divergences) {
    const auto& table = block.table<schema::Divergences>();
    for (unsigned i = 0; i < block.count; ++i) {
      out << "expected " << text(table.expected(), at, table.expected_size()->Get(i)) << " got "
          << text(table.got(), other, table.got_size()->Get(i)) << " at " << table.time_ns()->Get(i) << '\n';
      at += table.expected_size()->Get(i);
      other += table.got_size()->Get(i);
    }
  } else if (block.kind == schema::BlockKind::Sketches) {
    const auto& table = block.table<schema::Sketches>();
    for (unsigned i = 0; i < table.name_size()->size(); ++i) {
      out << text(table.name(), at, table.name_size()->Get(i)) << ':';
      at += table.name_size()->Get(i);
      for (std::size_t end = row + table.buckets()->Get(i); row < end; ++row)
        out << ' ' << table.bucket()->Get(static_cast<unsigned>(row)) << 'x'
            << table.total()->Get(static_cast<unsigned>(row));
      out << '\n';
    }
  } else if (block.kind == schema::BlockKind::Series) {
    const auto& table = block.table<schema::Series>();
    for (unsigned i = 0; i < table.name_size()->size(); ++i) {
      out << text(table.name(), at, table.name_size()->Get(i)) << ':';
      at += table.name_size()->Get(i);
      for (std::size_t end = row + table.points()->Get(i); row < end; ++row)
        out << ' ' << table.time_ns()->Get(static_cast<unsigned>(row)) << '='
            << table.value()->Get(static_cast<unsigned>(row));
      out << '\n';
    }
  }
}

void tell_index(const Block& block, std::ostream& out) {
  const auto& table = block.table<schema::Index>();
  out << table.total_events() << " events, " << table.total_payload() << " bytes, " << table.connections()
      << " connections, " << table.lost_events() << " lost\n";
  for (unsigned i = 0; i < block.count; ++i) {
    const auto kind = static_cast<schema::BlockKind>(table.kind()->Get(i));
    if (kind != schema::BlockKind::Events) continue;
    out << table.events()->Get(i) << " from " << table.first_ns()->Get(i) << " to " << table.last_ns()->Get(i)
        << ", " << std::hex << table.connections_in()->Get(i) << std::dec << '\n';
  }
}

std::string by_the_book(const std::string& path) {
  const std::string file = file_content(path);
  std::ostringstream out;
  for (const Block& block : blocks_by_the_book(file)) {
    if (block.kind == schema::BlockKind::Info) {
      const auto* json = block.table<schema::Info>().json();
      out << text(json, 0, json->size()) << '\n';
    } else if (block.kind == schema::BlockKind::Events) {
      tell_events(block, out);
    } else if (block.kind == schema::BlockKind::Index) {
      tell_index(block, out);
    } else {
      tell_run(block, out);
    }
  }
  return out.str();
}

const std::string expected = std::string(R"({"mode":"run","tool":"0.1.0"}
-5 0 Opened 127.0.0.1:50000 127.0.0.1:6667
1000 0 ToServer NICK )") + '\0' +
                             "alice\r\n" + R"( (intended 900)
2000 70 Refused Connection refused
1500 0 ToClient :s 001 alice)" +
                             "\r\n" + R"(
3000 0 ToServer 
4000 0 ClientEnd 
)";

}  // namespace

TEST_CASE("a reader written from trace.fbs alone reads the golden trace", "[golden]") {
  const std::string told = by_the_book(CHORUS_SOURCE "/tests/golden/version-1.trace");
  CAPTURE(told);
  CHECK(told.substr(0, expected.size()) == expected);
  for (const char* part :
       {"\n5000 0 ServerEnd \n7000 1 ClientReset Connection reset by peer\n6500 1 ServerReset Broken pipe\n"
        "lost 1 from 6000 to 6000\n",
        "\n60000000000 4294967295 Closed client\n", "\nclient 1 of copy 0 Refused -1\n",
        "\nclient 3 of copy 1 Disconnected 5\n", "\nbinding alice -> u0000001\nbinding  -> #room-0\n",
        "\nexpected 001 Welcome got 433 in use at 77\nexpected  got  at -78\n",
        "\nlatency: 0x1 63x2 954x3 3711x1\nempty:\n", "\nsent: 1=0.5 2=-1.5\nnothing:\n",
        "\n{\"tool\":\"0.1.1\",\"protocol\":\"irc\"}\n", "10 events, 116 bytes, 4 connections, 1 lost\n",
        "\n6 from -5 to 4000, 41\n3 from 5000 to 7000, 3\n1 from 60000000000 to 60000000000, "
        "8000000000000000\n"})
    CHECK_THAT(told, Catch::Contains(part));
}

#ifndef _WIN32
TEST_CASE("a reader written from trace.fbs alone reads the compressed golden trace", "[golden]") {
  CHECK((by_the_book(CHORUS_SOURCE "/tests/golden/version-1-zstd.trace") ==
         by_the_book(CHORUS_SOURCE "/tests/golden/version-1.trace")));
}
#endif
