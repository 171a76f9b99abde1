// One run: the crowd, played by this process or by shards, its canaries, and what they measured.
#pragma once

#include "replayer/canary.h"
#include "replayer/resources.h"
#include "replayer/shards.h"

namespace chorus::replayer {

// Usage at a step's window, of a climb.
struct StepUsage {
  double cpu_s = 0, server_cpu_s = 0;     // during the window
  std::uint64_t received = 0;             // messages during the window
  std::uint64_t connected = 0, lost = 0;  // at its end: clients; lost: refused or failed
  bool held = false;                      // its window has passed
};

struct RunResult {
  Tally tally;
  std::vector<format::ClientRow> clients;
  std::vector<format::Series> series;
  std::vector<CanarySession> canaries;
  std::vector<StepUsage> steps;  // as many as the plan has
  std::uint32_t processes = 1;
  std::uint32_t lost_clients = 0;           // of shards that died
  std::vector<std::string> lost;            // in words
  std::vector<std::string> trace_problems;  // parts of the run's trace that are not whole
  Nanos duration{};
  double processors_busy = 0;  // share of all processors, by anybody
  double cpu_s = 0;            // our own
  std::uint64_t rss_peak_bytes = 0;
  std::optional<Usage> server;  // --watch: processor time during the run, peak of memory
  bool interrupted = false;     // ended early, by a signal
};

Expected<Addresses> resolve(const Options& options);

struct Production {
  const Score& score;
  const Plan& plan;
  const Options& options;
  const Addresses& addresses;
  LiveBoard& board;
  Shards* shards = nullptr;         // null: this process plays the crowd
  format::Writer* trace = nullptr;  // may be null
  bool show_live_line = true;
};

// Blocks until every client is concluded. `stage` is run meanwhile, on this thread: it carries the signals
// and the live line. `interrupt`, set here, may be called from it to end the run early.
RunResult perform(const Production& production, boost::asio::io_context& stage,
                  std::function<void()>& interrupt);

}  // namespace chorus::replayer
