// The timed sender: one thread that sends every message of the crowd at its intended time, directly on the
// workers' sockets (token.h says under which rules). It sleeps on an absolute clock until the next message is
// due or a worker has something to say, as pacing.h decides, and it measures itself: lateness of every
// message, the longest time it stood still. The loop and the notices stand in sender.cpp, what a message goes
// through in sender_write.cpp, whom it should reach in sender_announce.cpp.
#pragma once

#include "replayer/alarm.h"
#include "replayer/batch_send.h"
#include "replayer/engine.h"
#include "replayer/fanout.h"
#include "replayer/pacing.h"
#include "replayer/schedule.h"
#include "replayer/tally.h"

#include <mutex>
#include <optional>
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
  // How long this thread was ready to run and had no processor; 0 where the system does not say. After the
  // join.
  Nanos waited_for_processor() const noexcept { return tally_.waited_for_processor; }
  // Why --priority was not granted to this thread, and whether messages that were due together went out
  // through io_uring. After the join.
  boost::system::error_code priority_refused() const noexcept { return priority_refused_; }
  bool used_io_uring() const noexcept { return used_io_uring_; }

 private:
  // A message that goes out next, or with the batch; the client's token is ours.
  struct Ready {
    Due due;
    std::string bytes;
  };

  void run();
  void wait(Nanos next, std::uint32_t ticket);
  void take_notices();
  void perform(const Due& due);

  void send(const Due& due);
  bool prepare(Ready& ready);
  void flush();
  void settle(const Ready& ready, const Sending& result, Nanos attempted, Nanos done);
  void note_lateness(const Due& due, Nanos attempted);
  bool in_batch(std::uint32_t client) const {
    return filled_ > 0 && batch_of_[place_of(client)] == batch_number_;
  }
  std::size_t place_of(std::uint32_t client) const { return client - engine_.plan.mine.first; }
  bool render(const Due& due, std::string& out, bool for_a_trace = false);
  void keep(const Ready& ready, Nanos attempted);
  void hand_over(const Due& due, std::string_view rest, Nanos attempted, boost::system::error_code error);

  void announce(const Ready& ready, const Step& step, Nanos attempted);
  void tell(std::uint32_t first, std::uint32_t last, const Said& said);

  Engine& engine_;
  Alarm alarm_;
  std::atomic<bool> stop_{false}, curtain_{false};
  std::mutex mutex_;
  std::vector<Notice> inbox_;  // under mutex_
  // sender's thread only
  Schedule schedule_;
  Pacing pacing_;
  Nanos now_{};                      // as read last: after each wait and each send
  std::uint32_t notices_taken_ = 0;  // the ticket at which the inbox was emptied last
  std::vector<Notice> taken_;
  std::string name_, kept_;
  // What goes out with the next system call.
  std::vector<Ready> ready_;
  std::vector<Sending> sendings_;
  std::size_t filled_ = 0;
  std::uint64_t batch_number_ = 1;
  std::vector<std::uint64_t> batch_of_;  // by client: the last batch that it was in
  std::optional<BatchSend> batch_;
  std::vector<std::vector<std::string>> variables_;  // by client; empty when the page has none
  std::vector<std::string> heard_;                   // of the message that is being written
  std::mt19937_64 random_;
  Tally tally_;
  Live& live_;
  boost::system::error_code priority_refused_;
  bool used_io_uring_ = false;
  std::thread thread_;
};

}  // namespace chorus::replayer
