// A worker: one io_context, one thread, one contiguous block of clients. It opens, reads and closes their
// connections and shares nothing with other workers; what it counted is added after the join.
//
// After it has read all there was, a worker may rest (--coalesce): what arrives meanwhile is read in one go,
// with one waking instead of many. With `auto` it rests at most 500 us, only while messages come fast, and
// only while none of its clients connects, logs in, or is owed an answer. Times of arrival are the kernel's
// then (connection.h).
#pragma once

#include "replayer/alarm.h"
#include "replayer/client.h"

#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

namespace chorus::replayer {

class Worker {
 public:
  Worker(Engine& engine, Block block, Live& live, LiveTimes& latency);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  void interrupt();  // any thread: end every client
  void join();       // any thread but its own; every client must have been concluded

  // Any thread: `act` is called with the client on this worker's thread. FIFO for each caller.
  template <class Act>
  void post(std::uint32_t client, Act act) {
    order([this, client, act = std::move(act)]() mutable { act(at(client)); });
  }

  // Sender's thread, before it sends what will be answered.
  void expect_answer() noexcept { awaiting_.fetch_add(1, std::memory_order_relaxed); }

  void tell(const Said& said) { copies_->said.push(said); }  // sender's thread

  // After join().
  const Tally& tally() const noexcept { return tally_; }
  const std::vector<Client>& clients() const noexcept { return clients_; }

 private:
  Client& at(std::uint32_t client) { return clients_[client - block_.first]; }
  template <class Act>
  void order(Act act) {
    boost::asio::post(context_, std::move(act));
    port_.wake();
    rest_.wake();
  }
  void run();
  bool may_rest(Nanos now);
  void sweep(Nanos now);

  Engine& engine_;
  Block block_;
  boost::asio::io_context context_{1};  // 1: only one thread runs it
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_;
  Port port_;
  Alarm rest_;
  std::atomic<std::int64_t> awaiting_{0};  // answers
  std::thread thread_;
  // worker's thread only
  Tally tally_;
  std::string read_buffer_;
  std::vector<std::uint32_t> watched_;
  std::uint32_t restless_ = 0;  // clients
  Nanos looked_at_{};           // when there last was something to read
  bool stopping_ = false;
  std::unique_ptr<Copies> copies_;
  Desk desk_;
  std::vector<Client> clients_;
};

}  // namespace chorus::replayer
