// The connector: opens the crowd's connections at their planned, absolute times, with a bounded number under
// way, and again after a refusal when that was asked for. It decides when; the client's worker does it.
#pragma once

#include "replayer/alarm.h"
#include "replayer/engine.h"

#include <atomic>
#include <queue>
#include <random>
#include <thread>
#include <vector>

namespace chorus::replayer {

class Connector {
 public:
  explicit Connector(Engine& engine);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  void start();
  void curtain();  // any thread: whoever has not been connected stays away
  void stop_and_join();
  // Workers: a connect has succeeded or failed.
  void settled() noexcept;
  // Workers: refused; try again after the attempts-th back-off (doubling from 200 ms, up to half of it at
  // random).
  void again(std::uint32_t client, unsigned attempts);

 private:
  struct Entry {
    Nanos time;
    std::uint32_t client;
    bool operator>(const Entry& other) const noexcept {
      return time != other.time ? time > other.time : client > other.client;
    }
  };
  void run();

  Engine& engine_;
  Alarm alarm_;
  std::atomic<bool> stop_{false}, curtain_{false};
  std::atomic<std::uint32_t> pending_{0};
  std::mutex mutex_;
  std::vector<Entry> retries_;                                              // under mutex_
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> planned_;  // connector's thread
  std::mt19937_64 random_;                                                  // under mutex_
  std::thread thread_;
};

}  // namespace chorus::replayer
