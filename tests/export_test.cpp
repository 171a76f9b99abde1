// `chorus export`: packets that a recorded conversation would have been, and lines of JSON.
#include "traces/convert/export.h"

#include "tests/convert_sample.h"
#include "traces/convert/export_command.h"
#include "traces/convert/exports.h"
#include "traces/convert/tcp_packets.h"

#include <cstring>
#include <random>
#include <sstream>

#include <boost/json.hpp>

using namespace chorus;
using namespace chorus::convert::sample;
using chorus::convert::TcpConversation;
using Side = chorus::convert::TcpConversation::Side;

namespace {

Answer export_command(std::vector<std::string> arguments) {
  return run(convert::add_export_command, "export", std::move(arguments));
}

std::string unhex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return bytes;
}

std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes.at(at + i));
  return value;
}

struct Packet {
  std::string datagram;
  std::size_t tcp() const { return static_cast<std::uint8_t>(datagram[0]) >> 4 == 6 ? 40 : 20; }
  std::uint32_t source() const { return number(datagram, tcp(), 2); }
  std::uint32_t seq() const { return number(datagram, tcp() + 4, 4); }
  std::uint32_t ack() const { return number(datagram, tcp() + 8, 4); }
  std::uint32_t flags() const { return number(datagram, tcp() + 13, 1); }
  std::string payload() const { return datagram.substr(tcp() + number(datagram, tcp() + 12, 1) / 16 * 4); }
  // What a receiver does: everything with its checksum adds up to 0.
  bool checks() const {
    const bool v6 = tcp() == 40;
    const std::string_view bytes = datagram;
    const auto addresses = v6 ? bytes.substr(8, 32) : bytes.substr(12, 8);
    const auto segment = bytes.substr(tcp());
    const std::uint32_t sum =
        convert::add_checksum(addresses, 6 + static_cast<std::uint32_t>(segment.size()));
    return convert::fold_checksum(convert::add_checksum(segment, sum)) == 0 &&
           (v6 || convert::fold_checksum(convert::add_checksum(bytes.substr(0, 20))) == 0) &&
           (v6 ? number(bytes, 4, 2) + 40 : number(bytes, 2, 2)) == bytes.size();
  }
};

struct Wire {
  std::vector<Packet> packets;
  convert::PacketSink sink() {
    return [this](format::Bytes bytes, std::size_t) { packets.push_back({std::string(bytes)}); };
  }
};

convert::Endpoint at(const std::string& text) {
  return convert::parse_endpoint(text).value();
}

}  // namespace

TEST_CASE("checksums are those of known packets", "[export]") {
  // The example of RFC 1071, section 3.
  CHECK(convert::add_checksum(unhex("0001f203f4f5f6f7")) == 0xddf2);
  CHECK(convert::fold_checksum(0xddf2) == 0x220d);
  // A well-known IPv4 header whose checksum is b861.
  CHECK(convert::fold_checksum(convert::add_checksum(unhex("450000730000400040110000c0a80001c0a800c7"))) ==
        0xb861);
  CHECK(convert::fold_checksum(convert::add_checksum(unhex("45000073000040004011b861c0a80001c0a800c7"))) ==
        0);
  CHECK(convert::add_checksum("a") == 0x6100);  // an odd byte is the upper half
}

