// Exported packets as tshark reads them, and a real client as tcpdump captures it, imported and replayed.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/real_program.h"
#include "traces/convert/import.h"
#include "traces/format/reader.h"

#include <csignal>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>

using namespace chorus::test;
using chorus::format::EventKind;

namespace {

std::string output_of(std::vector<std::string> arguments) {
  Process process(std::move(arguments));
  const int status = process.wait();
  const std::string out = process.out_rest();
  INFO(out << process.err_rest());
  REQUIRE(status == 0);
  return out;
}

// What both sides of each connection said, in hexadecimal, in the order in which the connections opened.
struct Payloads {
  std::string to_server, to_client;
};
std::vector<Payloads> payloads_of(const std::string& trace_file) {
  const auto trace = chorus::format::load(trace_file);
  REQUIRE(trace.has_value());
  std::map<std::uint32_t, std::size_t> places;
  std::vector<Payloads> all;
  for (const auto& event : trace->events) {
    const auto [place, fresh] = places.try_emplace(event.connection, all.size());
    if (fresh) all.emplace_back();
    if (event.kind != EventKind::ToServer && event.kind != EventKind::ToClient) continue;
    auto& payload =
        event.kind == EventKind::ToServer ? all[place->second].to_server : all[place->second].to_client;
    constexpr char hex[] = "0123456789abcdef";
    for (const char c : event.payload) {
      payload += hex[static_cast<unsigned char>(c) >> 4];
      payload += hex[static_cast<unsigned char>(c) & 15];
    }
  }
  return all;
}

// `tshark -z follow,tcp,raw,N`: lines of hexadecimal digits, the second node's behind a tab.
Payloads followed(const std::string& capture, std::size_t stream) {
  std::istringstream lines(output_of(
      {installed("/usr/bin/tshark"), "-r", capture, "-q", "-z", "follow,tcp,raw," + std::to_string(stream)}));
  Payloads payloads;
  for (std::string line; std::getline(lines, line);) {
    const bool second = !line.empty() && line[0] == '\t';
    const std::string digits = line.substr(second ? 1 : 0);
    if (digits.empty() || digits.find_first_not_of("0123456789abcdef") != std::string::npos) continue;
    (second ? payloads.to_client : payloads.to_server) += digits;
  }
  return payloads;
}

bool both_ended(const std::string& trace_file, std::size_t connections) {
  const auto trace = chorus::format::load(trace_file);
  if (!trace) return false;
  std::size_t ended = 0;
  for (const auto& event : trace->events)
    ended += event.kind == EventKind::Closed && event.payload.empty() ? 1 : 0;
  return ended == connections;
}

}  // namespace

TEST_CASE("tshark follows every stream of an export and shows the recorded payloads", "[loop][capture]") {
  for (const char* name : {"packet-chat.trace", "irc.trace", "steady.trace"}) {
    INFO(name);
    ScratchFolder folder;
    const std::string capture = folder / "x.pcapng";
    const Finished exported = run_chorus({"export", sample(name), "-o", capture});
    INFO(exported.err);
    REQUIRE(exported.status == 0);
    const auto expected = payloads_of(sample(name));
    const std::string conversations =
        output_of({installed("/usr/bin/tshark"), "-r", capture, "-q", "-z", "conv,tcp"});
    INFO(conversations);
    std::size_t count = 0;
    std::istringstream lines(conversations);
    for (std::string line; std::getline(lines, line);) count += line.find("<->") != std::string::npos ? 1 : 0;
    CHECK(count == expected.size());
    for (std::size_t stream = 0; stream < expected.size(); ++stream) {
      const Payloads got = followed(capture, stream);
      CHECK(got.to_server == expected[stream].to_server);
      CHECK(got.to_client == expected[stream].to_client);
    }
    // Nothing that tshark has to find fault with: checksums, numbers, lost or resent segments.
    CHECK(
        output_of(
            {installed("/usr/bin/tshark"), "-r", capture, "-o", "tcp.check_checksum:TRUE", "-o",
             "ip.check_checksum:TRUE", "-Y",
             "tcp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.flags || _ws.malformed"}) ==
        "");
  }
}

TEST_CASE("a capture of real clients is imported, recognised and replayed ten times", "[loop][capture]") {
  if (!chorus::convert::can_import()) {
    WARN("this build has no libtins: import is not tested");
    return;
  }
  ScratchFolder folder;
  ChatServer server;
  const std::string capture = folder / "x.pcap", trace = folder / "x.trace";
  Process tcpdump({installed("/usr/bin/tcpdump"), "-i", "lo", "-U", "--immediate-mode",
                   "--time-stamp-precision=nano", "-w", capture,
                   "tcp port " + std::to_string(server.port())});
  try {
    tcpdump.err_line_with("listening on");
  } catch (const std::exception& error) {
    WARN(
        "tcpdump cannot capture here (it needs root or cap_net_raw), import is not tested: " << error.what());
    return;
  }
  Process alice({CHAT_CLIENT_EXECUTABLE, "--connect", server.address(), "--nick", "alice", "--messages", "4",
                 "--every", "300ms"});
  Process bob({CHAT_CLIENT_EXECUTABLE, "--connect", server.address(), "--nick", "bob", "--messages", "3",
               "--every", "300ms"});
  CHECK(alice.wait() == 0);
  CHECK(bob.wait() == 0);
  // The file grows a little later than the packets pass: the import is repeated until it has both ends.
  Finished imported;
  wait_until(
      [&] {
        imported = run_chorus({"import", capture, "-o", trace, "--force"});
        return imported.status == 0 && both_ended(trace, 2);
      },
      [&] { return "two ended connections in the capture: " + imported.out + imported.err; });
  tcpdump.signal(SIGINT);
  tcpdump.wait();

  const Finished shown = run_chorus({"show", trace});
  INFO(shown.out);
  CHECK(shown.out.find("recognised packet-chat") != std::string::npos);
  const Finished replayed = run_chorus(replay(trace, server, {"--scale", "10x"}));
  INFO(replayed.out << replayed.err);
  CHECK(ended_with(replayed, 0));
  const auto clients = document_of(replayed).at("clients").as_object();
  CHECK(clients.at("requested") == 20);
  CHECK(clients.at("completed") == 20);
}
