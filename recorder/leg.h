// One socket of a proxied connection: what it waits for, and when what it read had arrived.
//
// A message that passes costs a read and a write; everything beside them is what a proxy adds. Asio arms its
// epoll set anew for each wait, so on Linux the legs have a set of their own, level-triggered: a leg that
// goes on reading costs no call. Asio watches that set as one file, and keeps accepts, connects, timers and
// signals. While bytes come, the set is waited for by itself, without the calls of a turn through Asio.
// Elsewhere every wait is Asio's.
#pragma once

#include "traces/format/event.h"

#include <chrono>
#include <memory>
#include <span>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#ifdef __linux__
#include <boost/asio/posix/stream_descriptor.hpp>
#endif

namespace chorus::recorder {

using boost::asio::ip::tcp;
using Error = boost::system::error_code;
enum class Side : std::uint8_t { client = 0, server = 1 };

class Leg;

// The legs of one context. That context's thread, but for ring(); outlives them.
class LegSet {
 public:
  explicit LegSet(boost::asio::io_context& context);
  ~LegSet();
  LegSet(const LegSet&) = delete;
  LegSet& operator=(const LegSet&) = delete;

  Error arm();                           // begins to watch; call once
  Error watch(tcp::acceptor& acceptor);  // after arm(): a new client ends a wait for legs
  void disarm();                         // so that the context can run out of work
  void on_accepted();                    // others may wait in the queue: the context must see to them
  void ring() noexcept;  // any thread: ends a wait for legs, something was posted to the context

  // While one lives, something of the context's own must not wait: a connect, a timer of some milliseconds.
  // Capture it in the handler.
  class Errand {
   public:
    explicit Errand(LegSet& set) : set_(&set) { ++set_->errands_; }
    Errand(Errand&& other) noexcept : set_(std::exchange(other.set_, nullptr)) {}
    Errand& operator=(Errand&&) = delete;
    ~Errand() {
      if (set_ != nullptr) --set_->errands_;
    }

   private:
    LegSet* set_;
  };

 private:
  std::size_t errands_ = 0;
#ifdef __linux__
  friend class Leg;
  using Clock = std::chrono::steady_clock;
  void wait();
  void look();
  Error add(int file, void* what);
  boost::asio::posix::stream_descriptor bell_;  // the set, as Asio sees it
  int set_ = -1;
  int doorbell_ = -1;  // open as long as this: ring() may come late
  Clock::time_point accepting_until_{};
#endif
};

// Whether the kernel says when bytes arrived. A read of several segments has the time of the last of them.
#ifdef __linux__
inline constexpr bool kernel_times = true;
#else
inline constexpr bool kernel_times = false;
#endif
// What is accepted from it inherits that.
void ask_for_times(tcp::acceptor& acceptor);

// How long ago it was, at most a second: a stamp of the wall clock, which may have been set meanwhile (then
// 0).
format::Nanos age_of_arrival(format::Nanos stamp, format::Nanos wall_now) noexcept;

// The context's thread. Errors are values; the user's calls come from the context, or from within another
// one.
class Leg {
 public:
  struct User {
    virtual void on_readable(Side side) = 0;
    virtual void on_written(Side side, Error error, std::size_t size) = 0;
    virtual void on_alarm(Side side) = 0;  // broken, and nobody reads it
    virtual std::shared_ptr<void> alive() = 0;

   protected:
    ~User() = default;
  };

  Leg(tcp::socket socket, Side side) : socket_(std::move(socket)), side_(side) {}
  ~Leg() { close(); }
  Leg(const Leg&) = delete;
  Leg& operator=(const Leg&) = delete;

  tcp::socket& socket() { return socket_; }  // until open()
  // The connection is there: no delay, not blocking. An error is of a connection that has broken already; it
  // may also show with the first read.
  Error open(LegSet& set, User& user);

  void wait();  // on_readable(), once
  bool waits() const noexcept { return waits_; }
  // `ago`: how long before now the bytes arrived; 0 where that is not known.
  std::size_t read(std::span<char> into, format::Nanos& ago, Error& error);
  std::size_t write(format::Bytes bytes, Error& error);  // what the socket takes now
  void write_rest(
      format::Bytes bytes);  // on_written(), when some have gone; they stay the caller's until then
  Error trouble();           // what the system has to say about it apart from reads
  void end();                // half-closes: nothing more will be written
  void reset();              // a later close sends a reset instead of an end
  void close() noexcept;

 private:
  friend class LegSet;
  tcp::socket socket_;
  const Side side_;
  User* user_ = nullptr;
  bool waits_ = false;
#ifdef __linux__
  void ready(std::uint32_t events);
  void sync();
  LegSet* set_ = nullptr;
  int file_ = -1;
  std::uint32_t armed_ = 0;  // as epoll knows it
  bool inside_ = false;      // a call of the user's is under way; sync() follows it
  format::Bytes rest_;
#else
  void watch();
#endif
};

}  // namespace chorus::recorder