TEST_CASE("a conversation has its handshake, numbers, acknowledgements and ends", "[export]") {
  for (const bool v6 : {false, true}) {
    Wire wire;
    TcpConversation tcp(at(v6 ? "[::1]:5000" : "127.0.0.1:5000"), at(v6 ? "[::1]:80" : "127.0.0.1:80"),
                        {0xfffffff0, 7000}, wire.sink());
    tcp.open();
    const std::string big(4000, 'x');
    tcp.data(Side::client, big);
    tcp.data(Side::server, "hello");
    tcp.end(Side::client);
    tcp.end(Side::server);
    const std::size_t mss = v6 ? 1440 : 1460;
    REQUIRE(wire.packets.size() == 3 + 4 + 2 + 2 + 2);
    for (const Packet& packet : wire.packets) {
      CHECK(packet.checks());
      CHECK(packet.datagram.size() <= 1500);
    }
    const auto& p = wire.packets;
    CHECK(p[0].flags() == 0x02);
    CHECK(p[1].flags() == 0x12);
    CHECK(p[1].ack() == 0xfffffff1);
    CHECK(p[2].flags() == 0x10);
    CHECK(p[2].ack() == 7001);
    CHECK(p[3].seq() == 0xfffffff1);
    CHECK(p[4].seq() == static_cast<std::uint32_t>(0xfffffff1 + mss));  // beyond 2^32
    CHECK(p[3].payload() + p[4].payload() + p[5].payload() == big);
    CHECK(p[3].flags() == 0x10);
    CHECK(p[5].flags() == 0x18);  // PSH
    CHECK(p[6].ack() == static_cast<std::uint32_t>(0xfffffff1 + 4000));
    CHECK(p[6].source() == 80);
    CHECK(p[7].payload() == "hello");
    CHECK(p[8].ack() == 7006);
    CHECK(p[9].flags() == 0x11);
    CHECK(p[10].ack() == p[9].seq() + 1);
    CHECK(p[11].flags() == 0x11);
    CHECK(p[12].ack() == 7007);
  }
}

TEST_CASE("a refusal is a reset for a SYN, and mixed addresses become IPv6", "[export]") {
  Wire wire;
  TcpConversation tcp(at("10.0.0.1:5000"), at("[2001:db8::1]:80"), {1, 2}, wire.sink());
  tcp.refuse();
  REQUIRE(wire.packets.size() == 2);
  CHECK(wire.packets[0].flags() == 0x02);
  CHECK(wire.packets[1].flags() == 0x14);
  CHECK(wire.packets[1].ack() == 2);
  CHECK(wire.packets[0].checks());
  CHECK(wire.packets[0].datagram.substr(8, 16) == unhex("00000000000000000000ffff0a000001"));
}

TEST_CASE("a pcapng file is blocks whose lengths stand at both ends", "[export]") {
  const Folder folder;
  record(folder / "in.trace", two_clients());
  const auto answer =
      export_command({(folder / "in.trace").string(), "-o", (folder / "out.pcapng").string()});
  INFO(answer.err);
  REQUIRE(answer.status == 0);
  const std::string file = read_file(folder / "out.pcapng");
  std::size_t offset = 0, packets = 0;
  const auto little = [&](std::size_t where) {
    std::uint32_t value = 0;
    std::memcpy(&value, file.data() + where, 4);
    return value;
  };
  std::uint64_t first = 0;
  while (offset < file.size()) {
    const std::uint32_t type = little(offset), size = little(offset + 4);
    REQUIRE(size % 4 == 0);
    REQUIRE(offset + size <= file.size());
    REQUIRE(little(offset + size - 4) == size);
    if (type == 6 && packets++ == 0) first = std::uint64_t{little(offset + 12)} << 32 | little(offset + 16);
    offset += size;
  }
  CHECK(offset == file.size());
  CHECK(first == static_cast<std::uint64_t>(start.wall_ns) + 10'000'000);
  CHECK(has(answer.out, " as " + std::to_string(packets) + " packets"));
}

TEST_CASE("lines of JSON hold every event with its bytes, and text where it is UTF-8", "[export]") {
  const Folder folder;
  auto all = two_clients();
  all.push_back({96, 2, EventKind::ToClient, std::string("\0\xff\"", 3)});
  all.push_back({97, 2, EventKind::ToServer, "caf\xc3\xa9 \"\x01\n"});
  record(folder / "in.trace", all);
  REQUIRE(export_command({(folder / "in.trace").string(), "-o", (folder / "out.jsonl").string()}).status ==
          0);
  std::istringstream lines(read_file(folder / "out.jsonl"));
  std::string line;
  std::size_t count = 0;
  for (; std::getline(lines, line); ++count) {
    const auto event = boost::json::parse(line).as_object();
    REQUIRE(count < all.size());
    CHECK(event.at("time_ns") == all[count].ms * 1'000'000);
    CHECK(event.at("wall_ns") == start.wall_ns + all[count].ms * 1'000'000);
    CHECK(event.at("connection") == all[count].connection);
    CHECK(event.at("kind") == schema::EnumNameEventKind(all[count].kind));
    CHECK(event.at("bytes") == all[count].payload.size());
    CHECK(event.at("payload").as_string() == convert::base64(all[count].payload));
    if (count != 14) CHECK(event.at("text").as_string() == all[count].payload);
    if (count == 14) CHECK_FALSE(event.contains("text"));
  }
  CHECK(count == all.size());
  for (const auto& [text, coded] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}})  // RFC 4648
    CHECK(convert::base64(text) == coded);
}

