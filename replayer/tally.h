// What a run counted. Each worker and the sender has one of its own while it runs; they are added after the
// join.
#pragma once

#include "replayer/fanout.h"
#include "replayer/steps.h"
#include "traces/format/event.h"
#include "traces/format/sketch.h"
#include "traces/protocol/page.h"

#include <map>
#include <string>
#include <vector>

namespace chorus::replayer {

using format::Sketch;

// Why a client did not complete, in words that are the same for all clients with the same trouble.
struct Reason {
  std::string what;    // "433: the nickname is already in use"
  std::string advice;  // what to try next; may be ""
  friend auto operator<=>(const Reason&, const Reason&) = default;
};

// Clients that stopped at the same step for the same reason.
struct Stop {
  Reason reason;
  std::uint32_t part = 0, step = 0;  // so many of its messages had been sent
  friend auto operator<=>(const Stop&, const Stop&) = default;
};

struct StopCount {
  std::uint64_t clients = 0;
  std::string expected, got;  // of the first of them
};

// A message that was answered as another kind than in the recording, by clients that went on all the same.
struct OtherAnswer {
  protocol::KindId to = 0, expected = 0, got = 0;
  friend auto operator<=>(const OtherAnswer&, const OtherAnswer&) = default;
};

struct Tally {
  // sender
  std::uint64_t scheduled = 0, sent = 0, late_dropped = 0, pushed_back = 0, proceeded = 0, bytes_out = 0;
  std::vector<std::uint64_t> sent_by_kind;
  Sketch lateness;
  std::chrono::nanoseconds longest_stall{0};
  std::chrono::nanoseconds waited_for_processor{0};  // ready to run, and had none
  // worker
  std::uint64_t received = 0, bytes_in = 0, unanswered = 0, replies = 0, divergent = 0;
  std::uint64_t own_failures = 0;  // connections that this machine could not open
  std::vector<std::uint64_t> received_by_kind;
  std::vector<std::uint64_t> unanswered_by_kind;  // by the client's kind
  std::vector<Sketch> latency;                    // by the client's kind
  Sketch connect, ready;
  std::vector<format::Divergence> divergences;  // the first 1,000
  std::map<Stop, StopCount> stops;
  std::map<OtherAnswer, std::uint64_t> others;
  Fanout fanout;
  // both
  Sketch pushback;
  std::vector<StepTally> steps;  // of a climb: one for each of the plan's

  void merge(const Tally& other);
};

}  // namespace chorus::replayer
