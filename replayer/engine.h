// What the threads of one run see of each other: the connector, the workers and the timed sender (troupe.h
// starts and joins them). Immutable after start but for the links' atomics and the counters below.
#pragma once

#include "replayer/link.h"
#include "replayer/live_board.h"
#include "replayer/plan.h"
#include "traces/format/writer.h"

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace chorus::replayer {

class Connector;
class Sender;
class Worker;

// Of a counter that one thread writes and others read.
inline void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

struct Engine {
  const Score& score;
  const Plan& plan;
  const Options& options;
  boost::asio::ip::tcp::endpoint target;
  std::vector<boost::asio::ip::address> sources;
  std::chrono::steady_clock::time_point start;  // all Nanos of a run count from here
  format::Writer* trace = nullptr;              // may be null; thread-safe
  std::unique_ptr<Link[]> links;                // see link()
  LiveShare live;
  Connector* connector = nullptr;
  Sender* sender = nullptr;
  std::vector<std::unique_ptr<Worker>> workers{};
  std::function<void()> on_all_concluded{};  // called once, by a worker's thread
  std::atomic<std::uint32_t> remaining{0};
  std::atomic<std::int64_t> accepted_last{0};  // ns: when the server last took a connection
  bool stamps = false;                         // the kernel notes when bytes arrive: something is timed by it

  Nanos now() const noexcept { return std::chrono::steady_clock::now() - start; }
  Link& link(std::uint32_t client) const noexcept { return links[client - plan.mine.first]; }
  std::size_t worker_index(std::uint32_t client) const;
  Worker& worker_of(std::uint32_t client) const { return *workers[worker_index(client)]; }
};

}  // namespace chorus::replayer
