// `chorus import`: captured packets become a recording. What export writes is the capture here; what tcpdump
// writes is tests/loop/capture_loop_test.cpp's.
#include "traces/convert/import.h"

#include "tests/convert_sample.h"
#include "traces/convert/export.h"
#include "traces/convert/import_command.h"
#include "traces/convert/pcapng.h"
#include "traces/convert/tcp_packets.h"

#include <map>
#include <random>

using namespace chorus;
using namespace chorus::convert::sample;
using chorus::convert::TcpConversation;
using Side = chorus::convert::TcpConversation::Side;

namespace {

Answer import_command(std::vector<std::string> arguments) {
  return run(convert::add_import_command, "import", std::move(arguments));
}

bool unavailable() {
  if (convert::can_import()) return false;
  WARN("this build has no libtins: import is not tested");
  return true;
}

// One connection's bytes with the wall-clock time at which each of them was complete.
struct Heard {
  std::map<std::int64_t, std::string> at[2];
  std::string addresses;
  bool ended[2]{}, closed = false;
  friend bool operator==(const Heard&, const Heard&) = default;
};

std::vector<Heard> heard(const format::Trace& trace) {
  std::vector<Heard> all;
  std::map<std::uint32_t, std::size_t> places;
  for (const Event& event : trace.events) {
    const auto [place, fresh] = places.try_emplace(event.connection, all.size());
    if (fresh) all.emplace_back();
    Heard& one = all[place->second];
    const std::int64_t wall = trace.start.wall_ns + event.time.count();
    switch (event.kind) {
      case EventKind::Opened:
        one.addresses = event.payload;
        one.at[0][wall] += "opened";
        break;
      case EventKind::ToServer:
        one.at[0][wall] += event.payload;
        break;
      case EventKind::ToClient:
        one.at[1][wall] += event.payload;
        break;
      case EventKind::ClientEnd:
      case EventKind::ServerEnd:
        one.ended[event.kind == EventKind::ServerEnd] = true;
        break;
      case EventKind::Closed:
        one.closed = true;
        break;
      default:
        break;
    }
  }
  return all;
}

// Packets as a capture that can be changed before it is written.
struct Wire {
  struct Packet {
    std::uint64_t time_ns;
    std::string datagram;
  };
  std::vector<Packet> packets;
  std::uint64_t now = 1'700'000'000'000'000'000;
  convert::PacketSink sink() {
    return [this](format::Bytes bytes, std::size_t) { packets.push_back({now, std::string(bytes)}); };
  }
  void write(const std::filesystem::path& path) const {
    std::string file = convert::pcapng::beginning("test", "test");
    for (const Packet& packet : packets)
      convert::pcapng::append_packet(file, packet.time_ns, packet.datagram);
    write_file(path, file);
  }
};

convert::Endpoint at(const std::string& text) {
  return convert::parse_endpoint(text).value();
}

std::string bytes_of(const format::Trace& trace, EventKind kind) {
  std::string all;
  for (const Event& event : trace.events)
    if (event.kind == kind) all += event.payload;
  return all;
}

}  // namespace

TEST_CASE("a recording that was exported and imported has the same connections, bytes and times",
          "[import]") {
  if (unavailable()) return;
  std::vector<std::filesystem::path> traces;
  for (const auto& entry : std::filesystem::directory_iterator(CHORUS_SOURCE "/tests/traces"))
    if (entry.path().extension() == ".trace") traces.push_back(entry.path());
  REQUIRE(traces.size() >= 3);
  for (const auto& path : traces) {
    INFO(path.string());
    const Folder folder;
    const auto original = format::load(path);
    REQUIRE(original.has_value());
    if (original->damage.any() || original->is_run()) continue;
    REQUIRE(
        convert::export_trace({path, folder / "x.pcapng", false, convert::ExportFormat::pcapng}).has_value());
    convert::ImportOptions options;
    options.input = folder / "x.pcapng";
    options.output = folder / "x.trace";
    const auto report = convert::import_capture(options);
    INFO((report ? "" : report.error().what));
    REQUIRE(report.has_value());
    CHECK(report->holes == 0);
    CHECK(report->malformed == 0);
    const auto before = heard(*original), after = heard(loaded_in_part(folder / "x.trace"));
    REQUIRE(before.size() == after.size());
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(before[i] == after[i]);
  }
}

