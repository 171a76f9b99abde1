// Whether the times in a trace are those of the wire: the same session in a packet capture (tcpdump), read
// here by hand. Skipped where nobody may capture.
#include "tests/loop/recorder_fixture.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <thread>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <unistd.h>

using namespace chorus;
using namespace chorus::test;
using format::EventKind;
using format::Nanos;

namespace {

constexpr const char* tcpdump = "/usr/bin/tcpdump";

template <class Number>
Number number_at(std::string_view bytes, std::size_t at) {
  Number value{};
  if (at + sizeof value > bytes.size()) throw std::runtime_error("a capture ends too soon");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

unsigned big_endian_16(std::string_view bytes, std::size_t at) {
  const auto one = [&](std::size_t place) { return number_at<std::uint8_t>(bytes, place); };
  return one(at) * 256u + one(at + 1);
}

// Asks for stamps as the recorder does, and keeps asking: the kernel begins to stamp some time after the
// first socket on the machine asked, and goes on while one does.
class Stamps {
 public:
  Stamps() : from_(Socket::connect(listener_.port())), to_(listener_.accept()) {
    const int on = 1;
    if (::setsockopt(to_.file(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) return;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    while (!there && std::chrono::steady_clock::now() < deadline) {
      from_.send("?");
      char byte = 0;
      iovec buffer{&byte, 1};
      alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control{};
      msghdr message{};
      message.msg_iov = &buffer;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      there = ::recvmsg(to_.file(), &message, 0) == 1 && CMSG_FIRSTHDR(&message) != nullptr;
    }
    if (!there) std::cerr << "skipped: the kernel does not stamp what comes over loopback\n";
  }
  bool there = false;

 private:
  Listener listener_;
  Socket from_, to_;
};

// Payload of one TCP segment on loopback.
struct Segment {
  Nanos time{};  // since 1970
  unsigned from = 0, to = 0;
  std::uint32_t sequence = 0;
  std::size_t size = 0;
};

// The classic format with nanoseconds, of Ethernet (which loopback has on Linux): a header of 24 bytes, then
// 16 bytes before each packet. See the manual page pcap-savefile(5).
std::vector<Segment> read_capture(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  const std::string bytes = text.str();
  if (number_at<std::uint32_t>(bytes, 0) != 0xa1b23c4d)
    throw std::runtime_error("no capture with nanoseconds");
  std::vector<Segment> segments;
  for (std::size_t at = 24; at + 16 <= bytes.size();) {
    const auto stored = number_at<std::uint32_t>(bytes, at + 8);
    if (at + 16 + stored > bytes.size()) break;
    Segment segment;
    segment.time = std::chrono::seconds(number_at<std::uint32_t>(bytes, at)) +
                   Nanos(number_at<std::uint32_t>(bytes, at + 4));
    const std::string_view packet = std::string_view(bytes).substr(at + 16, stored);
    constexpr std::size_t ip = 14;
    const std::size_t tcp = ip + (number_at<std::uint8_t>(packet, ip) & 15u) * 4u;
    const std::size_t data = tcp + (number_at<std::uint8_t>(packet, tcp + 12) >> 4u) * 4u;
    segment.from = big_endian_16(packet, tcp);
    segment.to = big_endian_16(packet, tcp + 2);
    segment.sequence = big_endian_16(packet, tcp + 4) * 65536u + big_endian_16(packet, tcp + 6);
    segment.size = ip + big_endian_16(packet, ip + 2) - data;
    if (segment.size > 0) segments.push_back(segment);
    at += 16 + stored;
  }
  return segments;
}

std::unique_ptr<Process> capture(const std::filesystem::path& file, const RecorderUnderTest& recorder) {
  if (::access(tcpdump, X_OK) != 0) {
    std::cerr << "skipped: " << tcpdump << " is not installed\n";
    return nullptr;
  }
  auto process = std::make_unique<Process>(
      std::vector<std::string>{tcpdump, "-i", "lo", "-s", "128", "-B", "4096", "--immediate-mode", "-U",
                               "--time-stamp-precision=nano", "-w", file.string(),
                               "tcp port " + std::to_string(recorder.port) + " or tcp port " +
                                   std::to_string(recorder.listener.port())});
  try {
    process->err_line_with("listening on");
  } catch (const std::runtime_error&) {
    std::cerr << "skipped: nobody may capture packets here\n";
    return nullptr;
  }
  return process;
}

// The wire's time of the last byte of each of these events.
std::vector<Nanos> wire_times(const std::vector<Segment>& segments, unsigned port, bool to_port,
                              const std::vector<std::size_t>& ends) {
  std::vector<Nanos> times;
  std::size_t sent = 0;
  std::optional<std::uint32_t> next;
  for (const Segment& segment : segments) {
    if ((to_port ? segment.to : segment.from) != port) continue;
    if (next && segment.sequence != *next) continue;  // sent again
    next = segment.sequence + static_cast<std::uint32_t>(segment.size);
    sent += segment.size;
    while (times.size() < ends.size() && sent >= ends[times.size()]) times.push_back(segment.time);
  }
  return times;
}

}  // namespace

// Both have the kernel's stamp of the same packet. On a quiet machine they agree to 1 us; what a busy one may
// add (a read that begins before its last segment is there) is none of the recorder's.
TEST_CASE("the times of a trace are those that a packet capture has for the same bytes") {
  const Stamps stamps;
  if (!stamps.there) return;
  RecorderUnderTest recorder;
  const auto file = recorder.folder / "wire.pcap";
  const auto tcpdump_process = capture(file, recorder);
  if (!tcpdump_process) return;
  constexpr int rounds = 2000;
  const std::string question(100, 'q'), answer(300, 'a');
  {
    auto [client, server] = recorder.connect();
    for (int i = 0; i < rounds; ++i) {
      client.send(question);
      REQUIRE(server.receive_exactly(question.size()) == question);
      server.send(answer);
      REQUIRE(client.receive_exactly(answer.size()) == answer);
      if (i % 100 == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));  // asleep, too, it is woken late
    }
  }
  const format::Trace trace = recorder.finish();
  tcpdump_process->signal(SIGINT);
  REQUIRE(tcpdump_process->wait() == 0);
  if (tcpdump_process->err_rest().find("\n0 packets dropped by kernel") == std::string::npos) {
    std::cerr << "not judged: the capture has lost packets\n";
    return;
  }

  const std::vector<Segment> segments = read_capture(file);
  std::vector<double> apart;  // us
  for (const bool to_server : {true, false}) {
    std::vector<std::size_t> ends;
    std::vector<Nanos> noted;
    for (const format::Event& event : trace.events) {
      if (event.kind != (to_server ? EventKind::ToServer : EventKind::ToClient)) continue;
      ends.push_back((ends.empty() ? 0 : ends.back()) + event.payload.size());
      noted.push_back(Nanos(trace.start.wall_ns) + event.time);
    }
    const auto wire = to_server ? wire_times(segments, recorder.port, true, ends)
                                : wire_times(segments, recorder.listener.port(), false, ends);
    REQUIRE(wire.size() == noted.size());
    REQUIRE(noted.size() >= rounds);
    for (std::size_t i = 0; i < wire.size(); ++i)
      apart.push_back(std::abs(std::chrono::duration<double, std::micro>(noted[i] - wire[i]).count()));
  }
  std::sort(apart.begin(), apart.end());
  std::cerr << "trace against tcpdump: p50 " << apart[apart.size() / 2] << " us, p99 "
            << apart[apart.size() * 99 / 100] << " us, max " << apart.back() << " us of " << apart.size()
            << "\n";
  CHECK(apart[apart.size() / 2] <= 5000);
}

// A recorder that sleeps is the proof that it is not the moment of the read: all of it is read 300 ms later.
TEST_CASE("bytes that wait in the socket have the time when they came, not when somebody looked") {
  const Stamps stamps;
  if (!stamps.there) return;
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  client.send("early");
  CHECK(server.receive_exactly(5) == "early");
  recorder.process->signal(SIGSTOP);
  const auto before = std::chrono::system_clock::now();
  client.send("while it slept");
  const auto sent = std::chrono::system_clock::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  recorder.process->signal(SIGCONT);
  CHECK(server.receive_exactly(14) == "while it slept");
  const format::Trace trace = recorder.finish();
  std::optional<Nanos> time;
  for (const format::Event& event : trace.events)
    if (event.payload == "while it slept") time = Nanos(trace.start.wall_ns) + event.time;
  REQUIRE(time.has_value());
  const auto since_1970 = [](auto when) {
    return std::chrono::duration_cast<Nanos>(when.time_since_epoch());
  };
  const auto slack = std::chrono::milliseconds(1);  // of a wall clock that is being slewed
  CHECK(*time >= since_1970(before) - slack);
  CHECK(*time <= since_1970(sent) + slack);
}
