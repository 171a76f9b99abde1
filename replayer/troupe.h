// Clients that are played together: their connector, workers and timed sender, from start to join. A run has
// one for the crowd, and one for each canary, so that an ordinary client beside the crowd shares nothing with
// it.
#pragma once

#include "replayer/connector.h"
#include "replayer/engine.h"
#include "replayer/sender.h"
#include "replayer/tally.h"

#include <functional>
#include <span>

namespace chorus::replayer {

// Where to connect to and from: resolved once, before anything starts.
struct Addresses {
  boost::asio::ip::tcp::endpoint target;
  std::vector<boost::asio::ip::address> sources;
};

// What became of them.
struct Performance {
  Tally tally;
  std::vector<format::ClientRow> clients;
};

class Troupe {
 public:
  // Score, addresses, trace (may be null) and `live` must outlive it; `live` is for as many workers.
  // `all_concluded` is called once, by a worker's thread, when every client's fate is known.
  Troupe(const Score& score, Plan plan, Options options, const Addresses& addresses, format::Writer* trace,
         const LiveShare& live, std::chrono::steady_clock::time_point start,
         std::function<void()> all_concluded);
  ~Troupe();
  Troupe(const Troupe&) = delete;
  Troupe& operator=(const Troupe&) = delete;

  // All of it on the thread that made it.
  void start();
  void curtain();      // whoever is on stage says farewell, nobody else comes
  void interrupt();    // every client ends where it stands
  Performance join();  // after all_concluded was called; once

  const Engine& engine() const noexcept { return engine_; }

 private:
  Plan plan_;
  Options options_;
  Engine engine_;
  Sender sender_;
  Connector connector_;
};

}  // namespace chorus::replayer