TEST_CASE("bytes have the time of the packet that completed them, in whatever order packets came",
          "[import]") {
  if (unavailable()) return;
  const Folder folder;
  Wire wire;
  TcpConversation tcp(at("127.0.0.1:5000"), at("127.0.0.1:80"), {0xffffff00, 9}, wire.sink());
  tcp.open();
  std::string all;
  for (int i = 0; i < 200; ++i) {
    wire.now += 1'000'000;
    std::string text = "message " + std::to_string(i) + '\n';
    tcp.data(Side::client, text);
    all += text;
  }
  wire.now += 1'000'000;
  tcp.end(Side::client);
  tcp.end(Side::server);
  // Neighbours change places, the FIN comes before the last message, and some come twice.
  std::mt19937 random(3);
  for (std::size_t i = 3; i + 8 < wire.packets.size(); i += 4) {
    std::swap(wire.packets[i].datagram, wire.packets[i + 4].datagram);
    if (random() % 3 == 0) wire.packets[i + 1] = {wire.packets[i].time_ns, wire.packets[i].datagram};
  }
  const std::size_t last = wire.packets.size() - 4;  // the FIN; the last message stands two before it
  std::swap(wire.packets[last].datagram, wire.packets[last - 2].datagram);
  wire.write(folder / "in.pcapng");
  REQUIRE(import_command({(folder / "in.pcapng").string(), "-o", (folder / "out.trace").string()}).status ==
          0);
  const auto trace = loaded_in_part(folder / "out.trace");
  CHECK(bytes_of(trace, EventKind::ToServer) == all);
  CHECK(trace.events.back().kind == EventKind::Closed);
  CHECK(trace.events.back().payload == "");
  const auto end = std::find_if(trace.events.begin(), trace.events.end(),
                                [](const Event& event) { return event.kind == EventKind::ClientEnd; });
  REQUIRE(end != trace.events.end());
  CHECK(std::none_of(end, trace.events.end(), [](const Event& e) { return e.kind == EventKind::ToServer; }));
}

TEST_CASE("a connection of which packets are missing ends there, and that is said", "[import]") {
  if (unavailable()) return;
  const Folder folder;
  Wire wire;
  TcpConversation tcp(at("127.0.0.1:5000"), at("127.0.0.1:80"), {1, 9}, wire.sink());
  tcp.open();
  for (int i = 0; i < 1500; ++i) tcp.data(Side::server, std::string(100, static_cast<char>('a' + i % 26)));
  wire.packets.erase(wire.packets.begin() + 3 + 2 * 10);
  wire.write(folder / "in.pcapng");
  const auto answer =
      import_command({(folder / "in.pcapng").string(), "-o", (folder / "out.trace").string()});
  CHECK(answer.status == 0);
  CHECK(has(answer.err, "1 connection with packets missing"));
  const auto trace = loaded_in_part(folder / "out.trace");
  CHECK(bytes_of(trace, EventKind::ToClient).size() == 1000);
  CHECK(trace.events.back().kind == EventKind::Closed);
  CHECK(trace.events.back().payload == "packets are missing in the capture");
}

TEST_CASE("refused, unanswered, reset and reused connections are told apart", "[import]") {
  if (unavailable()) return;
  const Folder folder;
  Wire wire;
  TcpConversation refusal(at("127.0.0.1:5001"), at("127.0.0.1:80"), {1, 9}, wire.sink());
  refusal.refuse();
  TcpConversation first(at("127.0.0.1:5002"), at("127.0.0.1:80"), {100, 9}, wire.sink());
  first.open();
  first.data(Side::client, "first");
  TcpConversation second(at("127.0.0.1:5002"), at("127.0.0.1:80"), {70000, 900}, wire.sink());
  second.open();
  second.data(Side::client, "second");
  second.reset(Side::server);
  TcpConversation silent(at("[::1]:5003"), at("[::1]:80"), {5, 5}, wire.sink());
  silent.open();
  wire.packets.resize(wire.packets.size() - 2);  // only its SYN
  wire.write(folder / "in.pcapng");
  REQUIRE(import_command({(folder / "in.pcapng").string(), "-o", (folder / "out.trace").string()}).status ==
          0);
  CHECK(said(loaded_in_part(folder / "out.trace")) ==
        std::vector<Said>{{0, 0, EventKind::Refused, "Connection refused"},
                          {0, 1, EventKind::Opened, "127.0.0.1:5002 127.0.0.1:80"},
                          {0, 1, EventKind::ToServer, "first"},
                          {0, 1, EventKind::Closed, "another connection took its place"},
                          {0, 2, EventKind::Opened, "127.0.0.1:5002 127.0.0.1:80"},
                          {0, 2, EventKind::ToServer, "second"},
                          {0, 2, EventKind::ServerReset, "Connection reset by peer"},
                          {0, 2, EventKind::Closed, "server reset"},
                          {0, 3, EventKind::Refused, "the capture ends here"}});
}

