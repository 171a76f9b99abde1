// What a user asked of `chorus replay`. Filled by replay_command.cpp, whose CLI11 declarations are the one
// place that says names, defaults and help texts.
#pragma once

#include "traces/format/quantity.h"
#include "traces/protocol/names.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace chorus::replayer {

using std::chrono::nanoseconds;

enum class ScheduleKind : std::uint8_t { recorded, random };
enum class OnRefused : std::uint8_t { give_up, retry };

struct Options {
  std::string recording;
  Address target;
  std::uint32_t clients = 0;  // exactly one of clients and scale is set
  std::uint32_t scale = 0;    // copies
  std::string output;         // "" = no trace is written
  bool force = false, json = false;

  nanoseconds ramp{std::chrono::milliseconds(5)};  // between the starts of two copies
  std::uint32_t workers = 14;
  double speed = 1;                       // divides think times
  std::optional<nanoseconds> duration{};  // then everybody takes the farewell
  bool loop = false;
  std::uint32_t cohort = 1;  // copies that share rooms; 0 = all
  ScheduleKind schedule = ScheduleKind::recorded;
  nanoseconds send_every{std::chrono::milliseconds(10)};
  bool send_every_given = false;
  std::uint64_t seed = 1;

  std::string protocol;  // "" = recognise
  std::vector<protocol::Rename> renames;
  std::string users;        // file; "" = none
  std::uint32_t keep = 16;  // whole copies whose bytes go into the trace
  OnRefused on_refused = OnRefused::give_up;
  double tolerate = 0;  // share of clients that may fail
  bool trial = true, unjudged = false;
  std::vector<std::string> sources;               // local addresses to connect from
  std::uint32_t pending = 64;                     // connects under way at once
  nanoseconds timeout{std::chrono::seconds(30)};  // for a connect or a message that a gate waits for
  nanoseconds drain{std::chrono::seconds(10)};    // for the last answers
  std::optional<int> watch{};                     // process id of the server
};

}  // namespace chorus::replayer
