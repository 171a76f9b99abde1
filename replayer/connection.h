// One client's connection, and the port through which its worker waits for all of its clients.
//
// Asio carries what other threads post and, where it has completion ports (Windows), waits for the next bytes
// with a zero-byte receive and writes with async_write. On Linux a port is an epoll set of the worker's own,
// and the worker sleeps in it and nowhere else: a message costs one read and no epoll_ctl (Asio's async_wait
// makes one for every wait), a waking one epoll_wait. With Asio's set around that one a broadcast cost 1.4
// times what it costs a bare epoll loop; without, 1.2 times (tests/bench/receive.cpp).
//
// All of it runs on the worker's thread, but for Port::wake() and for handle(), which the sender uses under
// the token (token.h).
#pragma once

#include "replayer/direct_send.h"
#include "traces/format/event.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace chorus::replayer {

using format::Nanos;

class Port {
 public:
  explicit Port(boost::asio::io_context& context);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // Sleeps until a connection has something to tell, something was posted to the context, or `until`; then
  // tells the connections' users, `most` at a time, and runs what was posted. Returns how many connections
  // there were: 0 where that is not known (Windows).
  static constexpr std::size_t most = 256;
  std::size_t wait(std::chrono::steady_clock::time_point until);
  void wake() noexcept;  // any thread, after it posted something to the context

  boost::asio::io_context& context() noexcept { return context_; }

 private:
  friend class Connection;
  boost::asio::io_context& context_;
#ifdef __linux__
  int set_ = -1, bell_ = -1;
  std::atomic<bool> rung_{false};
#endif
};

class Connection {
 public:
  using error_code = boost::system::error_code;

  class User {
   public:
    virtual void on_connected(const error_code& error) = 0;
    virtual void on_readable(
        bool ends) = 0;  // ends: read until there is an error, the end of stream or its like
    virtual void on_written(const error_code& error) = 0;  // all of what write() was given, or why not

   protected:
    ~User() = default;
  };

  explicit Connection(Port& port) noexcept : port_(&port) {}
  ~Connection() { close(); }
  Connection(Connection&&) = default;  // before connect() only

  // Calls on_connected, perhaps at once. `source` may be null. With `stamps` the kernel notes when bytes
  // arrive.
  void connect(User& user, const boost::asio::ip::tcp::endpoint& target,
               const boost::asio::ip::address* source, bool stamps);
  error_code listen();           // on_readable is called from here on whenever there is something to read
  void listen_again(bool more);  // after each on_readable; more: not all that there is was read
  void close() noexcept;         // the user hears no more of it
  Handle handle() const noexcept;

  // What there is, at most as much as fits; would_block when there is nothing. `arrived` is set to how long
  // ago the last of the bytes came, where the kernel noted it; to 0 elsewhere.
  std::size_t read(std::string& into, Nanos& ago, error_code& error);
  void write(std::string_view bytes);  // the bytes must stay where they are until on_written

 private:
  friend class Port;
#ifdef __linux__
  error_code begin_connecting(const boost::asio::ip::tcp::endpoint& target,
                              const boost::asio::ip::address* source);
  void ready(std::uint32_t events);
  void write_rest();
  error_code watch(int operation) noexcept;
#else
  using Socket =
      boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
#endif

  Port* port_;
  User* user_ = nullptr;
  std::uint32_t life_ = 0;  // handlers of an earlier connection of the same client do nothing
  bool stamps_ = false;
#ifdef __linux__
  bool connecting_ = false, waits_for_room_ = false;
  int file_ = -1;
  std::string_view rest_;  // still to be written
#else
  std::unique_ptr<Socket> socket_;
#endif
};

// How long ago a stamp of the wall clock was taken: within [0, 1 s], else 0, since somebody set that clock.
// Pure.
Nanos age_of_stamp(Nanos stamp, Nanos wall_now) noexcept;

}  // namespace chorus::replayer
