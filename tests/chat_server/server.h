// The sockets of the chat server: accepts, reads, and carries out what the hall (hall.h) decides.
//
// Made to carry 10,000 clients and 40,000 deliveries a second on part of one core: one thread, one
// io_context; clients share one read buffer (a client itself keeps only an incomplete packet); a delivery is
// a reference to the packet; what gathered for a client while a batch of events was handled goes out in one
// write.
#pragma once

#include "tests/chat_server/hall.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::chat {

inline constexpr std::size_t queue_limit = 1u << 20;  // bytes queued for a client that does not read

struct Freeze {
  std::chrono::nanoseconds at;  // from start(), or from the moment
  std::chrono::nanoseconds length;
};

// The moment when so many have done this for the first time: freeze and kill can count from it.
struct Moment {
  std::string name;  // as it was asked for
  std::uint64_t Counts::*count;
  std::uint64_t reaches;
};

struct ServerOptions {
  Rules rules;
  std::chrono::nanoseconds latency{0};  // between an action of the hall and its carrying out; order is kept
  std::optional<Freeze> freeze;
  std::optional<std::chrono::nanoseconds> kill_at;  // from start(): the process dies, with exit status 1
  std::optional<Moment> moment;  // freeze and kill count from it instead; "NAME reached" is printed then
};

// One thread: the one that runs the io_context, which must outlive the server. Ends when the context is
// stopped. Errors of single connections end these connections; that the process ran out of files is said once
// on stderr.
class Server {
 public:
  // `acceptor` listens already.
  Server(boost::asio::ip::tcp::acceptor acceptor, const ServerOptions& options);
  ~Server();
  void start();
  const Counts& counts() { return hall_.counts(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection;
  using Held = std::shared_ptr<Connection>;
  struct Delayed {
    Clock::time_point due;
    Held to;
    Action action;
  };

  void accept();
  void accepted(boost::asio::ip::tcp::socket socket);
  void accept_failed(const boost::system::error_code& error);
  void wait_readable(const Held& connection);
  void read(const Held& connection);

  void obey();
  void perform(const Held& connection, Action& action);
  void wait_for_delayed();
  void schedule_write(const Held& connection);
  void write_scheduled();
  void write(const Held& connection);
  void write_when_possible(const Held& connection, std::span<const boost::asio::const_buffer> buffers);
  void end(const Held& connection);

  void look_for_the_moment();
  void set_timers();
  void freeze();
  void thaw();

  boost::asio::ip::tcp::acceptor acceptor_;
  ServerOptions options_;
  Hall hall_;
  std::vector<Held> connections_;  // by Client
  std::vector<Action> actions_;    // of the event that is being handled
  std::string read_buffer_;

  std::deque<Delayed> delayed_;  // by due time
  std::vector<Held> to_write_;
  bool write_posted_ = false;

  bool moment_passed_ = false;
  bool frozen_ = false;
  std::vector<Held> readable_when_thawed_;
  bool accept_when_thawed_ = false;
  bool out_of_files_said_ = false;

  boost::asio::steady_timer accept_again_;
  boost::asio::steady_timer next_delayed_;
  boost::asio::steady_timer freeze_timer_;
  boost::asio::steady_timer kill_timer_;
};

}  // namespace chorus::chat
