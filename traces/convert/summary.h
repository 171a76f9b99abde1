// The figures of a trace that both forms of `show` print, taken from its events alone.
#pragma once

#include "traces/format/reader.h"

#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace chorus::convert {

struct ConnectionSummary {
  std::uint32_t connection = 0;
  format::Nanos opened{}, ended{};  // ended: its last event
  std::string peers;                // "<client> <server>" of a recording
  std::string end;                  // how it ended, in words
  std::uint64_t chunks_to_server = 0, chunks_to_client = 0, bytes_to_server = 0, bytes_to_client = 0;
};

struct Summary {
  std::vector<ConnectionSummary> connections;  // in order of opening
  ConnectionSummary total;
  format::Nanos length{};
  std::string started;  // UTC, ISO 8601
  boost::json::object info;
};
Summary summarise(const format::Trace& trace);

// Clients of a run that shared a fate.
struct Fate {
  std::string outcome, reason;
  std::uint64_t count = 0;
};
std::vector<Fate> fates(const format::Trace& trace, const boost::json::object& info);

// Sketches of the whole run; windows added up where there is no such row.
std::vector<format::NamedSketch> whole_run(const format::Trace& trace);

// What a recorder was told to leave out of it, in words; "" = nothing.
std::string left_out_words(const boost::json::object& info);

std::string utc(std::int64_t wall_ns);      // ISO 8601, to the millisecond
std::string seconds(format::Nanos time);    // "1.234567"
std::string hash_text(std::uint64_t hash);  // 16 hexadecimal digits
std::string_view outcome_name(format::Outcome outcome) noexcept;
// One sentence on what is missing, "" for a whole file.
std::string damage_text(const format::Trace& trace, format::Nanos length);

}  // namespace chorus::convert
