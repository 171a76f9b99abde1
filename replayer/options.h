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
enum class Priority : std::uint8_t { normal, high, realtime };

// How the sender waits for a message's time.
struct Pace {
  enum class Mode : std::uint8_t {
    exact,  // sleeps until each message's time
    spin,   // and stays awake for the last 50 us
    grid    // sends on ticks, all that became due since the last one together
  };
  Mode mode = Mode::exact;
  nanoseconds grid{std::chrono::milliseconds(1)};  // of Mode::grid: from tick to tick

  // What the pace itself adds to lateness.
  nanoseconds grid_or_none() const noexcept { return mode == Mode::grid ? grid : nanoseconds{0}; }
};

// A crowd that grows: so many clients at first, so many at last, so many more at each step.
struct Climb {
  std::uint32_t first = 0, last = 0, by = 0;
};

inline constexpr nanoseconds default_hold = std::chrono::seconds(10);
inline constexpr nanoseconds default_step_limit = std::chrono::seconds(1);

struct Options {
  std::string recording;
  Address target;
  std::uint32_t clients = 0;  // exactly one of clients and scale is set; the last step's, of a climb
  std::optional<Climb> climb{};
  std::uint32_t scale = 0;                  // copies
  std::optional<nanoseconds> hold{};        // of a climb: how long each step stays
  std::optional<nanoseconds> step_limit{};  // of a climb: a p99 of latency above it is no good step
  std::string output;                       // "" = no trace is written
  bool force = false, json = false;

  nanoseconds ramp{std::chrono::milliseconds(5)};  // between the starts of two copies
  std::optional<nanoseconds> phase{};  // a copy starts up to so much later, at random; nullopt = up to a ramp
  std::uint32_t workers = 14;
  std::uint32_t processes =
      0;  // that the crowd is shared by; 0 = as many as the limit of open files asks for
  Pace pace;
  Priority priority = Priority::normal;   // of the sender's thread
  std::optional<nanoseconds> coalesce{};  // how long a worker rests after a drain; nullopt = auto
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
  bool canary = false;                            // an ordinary client beside the crowd
  std::vector<std::string> sources;               // local addresses to connect from
  std::uint32_t pending = 64;                     // connects under way at once
  nanoseconds timeout{std::chrono::seconds(30)};  // for a connect or a message that a gate waits for
  nanoseconds drain{std::chrono::seconds(10)};    // for the last answers
  std::optional<int> watch{};                     // process id of the server
};

}  // namespace chorus::replayer
