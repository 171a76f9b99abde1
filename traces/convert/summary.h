// The figures of a trace that both forms of `show` print, taken from its events alone.
#pragma once

#include "traces/format/reader.h"

#include <optional>
#include <string>
#include <unordered_map>
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
  std::uint64_t events = 0;
  format::Nanos length{};
  std::string started;  // UTC, ISO 8601
  boost::json::object info;
};

// Event by event, in any order of connections; what it needs grows with these, not with the events.
class Summariser {
 public:
  void add(const format::Event& event);
  Summary finish(const format::Start& start, boost::json::object info);

 private:
  Summary summary_;
  std::unordered_map<std::uint32_t, std::size_t> rows_;
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
std::string damage_text(const format::Damage& damage, const Summary& summary);

}  // namespace chorus::convert
