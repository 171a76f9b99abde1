// One client's connection, and the port through which its worker waits for all of its clients.
//
// Asio opens connections, carries what other threads post and keeps the timers. What 10,000 clients do all
// the time, waiting for the next bytes, it does through each system's own means: on Linux an epoll set of the
// worker's, which the worker's io_context waits for as one descriptor, so that a message costs one read and
// no epoll_ctl (Asio's async_wait makes one for every wait); elsewhere by async_wait (on Windows a zero-byte
// receive on the completion port) and async_write. Measured against a bare epoll loop in one run:
// tests/bench/receive_broadcast.cpp.
//
// All of it runs on the worker's thread, but for handle(), which the sender uses under the token (token.h).
#pragma once

#include "replayer/direct_send.h"
#include "traces/format/event.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#ifdef __linux__
#include <boost/asio/posix/stream_descriptor.hpp>
#endif

namespace chorus::replayer {

using format::Nanos;

class Port {
 public:
  explicit Port(boost::asio::io_context& context);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // Where connections do not wait by themselves (Linux): asks the context to call `rung` once, when something
  // is ready; look() then tells the users of all that is, `most` at a time, and returns how many there were.
  static constexpr std::size_t most = 256;
  void arm(std::function<void()> rung);
  std::size_t look();
  void close();  // rung will not be called any more

  boost::asio::io_context& context() noexcept { return context_; }

 private:
  friend class Connection;
  boost::asio::io_context& context_;
#ifdef __linux__
  int set_ = -1;
  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> bell_;
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
  using Socket =
      boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;
  friend class Port;

  void connected(const error_code& error);
#ifdef __linux__
  void ready(std::uint32_t events);
  void write_rest();
  void watch();
#endif

  Port* port_;
  User* user_ = nullptr;
  std::unique_ptr<Socket> socket_;  // Linux: only until it is connected
  std::uint32_t life_ = 0;          // handlers of an earlier connection of the same client do nothing
  bool stamps_ = false;
#ifdef __linux__
  bool waits_for_room_ = false;
  int file_ = -1;
  std::string_view rest_;  // still to be written
#endif
};

// How long ago a stamp of the wall clock was taken: within [0, 1 s], else 0, since somebody set that clock.
// Pure.
Nanos age_of_stamp(Nanos stamp, Nanos wall_now) noexcept;

}  // namespace chorus::replayer
