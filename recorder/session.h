// One proxied connection: the client's leg, the server's leg, and the two directions between them.
//
// A proxy must not change the chat that it watches. So each direction hands bytes on in the turn in which
// they were read, keeps at most one chunk that the other side could not take yet (and does not read on until
// it has gone: backpressure), passes an end of stream on as one and a reset as a reset. A connection at rest
// owns no buffer.
//
// Only where the page says one_per_write, the client's messages go out one by one: see one_per_write.h.
#pragma once

#include "recorder/recording.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::recorder {

using boost::asio::ip::tcp;
using Error = boost::system::error_code;

enum class Side : std::uint8_t { client = 0, server = 1 };

std::string show_endpoint(const tcp::endpoint& endpoint);

// One thread: the one that runs the sockets' context. Network errors are events of the trace, not failures.
class Session : public std::enable_shared_from_this<Session> {
 public:
  struct Arrival {
    std::uint32_t id = 0;
    tcp::socket client;
    tcp::endpoint peer;    // the client's address; it may have gone already
    tcp::socket server;    // open, not connected: the file that this connection will need
    format::Nanos time{};  // of the accept
  };
  // `ended` is called once, as the last thing that happens here.
  Session(Recording& recording, Arrival arrival, const std::vector<tcp::endpoint>& upstream,
          std::function<void(std::uint32_t id)> ended);

  void start();                     // connects to the upstream addresses in turn
  void stop(std::string_view why);  // ends both legs now; may be called at any time

 private:
  struct Leg {
    explicit Leg(tcp::socket connection) : socket(std::move(connection)) {}
    tcp::socket socket;
    std::string pending;    // what this leg's peer could not take yet
    std::size_t taken = 0;  // how much of it has gone since
    bool reading = false;   // a wait for bytes is under way
    bool ended = false;     // its peer sent the end of stream
    Error broken;           // why nothing can be written to it; what its peer said before is still being read
    bool alarmed = false;   // the system reported an error that no read has shown yet
  };
  struct Recutting {
    OnePerWrite messages;
    boost::asio::steady_timer wait;  // between two messages
  };
  static Side other(Side side) { return side == Side::client ? Side::server : Side::client; }
  Leg& leg(Side side) { return legs_[static_cast<std::size_t>(side)]; }

  void connect(std::size_t index);
  void on_connected(const tcp::endpoint& server);
  void refuse(std::string_view why);
  void read(Side from);
  void on_readable(Side from, Error error);
  void hand_on(Side from, format::Bytes bytes, format::Nanos now);
  void go_on(Side from);
  void write_message();
  void write_later();
  void write_rest(format::Nanos now);
  void note_rest(format::Nanos now);
  void say_unframed();
  void flush(Side to);
  void on_end(Side from, format::Nanos now);
  void on_unwritable(Side side, const Error& error);
  void on_broken(Side side, const Error& error, format::Nanos now);
  void watch(Side side);
  void look_for_reset(Side side);
  void close(format::Nanos now, std::string_view why);
  void finish();

  Recording& recording_;
  const std::vector<tcp::endpoint>& upstream_;
  const std::function<void(std::uint32_t id)> ended_;
  const std::uint32_t id_;
  const tcp::endpoint peer_;
  const format::Nanos accepted_;
  std::array<Leg, 2> legs_;
  std::unique_ptr<Recutting> recutting_;  // nullptr: the client's bytes go on as they come
  bool connected_ = false;
  bool over_ = false;  // handlers that still arrive do nothing
};

}  // namespace chorus::recorder
