// What a recording is asked to do, what it notes about itself in the trace, and what it reports at the end.
#pragma once

#include "recorder/one_per_write.h"
#include "recorder/redactor.h"
#include "recorder/status.h"
#include "traces/format/event.h"
#include "traces/format/quantity.h"
#include "traces/protocol/framing.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace chorus::recorder {

struct RecordOptions {
  Address listen, upstream;
  std::filesystem::path output;
  bool force = false;
  std::string protocol;                            // page's name, noted in the trace; "" = none
  std::optional<protocol::Framing> one_per_write;  // the page's, of a client, if its server needs that
  Redaction redaction{};
  bool keep_secrets = false;            // though the page knows where they are
  std::uint64_t sessions = 0;           // end after so many connections; 0 = no limit
  std::chrono::nanoseconds duration{};  // end after this time; 0 = no limit
  std::string version;                  // of this program
};

struct RecordSummary {
  Totals totals;
  std::uint64_t events = 0, lost_events = 0;
  std::chrono::nanoseconds duration{};
  std::string ended_by;        // "signal" | "sessions" | "duration"
  std::filesystem::path file;  // what there is on disk: the .partial one if the trace could not be finished
  std::uint64_t file_size = 0;
  std::string problem;  // why something is missing from the trace; "" = it is whole
};

// The trace's Info block.
std::string info_json(const RecordOptions& options, const format::Start& start);

// What is added to it at the end of a recording with one_per_write.
std::string changed_json(const Recut& recut);

// What is added at the end of one that left something out: how much of it. Never the pattern, which may hold
// what it hides.
std::string redacted_json(const Redaction& redaction, const Redacted& redacted);

std::string summary_sentence(const RecordSummary& summary);
// The document of `chorus record --json`; keys are a contract: add, never rename.
//   {"schema": "chorus.record/1", "trace", "complete", "problem", "ended_by", "connections", "refused",
//    "to_server_bytes", "to_client_bytes", "events", "lost_events", "duration_s", "file_bytes", "options":
//    {...}}
std::string summary_json(const RecordSummary& summary, const RecordOptions& options);

// "2025-11-23T13:09:05.120Z"
std::string iso_time(std::int64_t wall_ns);

}  // namespace chorus::recorder
