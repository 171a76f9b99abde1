// The canary: an ordinary client beside the crowd. It is the recording, played exactly as recorded under
// names of its own, kept whole, by threads that it shares with nobody. One is there before the crowd and
// comes again until the crowd is complete; a second one joins then. (In the stress tool that this grew from,
// the first survived and the second died.)
#pragma once

#include "replayer/troupe.h"

#include <memory>

#include <boost/asio/io_context.hpp>

namespace chorus::replayer {

struct CanarySession {
  bool joined_late = false;  // when the crowd was complete
  Nanos begins{}, ends{};    // since the run began
  Plan plan;
  Performance performance;
  bool interrupted = false;

  bool completed(bool judged) const noexcept;
};

class Canaries {
 public:
  // `stage` is run by the thread that calls; `over` is called on it each time a canary has left and none is
  // to come.
  Canaries(const Score& score, const Plan& crowd, const Options& options, const Addresses& addresses,
           format::Writer* trace, std::chrono::steady_clock::time_point start, boost::asio::io_context& stage,
           std::function<void()> over);

  void start();
  void crowd_is_complete();  // once
  void crowd_has_left();     // with --duration whoever still plays says farewell; nobody comes any more
  void interrupt();
  bool all_left() const noexcept { return playing_.empty(); }
  std::vector<CanarySession> sessions() { return std::move(done_); }  // after all_left()

 private:
  struct Playing {
    CanarySession session;
    std::unique_ptr<LiveBoard> live;
    std::unique_ptr<Troupe> troupe;
  };
  static constexpr std::uint32_t most_sessions = 64;

  void play(bool joins_late);
  void has_left(const Playing* playing);

  const Score& score_;
  const Plan& crowd_;
  Options options_;
  const Addresses& addresses_;
  format::Writer* trace_;
  std::chrono::steady_clock::time_point start_;
  boost::asio::io_context& stage_;
  std::function<void()> over_;
  std::uint32_t sessions_ = 0;
  bool complete_ = false, left_ = false, interrupted_ = false;
  std::vector<std::unique_ptr<Playing>> playing_;
  std::vector<CanarySession> done_;
};

}  // namespace chorus::replayer
