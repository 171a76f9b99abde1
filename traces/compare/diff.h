// What differs between two traces: the answer of `chorus diff` as data. traces/report renders it, as text and
// JSON.
//
// Three cases share one path. Recording against recording: connections by order of opening. Run against run:
// kept clients by index. Recording against run: each kept client against the recorded connection it replays,
// on its own messages; all other clients by their outcomes, divergences and latency. A message is compared,
// never a chunk. The comparison is made in one orientation (recording before run, else by content) and then
// mirrored if the caller had it the other way round, so that swapping the sides mirrors every figure by
// construction.
#pragma once

#include "traces/compare/subject.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace chorus::compare {

enum class Verdict : std::uint8_t { same, differs, inconclusive, trouble };

// In the order in which findings are listed.
enum class Rule : std::uint8_t {
  connections,  // another number of them
  outcome,      // clients of a run that did not complete
  divergence,   // clients of a run that went another way
  fanout,       // deliveries that never came
  ending,       // a connection was refused, or ended otherwise
  framing,      // framing failed, or the end of a message is not there
  missing,      // only A has it
  extra,        // only B has it
  duplicate,    // only B has it, and it has an equal one that both have
  payload,      // same kind and place, other content
  reordered,    // both have it, at another place among messages of the same sender
  bytes         // without a page: the streams differ from an offset on
};
std::string_view rule_name(Rule rule) noexcept;

struct Place {
  std::optional<std::uint32_t> client_a, client_b;  // connection of a recording, client of a run
  std::optional<Side> from;
  std::string kind;
  std::optional<Nanos> time_a, time_b;  // since the start of that trace
  std::string before_a, before_b;       // what that client saw just before: kind and bytes; "" = nothing
};

struct Finding {
  Rule rule = Rule::missing;
  Place place;
  std::optional<std::string> a, b;  // bytes of a message, or words
  std::int64_t change = 0;          // how many more B has; of `reordered`: by how many places it came later
  std::uint64_t count = 1;          // how many clients it stands for
  bool has_equal = false;           // an equal message is on both sides (missing, extra, duplicate)
};

// Of durations, in nanoseconds.
struct Figures {
  std::uint64_t count = 0, unanswered = 0;
  Nanos p50{}, p90{}, p99{}, max{};
};

struct Timing {
  std::string measure;  // "latency", "offset", "lateness", ...
  std::string what;     // a kind, or a client
  std::optional<Figures> a, b;
  std::optional<Nanos> shift;  // `offset`: median of how much later B sent; else the change of p50
};

struct NotJudged {
  std::string what;
  std::uint64_t a = 0, b = 0;  // how many, where that means something
  std::string why;
};

struct Hidden {
  Mask mask = Mask::none;
  Side from = Side::server;
  std::string kind;
  std::uint64_t a = 0, b = 0;  // messages under the mask
  std::uint64_t hid = 0;       // differences it hid
};

// What was looked at; the verdict's first line says it.
struct Extent {
  bool run = false;
  Nanos length{};                        // until the last event
  std::uint64_t clients = 0;             // connections, or clients of the run
  std::uint64_t compared = 0;            // of these, message by message
  std::uint64_t sent = 0, received = 0;  // messages compared; bytes where there is no page
};

struct Diff {
  Verdict verdict = Verdict::same;
  std::vector<std::string> reasons;  // of trouble, and why it is inconclusive
  std::vector<Finding> findings;
  std::vector<Timing> timing;  // shown, not judged
  std::vector<NotJudged> not_judged;
  std::vector<Hidden> hidden;
  Extent a, b;
  bool raw = false;        // no page: bytes were compared, not messages
  bool identical = false;  // the same content, event by event
};

struct Rules {
  bool allow_partial = false;
};

// `page` learns the kinds that it does not list.
Diff diff(const format::Trace& a, const format::Trace& b, Page& page, const Rules& rules);

}  // namespace chorus::compare
