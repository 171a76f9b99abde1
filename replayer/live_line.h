// The line that a person sees while a run goes on: rewritten in place twice a second on a terminal, a plain
// line every ten seconds otherwise. It also keeps the run's time series, one point a second.
#pragma once

#include "replayer/live_board.h"
#include "replayer/resources.h"
#include "traces/format/event.h"

#include <functional>
#include <vector>

#include <boost/asio/steady_timer.hpp>

namespace chorus::replayer {

using format::Nanos;

class LiveLine {
 public:
  struct Subject {
    const LiveBoard& board;
    std::uint32_t clients;
    std::optional<int> watch;  // the server's process
    std::chrono::steady_clock::time_point start;
    std::function<Usage()> own_usage;  // of all our processes
  };
  LiveLine(Subject subject, boost::asio::io_context& stage, bool show);
  void start();
  void stop();  // removes the line
  std::vector<format::Series> series() const { return series_; }

 private:
  void wait();
  void turn();
  void sample(Nanos now);
  void show(Nanos now, double sending, double receiving);

  Subject subject_;
  boost::asio::steady_timer timer_;
  bool show_, terminal_;
  bool drawn_ = false;
  Nanos shown_at_{}, sampled_at_{}, last_{};
  std::uint64_t last_sent_ = 0, last_received_ = 0;
  TimesWindow lateness_shown_, lateness_sampled_, latency_shown_, latency_sampled_;
  std::optional<Usage> server_, server_before_;  // at the last two samples
  Nanos between_samples_{};
  std::vector<format::Series> series_;
};

}  // namespace chorus::replayer
