// `chorus import`: a capture of packets (pcap or pcapng) becomes a recording. Packets are put together to
// streams by libtins, files are read by libpcap; where CMake did not find them (never on Windows) the
// subcommand says so and does nothing else.
#pragma once

#include "traces/convert/ip_address.h"
#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace chorus::convert {

bool can_import() noexcept;

struct ImportOptions {
  std::filesystem::path input, output;
  bool force = false;
  // Which connections are taken, and which side is the server where a capture began in the middle. With
  // neither all connections are taken, and a server is who the SYN goes to.
  std::optional<Endpoint> server;
  std::optional<std::uint16_t> port;
  bool partial = false;  // also connections without their beginning
};

struct ImportReport {
  std::uint64_t packets = 0, events = 0, connections = 0, refused = 0;
  std::uint64_t to_server_bytes = 0, to_client_bytes = 0;
  std::uint64_t began_before = 0;   // connections whose beginning was not captured
  std::uint64_t others = 0;         // connections that `server` or `port` did not ask for
  std::uint64_t holes = 0;          // connections that lack bytes: packets are missing
  std::uint64_t missing_bytes = 0;  // of all of them, known from what came behind them or was acknowledged
  std::uint64_t unfollowed = 0;     // connections beyond what is followed at once
  // Packets: of these nothing was used, but for the beginning of shortened ones. Outside is what belongs to
  // no window of its connection.
  std::uint64_t malformed = 0, fragments = 0, shortened = 0, outside = 0;
  std::string cut;         // why the file could not be read to its end
  std::string incomplete;  // one sentence on all that was lost, "" = nothing; in Info by this name

  struct Lacking {
    std::uint32_t connection = 0;
    std::string peers;  // "<client> <server>"
    std::uint64_t to_server_bytes = 0, to_client_bytes = 0;
  };
  std::vector<Lacking> lacking;  // of the connections with holes the first ten
};

// A chunk's time is that of the packet which completed it in order; Opened has the time of the server's
// SYN+ACK (or of what showed that there was one), and the recording starts with the first packet of the
// capture. Bytes of one direction with the same time are one chunk. What is still open at the end is Closed
// with the last packet. A direction ends where its bytes do: nothing is joined over what is missing, and the
// connection's Closed says so. Out-of-order data is bounded: 512 segments or 3 MiB of a connection, 32 MiB of
// all; 100,000 connections are followed at once. A lost FIN is not told from a lost byte where only its
// acknowledgement was captured: an acknowledgement of one more byte counts as that of a FIN.
//
// Fails, and leaves nothing behind, when the capture cannot be read, mixes kinds of link, or holds no
// connection to take or only ones all of whose bytes are missing.
Expected<ImportReport> import_capture(const ImportOptions& options);

}  // namespace chorus::convert