TEST_CASE("a connection without its beginning is left out and said, or taken with --partial", "[import]") {
  if (unavailable()) return;
  const Folder folder;
  const std::string in = (folder / "in.pcapng").string(), out = (folder / "out.trace").string();
  Wire wire;
  TcpConversation tcp(at("127.0.0.1:5000"), at("127.0.0.1:80"), {1, 9}, wire.sink());
  tcp.open();
  wire.packets.clear();
  tcp.data(Side::server, "from the server");
  tcp.data(Side::client, "from the client");
  tcp.end(Side::client);
  tcp.end(Side::server);
  wire.write(in);
  CHECK(refused(import_command({in, "-o", out}), "1 connection without their beginning", out));
  CHECK(refused(import_command({in, "-o", out, "--partial"}), "--partial needs --server or --port", out));
  CHECK(refused(import_command({in, "-o", out, "--partial", "--port", "81"}), "no TCP connection", out));
  for (const std::vector<std::string>& server :
       {std::vector<std::string>{"--port", "80"}, {"--server", "127.0.0.1:80"}}) {
    std::filesystem::remove(out);
    std::vector<std::string> arguments{in, "-o", out, "--partial"};
    arguments.insert(arguments.end(), server.begin(), server.end());
    const auto answer = import_command(arguments);
    INFO(answer.err);
    REQUIRE(answer.status == 0);
    CHECK(has(answer.err, "began before the capture"));
    const auto trace = loaded_in_part(out);
    CHECK(trace.events.front().payload == "127.0.0.1:5000 127.0.0.1:80");
    CHECK(bytes_of(trace, EventKind::ToClient) == "from the server");
    CHECK(bytes_of(trace, EventKind::ToServer) == "from the client");
    CHECK(trace.events.back().kind == EventKind::Closed);
  }
}

TEST_CASE("a capture cut anywhere, or with any bit changed, is no harm", "[import]") {
  if (unavailable()) return;
  const Folder folder;
  record(folder / "in.trace", two_clients());
  const std::string capture = (folder / "in.pcapng").string(), out = (folder / "out.trace").string();
  REQUIRE(convert::export_trace({folder / "in.trace", capture, false, convert::ExportFormat::pcapng})
              .has_value());
  const std::string whole = read_file(capture);
  const auto attempt = [&](const std::string& bytes) {
    write_file(capture, bytes);
    std::filesystem::remove(out);
    const auto answer = import_command({capture, "-o", out});
    const bool lines = answer.err.find_first_of("\r\x1b") == std::string::npos;
    return lines &&
           (answer.status == 0 ? std::filesystem::exists(out) : refused(answer, "chorus import: ", out));
  };
  for (std::size_t size = 0; size < whole.size(); ++size)
    if (!attempt(whole.substr(0, size))) FAIL_CHECK("cut at " << size);
  std::mt19937 random(11);
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = whole;
    for (unsigned i = 0; i <= random() % 4; ++i)
      bytes[random() % bytes.size()] ^= static_cast<char>(1u << random() % 8);
    if (!attempt(bytes)) FAIL_CHECK("round " << round);
  }
}

TEST_CASE("bad words to import are answered with one line", "[import]") {
  const Folder folder;
  const std::string in = (folder / "in.pcap").string(), out = (folder / "out.trace").string();
  write_file(in, "no capture, some text that is longer than a header of one");
  if (unavailable()) {
    CHECK(refused(import_command({in, "-o", out}), "libtins", out));
    return;
  }
  CHECK(refused(import_command({in, "-o", out}), "expected pcap or pcapng", out));
  CHECK(refused(import_command({(folder / "none").string(), "-o", out}), "cannot open", out));
  CHECK(refused(import_command({in, "-o", out, "--server", "example.org:80"}), "expected the address", out));
  write_file(in, "");
  CHECK(refused(import_command({in, "-o", out}), "is no capture", out));
  Wire().write(in);
  CHECK(refused(import_command({in, "-o", out}), "no TCP connection", out));
  Wire wire;
  TcpConversation(at("1.2.3.4:5"), at("1.2.3.4:80"), {1, 2}, wire.sink()).open();
  wire.write(in);
  const std::string before = read_file(in);
  CHECK(has(import_command({in, "-o", in, "--force"}).err, "would write over its input"));
  CHECK(read_file(in) == before);
  write_file(out, "precious");
  CHECK(has(import_command({in, "-o", out}).err, "exists already"));
  CHECK(read_file(out) == "precious");
  CHECK(import_command({in, "-o", out, "--force"}).status == 0);
}
