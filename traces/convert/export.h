// `chorus export`: a trace for other tools, as packets (pcapng, for Wireshark and tshark) or as lines of
// JSON.
#pragma once

#include "traces/format/reader.h"

#include <string>

namespace chorus::convert {

enum class ExportFormat : std::uint8_t { pcapng, jsonl };

struct ExportOptions {
  std::filesystem::path input, output;
  bool force = false;
  ExportFormat format = ExportFormat::pcapng;
};

struct ExportReport {
  bool run = false;
  std::uint64_t events = 0;   // that were exported
  std::uint64_t packets = 0;  // of pcapng
  std::uint64_t left_out =
      0;  // events after the end of their connection or direction, which no packet can be
  std::uint64_t invented = 0;  // connections whose addresses the trace does not say
  std::string left_out_words;  // what the recorder was told to leave out; "" = nothing
  format::Damage damage;
};

// One block in memory at a time, and what is open. The file is named OUTPUT.partial until it is whole; on
// failure nothing is left behind.
//
// pcapng: raw IP packets with the event's time (to the nanosecond), all segments of a chunk and their ACK at
// the same one. A connection begins with its handshake and ends as the trace says: FIN, RST, or, where both
// sides were cut off while they were open, an ACK with a comment. What the trace says in words is a packet's
// comment.
//
// JSON lines: one event a line,
//   {"time_ns": since the start, "wall_ns": since 1970, "connection", "kind": as in schema/trace.fbs,
//    "bytes": of the payload, "payload": in base64, "text": the same where it is UTF-8,
//    "intended_ns": since the start, of a run's sends}
Expected<ExportReport> export_trace(const ExportOptions& options);

}  // namespace chorus::convert
