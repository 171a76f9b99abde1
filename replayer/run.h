// One run: connector, workers and sender from start to join, and what they measured.
#pragma once

#include "replayer/engine.h"
#include "replayer/resources.h"
#include "replayer/tally.h"

#include <functional>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace chorus::replayer {

struct RunResult {
  Tally tally;
  std::vector<format::ClientRow> clients;
  std::vector<format::Series> series;
  Nanos duration{};
  Nanos sender_waited_for_processor{};
  double processors_busy = 0;  // share of all processors, by anybody
  double cpu_s = 0;            // our own
  std::uint64_t rss_peak_bytes = 0;
  std::optional<Usage> server;  // --watch: processor time during the run, peak of memory
  bool interrupted = false;     // ended early, by a signal
};

// Where to connect to and from: resolved once, before anything starts.
struct Addresses {
  boost::asio::ip::tcp::endpoint target;
  std::vector<boost::asio::ip::address> sources;
};
Expected<Addresses> resolve(const Options& options);

// Blocks until every client is concluded. `stage` is run meanwhile, on this thread: it carries the signals
// and the live line. `interrupt`, set here, may be called from it to end the run early. `trace` may be null.
RunResult perform(const Score& score, const Plan& plan, const Options& options, const Addresses& addresses,
                  format::Writer* trace, boost::asio::io_context& stage, std::function<void()>& interrupt,
                  bool show_live_line);

}  // namespace chorus::replayer
