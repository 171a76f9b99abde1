// The line that a person sees while a run goes on: rewritten in place twice a second on a terminal, a plain
// line every ten seconds otherwise. It also keeps the run's time series, one point a second.
#pragma once

#include "replayer/engine.h"
#include "replayer/resources.h"

#include <vector>

#include <boost/asio/steady_timer.hpp>

namespace chorus::replayer {

class LiveLine {
 public:
  LiveLine(const Engine& engine, boost::asio::io_context& stage, bool show);
  void start();
  void stop();  // removes the line
  std::vector<format::Series> series() const { return series_; }

 private:
  void wait();
  void turn();
  void show(Nanos now, double sending, double receiving);

  const Engine& engine_;
  boost::asio::steady_timer timer_;
  bool show_, terminal_;
  bool drawn_ = false;
  Nanos shown_at_{}, sampled_at_{}, last_{};
  std::uint64_t last_sent_ = 0, last_received_ = 0;
  std::vector<format::Series> series_;
};

}  // namespace chorus::replayer
