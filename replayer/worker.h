// A worker: one io_context, one thread, one contiguous block of clients. It opens, reads and closes their
// connections and shares nothing with other workers; what it counted is added after the join.
#pragma once

#include "replayer/client.h"

#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::replayer {

class Worker {
 public:
  Worker(Engine& engine, Block block, Live& live);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start();
  void interrupt();  // any thread: end every client
  void join();       // any thread but its own; every client must have been concluded

  // Any thread: `act` is called with the client on this worker's thread. FIFO for each caller.
  template <class Act>
  void post(std::uint32_t client, Act act) {
    boost::asio::post(context_, [this, client, act = std::move(act)]() mutable { act(at(client)); });
  }

  void tell(const Said& said) { copies_->said.push(said); }  // sender's thread

  // After join().
  const Tally& tally() const noexcept { return tally_; }
  const std::vector<Client>& clients() const noexcept { return clients_; }

 private:
  Client& at(std::uint32_t client) { return clients_[client - block_.first]; }
  void sweep();

  Engine& engine_;
  Block block_;
  boost::asio::io_context context_{1};  // 1: only one thread runs it
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_;
  boost::asio::steady_timer sweeper_;  // looks at deadlines while there are any
  std::thread thread_;
  // worker's thread only
  Tally tally_;
  std::string read_buffer_;
  std::vector<std::uint32_t> watched_;
  bool stopping_ = false;
  std::unique_ptr<Copies> copies_;
  Desk desk_;
  std::vector<Client> clients_;
};

}  // namespace chorus::replayer
