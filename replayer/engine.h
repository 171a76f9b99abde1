// What the threads of one run see of each other: the connector, the workers and the timed sender (engine.cpp
// starts and joins them). Immutable after start but for the links' atomics and the counters below.
#pragma once

#include "replayer/link.h"
#include "replayer/plan.h"
#include "traces/format/writer.h"

#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace chorus::replayer {

class Connector;
class Sender;
class Worker;

// Read by the live line while the run goes on; each is written by one thread, or rarely.
struct Live {
  std::atomic<std::uint64_t> connected{0}, sent{0}, received{0}, refused{0}, failed{0}, concluded{0};
};

struct Engine {
  const Score& score;
  const Plan& plan;
  const Options& options;
  boost::asio::ip::tcp::endpoint target;
  std::vector<boost::asio::ip::address> sources;
  std::chrono::steady_clock::time_point start;  // all Nanos of a run count from here
  format::Writer* trace = nullptr;              // may be null; thread-safe
  std::unique_ptr<Link[]> links;                // by global client index of this plan
  std::unique_ptr<Live[]> live;                 // one for each worker, and the last for the sender
  Connector* connector = nullptr;
  Sender* sender = nullptr;
  std::vector<std::unique_ptr<Worker>> workers{};
  std::function<void()> on_all_concluded{};  // called once, by a worker's thread
  std::atomic<std::uint32_t> remaining{0};

  Nanos now() const noexcept { return std::chrono::steady_clock::now() - start; }
  std::size_t worker_index(std::uint32_t client) const;
  Worker& worker_of(std::uint32_t client) const { return *workers[worker_index(client)]; }
  std::uint64_t sum(std::atomic<std::uint64_t> Live::*counter) const noexcept;
};

}  // namespace chorus::replayer
