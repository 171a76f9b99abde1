// The timed sender: one thread that sends every message of the crowd at its intended time, directly on the
// workers' sockets (token.h says under which rules). It sleeps on an absolute clock until the next message is
// due or a worker has something to say, and it measures itself: lateness of every message, the longest time
// it stood still.
#pragma once

#include "replayer/alarm.h"
#include "replayer/engine.h"
#include "replayer/fanout.h"
#include "replayer/schedule.h"
#include "replayer/tally.h"

#include <mutex>
#include <thread>
#include <vector>

namespace chorus::replayer {

struct Notice {
  enum class What : std::uint8_t { connected, gate, variable, gone };
  What what = What::connected;
  std::uint32_t client = 0, generation = 0;
  std::uint16_t slot = 0;  // of a gate or a variable
  Nanos at{};
  std::string value{};  // of a variable
};

class Sender {
 public:
  static constexpr std::uint32_t most_queued = 1024;  // messages of one client that wait behind a full socket

  explicit Sender(Engine& engine);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  void start();
  void notify(const Notice& notice);                      // workers
  void curtain();                                         // any thread: everybody takes the farewell
  void stop_and_join();                                   // first of all threads to be joined
  const Tally& tally() const noexcept { return tally_; }  // after the join
  // How long this thread was ready to run and had no processor; 0 where the system does not say.
  Nanos waited_for_processor() const noexcept { return waited_for_processor_; }

 private:
  void run();
  void take_notices();
  void perform(const Due& due);
  void send(const Due& due);
  bool render(const Due& due, std::string& out, bool for_a_trace = false);
  void keep(const Due& due, Nanos attempted);
  void announce(const Due& due, const Step& step, Nanos attempted);
  void tell(std::uint32_t first, std::uint32_t last, const Said& said);
  void hand_over(const Due& due, std::string_view rest, Nanos attempted, boost::system::error_code error);

  Engine& engine_;
  Alarm alarm_;
  std::atomic<bool> stop_{false}, curtain_{false};
  std::mutex mutex_;
  std::vector<Notice> inbox_;  // under mutex_
  // sender's thread only
  Schedule schedule_;
  std::vector<Notice> taken_;
  std::string bytes_, name_, kept_;
  std::vector<std::vector<std::string>> variables_;  // by client; empty when the page has none
  std::vector<std::string> heard_;                   // of the message that is being written
  std::mt19937_64 random_;
  Tally tally_;
  Live& live_;
  Nanos waited_for_processor_{};
  std::thread thread_;
};

}  // namespace chorus::replayer