TEST_CASE("bytes that were not kept are no payload: packets end before them, lines have a size only",
          "[export]") {
  const Folder folder;
  record(folder / "in.trace",
         {{0, 0, EventKind::Opened, "127.0.0.1:5001 127.0.0.1:6667"},
          {1, 0, EventKind::ToServer, "NICK alice\r\n"},
          {2, 0, EventKind::ToClient, std::string(18, '\0')}},
         R"({"mode":"recording","payloads":"client"})");
  const std::string in = (folder / "in.trace").string();
  const auto packets = export_command({in, "-o", (folder / "out.pcapng").string()});
  CHECK(has(packets.err, "the server's bytes"));
  const std::string file = read_file(folder / "out.pcapng");
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sizes;  // captured, original
  const auto little = [&](std::size_t where) {
    std::uint32_t value = 0;
    std::memcpy(&value, file.data() + where, 4);
    return value;
  };
  for (std::size_t at = 0; at < file.size(); at += little(at + 4))
    if (little(at) == 6) sizes.emplace_back(little(at + 20), little(at + 24));
  REQUIRE(sizes.size() == 7);  // a handshake, and two segments with their acknowledgements
  CHECK(sizes[3] == std::pair{52u, 52u});
  CHECK(sizes[5] == std::pair{40u, 58u});

  REQUIRE(export_command({in, "-o", (folder / "out.jsonl").string()}).status == 0);
  std::istringstream lines(read_file(folder / "out.jsonl"));
  std::vector<boost::json::object> events;
  for (std::string line; std::getline(lines, line);) events.push_back(boost::json::parse(line).as_object());
  REQUIRE(events.size() == 3);
  CHECK(events[1].at("text") == "NICK alice\r\n");
  CHECK(events[2].at("bytes") == 18);
  CHECK_FALSE(events[2].contains("payload"));
  CHECK_FALSE(events[2].contains("text"));
}

TEST_CASE("any order of events becomes packets without harm", "[export]") {
  std::string file;
  convert::ExportReport report;
  convert::PacketExport packets(file, start, report);
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    const auto kind = static_cast<EventKind>(1 + random() % 9);
    const std::string payload =
        kind == EventKind::Opened && random() % 2 ? "127.0.0.1:1 h:x" : std::string(random() % 40, '\xff');
    const auto time = static_cast<std::int64_t>(std::uint64_t{random()} << 32 | random());
    packets.add({Nanos(time), static_cast<std::uint32_t>(random() % 5), kind, payload, {}});
  }
  CHECK(report.events == 20000);
  CHECK(report.packets > 1000);
  CHECK(report.left_out > 0);
}

TEST_CASE("bad words to export are answered with one line", "[export]") {
  const Folder folder;
  const std::string in = (folder / "in.trace").string(), out = (folder / "out.pcapng").string();
  record(in, two_clients());
  CHECK(refused(export_command({in, "-o", (folder / "out.txt").string()}), "says no format",
                folder / "out.txt"));
  CHECK(refused(export_command({in, "-o", out, "--format", "xml"}), "expected pcapng or jsonl", out));
  CHECK(refused(export_command({(folder / "none").string(), "-o", out}), "none", out));
  const std::string before = read_file(in);
  CHECK(
      has(export_command({in, "-o", in, "--format", "jsonl", "--force"}).err, "would write over its input"));
  CHECK(read_file(in) == before);
  write_file(out, "precious");
  CHECK(has(export_command({in, "-o", out}).err, "exists already"));
  CHECK(read_file(out) == "precious");
  CHECK(export_command({in, "-o", out, "--force"}).status == 0);
}
