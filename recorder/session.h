// One proxied connection: the client's leg, the server's leg, and the two directions between them.
//
// A proxy must not change the chat that it watches. So each direction hands bytes on in the turn in which
// they were read, keeps at most one chunk that the other side could not take yet (and does not read on until
// it has gone: backpressure), passes an end of stream on as one and a reset as a reset. A connection at rest
// owns no buffer.
//
// Only where the page says one_per_write, the client's messages go out one by one: see one_per_write.h.
#pragma once

#include "recorder/lane.h"
#include "recorder/leg.h"
#include "recorder/recording.h"
#include "recorder/redactor.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::recorder {

std::string show_endpoint(const tcp::endpoint& endpoint);

// The lane's thread. Network errors are events of the trace, not failures.
class Session final : public std::enable_shared_from_this<Session>, private Leg::User {
 public:
  struct Arrival {
    std::uint32_t id = 0;
    tcp::socket client;    // of the lane's context, like the server's
    tcp::endpoint peer;    // the client's address; it may have gone already
    tcp::socket server;    // open, not connected: the file that this connection will need
    format::Nanos time{};  // of the accept
  };
  // `ended` is called once, as the last thing that happens here.
  Session(Recording& recording, Lane& lane, Arrival arrival, const std::vector<tcp::endpoint>& upstream,
          std::function<void(std::uint32_t id)> ended);

  void start();                     // connects to the upstream addresses in turn
  void stop(std::string_view why);  // ends both legs now; may be called at any time

 private:
  struct Half {
    Half(tcp::socket connection, Side side) : leg(std::move(connection), side) {}
    Leg leg;
    std::string pending;    // what this leg's peer could not take yet
    std::size_t taken = 0;  // how much of it has gone since
    bool ended = false;     // its peer sent the end of stream
    Error broken;           // why nothing can be written to it; what its peer said before is still being read
    bool alarmed = false;   // the system reported an error that no read has shown yet
  };
  struct Recutting {
    OnePerWrite messages;
    boost::asio::steady_timer wait;  // between two messages
  };
  static Side other(Side side) { return side == Side::client ? Side::server : Side::client; }
  Half& half(Side side) { return legs_[static_cast<std::size_t>(side)]; }
  Leg& leg(Side side) { return half(side).leg; }
  tcp::socket& socket(Side side) { return leg(side).socket(); }  // before it is connected

  void connect(std::size_t index);
  void on_connected(const tcp::endpoint& server);
  void refuse(std::string_view why);
  void on_readable(Side from) override;
  void on_written(Side to, Error error, std::size_t size) override;
  void on_alarm(Side side) override;
  std::shared_ptr<void> alive() override { return shared_from_this(); }
  void hand_on(Side from, format::Bytes bytes, format::Nanos arrived);
  void go_on(Side from);
  void write_message();
  void write_later();
  void write_rest(format::Nanos now);
  void note_rest(format::Nanos now);
  void flush(Side to);
  void on_end(Side from, format::Nanos now);
  void on_unwritable(Side side, const Error& error);
  void on_broken(Side side, const Error& error, format::Nanos now);
  void look_for_reset(Side side);
  void note(format::Nanos time, format::EventKind kind, format::Bytes payload = {});
  void close(format::Nanos now, std::string_view why);
  void finish();

  Recording& recording_;
  Lane& lane_;
  const std::vector<tcp::endpoint>& upstream_;
  const std::function<void(std::uint32_t id)> ended_;
  const std::uint32_t id_;
  const tcp::endpoint peer_;
  format::Nanos latest_;  // time of the latest event; at first of the accept
  std::array<Half, 2> legs_;
  std::optional<Redactor> redactor_;      // nothing: the trace gets the bytes as they are
  std::unique_ptr<Recutting> recutting_;  // nullptr: the client's bytes go on as they come
  bool connected_ = false;
  bool over_ = false;  // handlers that still arrive do nothing
};

}  // namespace chorus::recorder
