// More clients than one process may have files: child processes, each a full engine with a share of the crowd
// (Plan:: mine), the same absolute start, and its own part of the run's trace. What they counted is added
// here. A child that dies is noticed and said; the others go on. Children end by themselves when this process
// does.
//
// Copies between clients of two shards cannot be counted by either; only those within a shard are expected.
#pragma once

#include "replayer/live_board.h"
#include "replayer/resources.h"
#include "replayer/shard_result.h"
#include "traces/format/trouble.h"

#include <memory>

#include <boost/asio/io_context.hpp>

namespace chorus::replayer {

class Shards {
 public:
  struct Wanted {
    const Score& score;
    const Plan& crowd;
    const Options& options;
    const Addresses& addresses;
    LiveBoard& board;         // for workers_each()
    std::uint32_t processes;  // at least 2
  };
  static std::uint32_t workers_each(std::uint32_t processes, std::uint32_t workers) noexcept;

  // Must be called before this process starts its first thread. The children wait for start(). Fails where
  // there is no fork().
  static Expected<std::unique_ptr<Shards>> fork(const Wanted& wanted);
  ~Shards();  // ends whoever is left
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  // `stage` is run by the caller; `all_gone` is called on it when no child is left.
  void start(boost::asio::io_context& stage, std::chrono::steady_clock::time_point start,
             std::function<void()> all_gone);
  std::uint32_t processes() const noexcept;
  void curtain();
  void interrupt();
  Usage usage() const;  // of all children together, while they run

  struct Gathered {
    Performance performance;  // tallies added, rows in order of clients
    double cpu_s = 0;
    std::uint64_t rss_peak_bytes = 0;  // of all together
    bool interrupted = false;
    std::uint32_t lost_clients = 0;
    std::vector<std::string> lost;            // "process 2 of 6 was ended by signal 9; its ..."
    std::vector<std::string> trace_problems;  // of parts of the trace
  };
  // After all_gone. Moves the children's parts of the run's trace into `trace`, which may be null.
  Gathered gather(format::Writer* trace);

 private:
  struct Impl;
  explicit Shards(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus::replayer
