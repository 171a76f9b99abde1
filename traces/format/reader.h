// Reads a trace. Nothing in a file is trusted: lengths, counts, enums, offsets and sums are all checked, and
// damage is a normal input: whole blocks are used, the rest is reported.
#pragma once

#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace chorus::format {

struct Damage {
  bool cut = false;                 // no footer: the writer did not finish
  std::uint64_t bad_blocks = 0;     // blocks whose checksum or content is wrong
  std::uint64_t skipped_bytes = 0;  // bytes that belong to no good block, or are missing between two
  // Known to be lost: from the footer's totals, or, when that is gone, from what is left of the blocks'
  // headers, and then it is the least that was lost.
  std::uint64_t missing_events = 0;
  bool counted = false;                   // the footer was read: it is all that was lost
  Nanos missing_time{};                   // that those events took, as far as is known
  std::uint64_t dropped_events = 0;       // the writer itself could not keep up and said so ...
  Nanos dropped_first{}, dropped_last{};  // ... and the times of the first and last of them
  std::string first;                      // where and what the first damage was; "" = none
  std::string
      incomplete;  // what the recording or capture that it was made from had lost, in words; "" = nothing
  bool any() const {
    return cut || bad_blocks || skipped_bytes || missing_events || dropped_events || !incomplete.empty();
  }
};

// Which events are wanted; whatever else a trace holds comes in any case.
struct Selection {
  Nanos from = Nanos::min(), until = Nanos::max();  // both included
  std::vector<std::uint32_t> connections{};         // empty: all
  bool all() const { return from == Nanos::min() && until == Nanos::max() && connections.empty(); }
};

// Streaming: one block in memory at a time, whatever the file's size: at most 64 MiB with all that is made of
// it. One thread at a time.
class Reader {
 public:
  // Fails when the file cannot be read, is empty, is no trace or is of a newer version; damage after the
  // header is no failure (see damage()).
  static Expected<std::unique_ptr<Reader>> open(const std::filesystem::path& path);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  const Start& start() const noexcept;
  std::uint16_t version() const noexcept;

  // Begins again, and from now on next() gives only these events. Blocks without any are not read where their
  // header or the index says so, and damage in them is not looked for; a trace without an index (cut, or with
  // more than 400,000 blocks) gives the same events, but every block's header is read.
  void seek(Selection wanted);
  // Of the whole trace, as its index has it; nothing before seek(), or without an index.
  std::optional<std::uint64_t> total_events() const noexcept;

  // Moves to the next good block; false at the end. Then exactly one of the following has content.
  bool next();
  BlockKind kind() const noexcept;
  const std::vector<Event>& events() const noexcept;  // payloads borrowed until next()
  const std::string& info() const noexcept;
  const std::vector<ClientRow>& clients() const noexcept;
  const std::vector<Binding>& bindings() const noexcept;
  const std::vector<Divergence>& divergences() const noexcept;
  const std::vector<NamedSketch>& sketches() const noexcept;
  const std::vector<Series>& series() const noexcept;

  const Damage& damage() const noexcept;  // complete after next() returned false
  // Bytes read, searched and unpacked so far of which no good block came. Never more than twelve times the
  // file's and 256 MiB: a reader that was made to work for nothing gives up.
  std::uint64_t wasted_bytes() const noexcept;

 private:
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A whole trace in memory, events in order of time (stable), for recordings and the kept part of a run. It
// can be moved, not copied: its events borrow from `payloads`.
struct Trace {
  Trace() = default;
  Trace(Trace&&) = default;
  Trace& operator=(Trace&&) = default;

  std::filesystem::path path;
  Start start;
  std::string info = "{}";    // all Info blocks merged into one JSON object
  std::vector<Event> events;  // payloads live in `payloads`
  std::vector<ClientRow> clients;
  std::vector<Binding> bindings;
  std::vector<Divergence> divergences;
  std::vector<NamedSketch> sketches;
  std::vector<Series> series;
  Damage damage;
  std::uint64_t content_hash = 0;  // XXH3 over all events and tables (not Info, not the clocks): the same for
                                   // other block sizes or codecs
  bool is_run() const;             // Info "mode" is "run"
  std::deque<std::string> payloads;  // what events borrow from
};

// With `wanted`, only these events: blocks without any are not read (Reader::seek), and damage() is of what
// was.
Expected<Trace> load(const std::filesystem::path& path, const Selection& wanted = {});

}  // namespace chorus::format
