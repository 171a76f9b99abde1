// Small recordings for the tests of cut, merge, export and import, and their command lines run in this
// process.
#pragma once

#include "tests/command_line.h"
#include "tests/trace_sample.h"

#include <ostream>

namespace chorus::convert::sample {

using command_line::Answer;
using command_line::has;
using command_line::run;
using format::Event;
using format::EventKind;
using format::Nanos;
using format::sample::Folder;
using format::sample::read_file;
using format::sample::write_file;

inline constexpr format::Start start{1'700'000'000'000'000'000, 5'000'000'000};

struct Said {
  std::int64_t ms = 0;
  std::uint32_t connection = 0;
  EventKind kind = EventKind::None;
  std::string payload;
  friend bool operator==(const Said&, const Said&) = default;
};
inline std::ostream& operator<<(std::ostream& out, const Said& said) {
  return out << said.ms << " ms, #" << said.connection << ' ' << schema::EnumNameEventKind(said.kind) << " \""
             << said.payload << '"';
}

inline void record(const std::filesystem::path& path, const std::vector<Said>& all,
                   const std::string& info = R"({"mode":"recording","tool":"test"})",
                   format::Start at = start, std::uint32_t block_events = 4) {
  format::WriterOptions options;
  options.start = at;
  options.block_events = block_events;
  options.wait_when_full = true;
  auto writer = format::Writer::create(path, options);
  REQUIRE(writer.has_value());
  (*writer)->info(info);
  for (const Said& said : all)
    (*writer)->add({std::chrono::milliseconds(said.ms), said.connection, said.kind, said.payload, {}});
  REQUIRE((*writer)->close().has_value());
}

inline format::Trace loaded(const std::filesystem::path& path) {
  auto trace = format::load(path);
  INFO((trace ? "" : trace.error().what));
  REQUIRE(trace.has_value());
  CHECK_FALSE(trace->damage.any());
  return std::move(*trace);
}

// What it was made from may not have been whole: then it says so.
inline format::Trace loaded_in_part(const std::filesystem::path& path) {
  auto trace = format::load(path);
  INFO((trace ? "" : trace.error().what));
  REQUIRE(trace.has_value());
  trace->damage.incomplete.clear();
  CHECK_FALSE(trace->damage.any());
  return std::move(*trace);
}

inline std::vector<Said> said(const format::Trace& trace) {
  std::vector<Said> all;
  for (const Event& event : trace.events)
    all.push_back({std::chrono::duration_cast<std::chrono::milliseconds>(event.time).count(),
                   event.connection, event.kind, std::string(event.payload)});
  return all;
}

// Two clients; the second one is there from 20 to 80 ms.
inline std::vector<Said> two_clients() {
  return {{10, 0, EventKind::Opened, "127.0.0.1:5001 127.0.0.1:6667"},
          {12, 0, EventKind::ToServer, "NICK alice\r\n"},
          {15, 0, EventKind::ToClient, ":server 001 alice\r\n"},
          {20, 1, EventKind::Opened, "127.0.0.1:5002 127.0.0.1:6667"},
          {30, 1, EventKind::ToServer, "NICK bob\r\n"},
          {40, 0, EventKind::ToServer, "PRIVMSG bob :hello\r\n"},
          {41, 1, EventKind::ToClient, ":alice PRIVMSG bob :hello\r\n"},
          {60, 1, EventKind::ClientEnd, ""},
          {70, 1, EventKind::ToClient, "bye\r\n"},
          {80, 1, EventKind::ServerEnd, ""},
          {80, 1, EventKind::Closed, ""},
          {90, 0, EventKind::ToServer, "QUIT\r\n"},
          {95, 0, EventKind::ServerReset, "Connection reset by peer"},
          {95, 0, EventKind::Closed, "server reset"}};
}

// One line on stderr that has `part`, nothing on stdout, status 2, and no file of that name or its partial
// one.
inline bool refused(const Answer& answer, std::string_view part, const std::filesystem::path& output) {
  const bool one_line = std::count(answer.err.begin(), answer.err.end(), '\n') == 1;
  return answer.status == 2 && answer.out.empty() && one_line && has(answer.err, part) &&
         !std::filesystem::exists(output) && !std::filesystem::exists(output.string() + ".partial");
}

}  // namespace chorus::convert::sample
