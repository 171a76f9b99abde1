// What a recording tells its user while it runs, on stderr: a live line on a terminal, a plain line now and
// then elsewhere, and single messages in between. What it says at the end stands in summary.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

namespace chorus::recorder {

struct Totals {
  std::uint32_t connections = 0;               // accepted so far
  std::uint32_t open = 0;                      // of them: not ended yet
  std::uint32_t refused = 0;                   // of them: no way to the upstream
  std::uint64_t to_server = 0, to_client = 0;  // bytes that were read, of both directions
};

// "3 of 12 open, 1.2 MiB to server, 3.0 KiB to client, 734 events": short, since the live line must not wrap.
std::string status_text(const Totals& totals, std::uint64_t events);

// "0 B", "1023 B", "1.5 KiB": rounded for people; format/quantity.h has the exact spelling.
std::string rounded_size(std::uint64_t bytes);

// Thread-safe. Owns no clock: the time is handed in.
class StatusLine {
 public:
  using Clock = std::chrono::steady_clock;

  // `live`: `out` is a terminal. Then update() rewrites one line at every call, else it prints one every 10
  // s.
  StatusLine(std::ostream& out, bool live, Clock::time_point now) : out_(out), live_(live), last_(now) {}

  void say(std::string_view message);  // a whole line, above the live one
  void update(std::string_view text, Clock::time_point now);
  void clear();  // takes the live line away

 private:
  void wipe();

  std::mutex mutex_;
  std::ostream& out_;
  const bool live_;
  Clock::time_point last_;  // when a plain line was last due
  std::size_t width_ = 0;   // characters of the live line that stands there
};

}  // namespace chorus::recorder
