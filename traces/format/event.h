// The vocabulary of traces/format: what a trace holds, as the rest of the project sees it.
// The bytes on disk are described in schema/trace.fbs, and nowhere else.
#pragma once

#include "schema/trace_generated.h"
#include "traces/format/sketch.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::format {

using Nanos = std::chrono::nanoseconds;  // of the monotonic clock, since the start of the trace
using Bytes = std::string_view;          // octets, not text
using schema::BlockKind;
using schema::Canary;
using schema::Codec;
using schema::EventKind;
using schema::Outcome;

// The clock pair of the header: two clocks read at the same moment, the start of the trace.
struct Start {
  std::int64_t wall_ns = 0;  // system clock, since 1970
  std::int64_t mono_ns = 0;  // monotonic clock (steady_clock)
};

struct Event {
  Nanos time{};
  std::uint32_t connection = 0;
  EventKind kind = EventKind::None;
  Bytes payload{};                  // borrowed
  std::optional<Nanos> intended{};  // ToServer events of a run
};

struct ClientRow {
  std::uint32_t client = 0, copy = 0, origin = 0;
  Outcome outcome = Outcome::None;
  std::uint32_t reason = 0;
  std::uint32_t steps = 0;
  std::int64_t connect_ns = -1, ready_ns = -1;
  bool kept = false;
  Canary canary = Canary::None;
};

inline constexpr std::uint32_t shared_by_all = 0xffffffff;

struct Binding {
  std::uint32_t copy = 0, member = shared_by_all;
  std::string recorded, own;
};

struct Divergence {
  std::uint32_t client = 0, step = 0;
  Nanos time{};
  std::string expected, got;
};

struct NamedSketch {
  std::string name;
  Nanos window_start{}, window{};  // window 0: the whole run
  Sketch sketch;
};

struct Series {
  struct Point {
    Nanos time{};
    double value = 0;
  };
  std::string name;
  std::vector<Point> points;
};

}  // namespace chorus::format
