// Each direction is a loop of: wait until bytes have come, read them into the recording's one buffer, look at
// the clock, write them to the other leg at once, note them. Waiting apart from reading keeps thousands of
// idle connections free of buffers. What the other leg does not take is copied and flushed by async writes.
//
// Which connections there are and when all of them end is recorder.cpp's business.
#include "recorder/session.h"

#include "traces/format/quantity.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#ifndef _WIN32
#include <sys/socket.h>
#endif

namespace chorus::recorder {

namespace asio = boost::asio;
using format::Bytes;
using format::EventKind;
using format::Nanos;

namespace {

void be_quick(tcp::socket& socket) {
  Error ignored;  // of a connection that has broken already; its first read says so
  socket.set_option(tcp::no_delay(true), ignored);
  // An urgent byte stays in its place in the stream; left outside, it would be lost here.
  socket.set_option(asio::socket_base::out_of_band_inline(true), ignored);
  socket.non_blocking(true, ignored);
}

bool not_now(const Error& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

}  // namespace

std::string show_endpoint(const tcp::endpoint& endpoint) {
  return show_address({.host = endpoint.address().to_string(), .port = endpoint.port()});
}

Session::Session(Recording& recording, Arrival arrival, const std::vector<tcp::endpoint>& upstream,
                 std::function<void(std::uint32_t id)> ended)
    : recording_(recording),
      upstream_(upstream),
      ended_(std::move(ended)),
      id_(arrival.id),
      peer_(std::move(arrival.peer)),
      accepted_(arrival.time),
      legs_{Leg(std::move(arrival.client)), Leg(std::move(arrival.server))} {
  if (recording.one_per_write)
    recutting_ =
        std::make_unique<Recutting>(Recutting{OnePerWrite(*recording.one_per_write, recording.recut),
                                              asio::steady_timer(leg(Side::client).socket.get_executor())});
}

void Session::start() {
  connect(0);
}

void Session::connect(std::size_t index) {
  auto& socket = leg(Side::server).socket;
  Error error;
  if (index > 0) {  // a socket that failed to connect cannot be used again
    socket.close(error);
    socket.open(upstream_[index].protocol(), error);
    if (error) return refuse(error.message());
  }
  socket.async_connect(upstream_[index], [self = shared_from_this(), index](Error failure) {
    if (self->over_) return;
    // An upstream that takes a connection and drops it at once (it is full) shows here, as a reset instead of
    // a refusal. It was there, and may have said why.
    if (failure == asio::error::connection_reset)
      self->leg(Side::server).broken = failure;
    else if (failure && index + 1 < self->upstream_.size())
      return self->connect(index + 1);
    else if (failure)
      return self->refuse(failure.message());
    self->on_connected(self->upstream_[index]);
  });
}

void Session::on_connected(const tcp::endpoint& server) {
  // Where nobody listens on a port of the ephemeral range, TCP can connect a socket to itself.
  Error error;
  if (leg(Side::server).socket.local_endpoint(error) == server && !error) return refuse("Connection refused");
  connected_ = true;
  // The client's clock started when it was accepted, so that is the time of the event; it is only known now
  // that the connection has two legs.
  recording_.note(accepted_, id_, EventKind::Opened, show_endpoint(peer_) + ' ' + show_endpoint(server));
  for (const Side side : {Side::client, Side::server}) {
    be_quick(leg(side).socket);
    watch(side);
    read(side);
  }
}

void Session::refuse(std::string_view why) {
  recording_.note(recording_.now(), id_, EventKind::Refused, why);
  ++recording_.totals.refused;
  recording_.status.say("chorus record: connection " + std::to_string(id_) + " of " + show_endpoint(peer_) +
                        " was closed, the upstream cannot be reached: " + std::string(why));
  finish();
}

void Session::read(Side from) {
  leg(from).reading = true;
  leg(from).socket.async_wait(tcp::socket::wait_read, [self = shared_from_this(), from](Error error) {
    self->on_readable(from, error);
  });
}

void Session::on_readable(Side from, Error error) {
  if (over_) return;
  leg(from).reading = false;
  const auto chunk = recording_.chunk();
  std::size_t size = 0;
  if (!error) size = leg(from).socket.read_some(asio::buffer(chunk.data(), chunk.size()), error);
  const Nanos now = recording_.now();
  if (not_now(error)) return read(from);
  if (error == asio::error::eof && leg(from).broken) error = leg(from).broken;
  const bool one_by_one = recutting_ && from == Side::client;
  if (error == asio::error::eof && one_by_one && !recutting_->messages.empty()) return write_rest(now);
  if (error == asio::error::eof) return on_end(from, now);
  if (error) return on_broken(from, error, now);
  const Bytes bytes(chunk.data(), size);
  if (recutting_ && from == Side::server) recutting_->wait.cancel();  // it has read, so the next one may go
  if (!one_by_one) return hand_on(from, bytes, now);
  recutting_->messages.add(bytes);
  write_message();
}

void Session::hand_on(Side from, Bytes bytes, Nanos now) {
  const Side to = other(from);
  Error error;
  const std::size_t taken = leg(to).socket.write_some(asio::buffer(bytes.data(), bytes.size()), error);
  recording_.note(now, id_, from == Side::client ? EventKind::ToServer : EventKind::ToClient, bytes);
  if (error && !not_now(error)) return on_unwritable(to, error);
  if (taken == bytes.size()) return go_on(from);
  leg(to).pending.assign(bytes.substr(taken));
  leg(to).taken = 0;
  flush(to);
  look_for_reset(from);
}

// The other leg took everything.
void Session::go_on(Side from) {
  if (from == Side::client && recutting_ && recutting_->messages.has_next()) return write_later();
  read(from);
}

void Session::write_message() {
  const auto message = recutting_->messages.next();
  if (!message) return read(Side::client);
  say_unframed();
  hand_on(Side::client, *message, recording_.now());
}

void Session::write_later() {
  recutting_->wait.expires_after(longest_wait);
  recutting_->wait.async_wait([self = shared_from_this()](Error) {
    if (!self->over_) self->write_message();
  });
  look_for_reset(Side::client);
}

// The client has ended within a message. Its end is read again afterwards.
void Session::write_rest(Nanos now) {
  const std::string rest = recutting_->messages.take_rest();
  say_unframed();
  hand_on(Side::client, rest, now);
}

// What was read and cannot be written any more stands in the trace even so.
void Session::note_rest(Nanos now) {
  if (!recutting_ || recutting_->messages.empty()) return;
  recording_.note(now, id_, EventKind::ToServer, recutting_->messages.take_rest());
}

void Session::say_unframed() {
  Recut& recut = recording_.recut;
  if (recut.unframed == 0 || std::exchange(recut.said, true)) return;
  recording_.status.say(
      "chorus record: connection " + std::to_string(id_) +
      " sent bytes that are no whole message of the page; they were forwarded as they came. "
      "If there are many, --protocol names the wrong page");
}

void Session::flush(Side to) {
  const Bytes rest = Bytes(leg(to).pending).substr(leg(to).taken);
  leg(to).socket.async_write_some(asio::buffer(rest.data(), rest.size()),
                                  [self = shared_from_this(), to](Error error, std::size_t size) {
                                    if (self->over_) return;
                                    if (error) return self->on_unwritable(to, error);
                                    Leg& sink = self->leg(to);
                                    sink.taken += size;
                                    if (sink.taken < sink.pending.size()) return self->flush(to);
                                    std::string().swap(sink.pending);
                                    self->go_on(other(to));
                                  });
}

// Nothing waits for the other leg now: a leg is only read while the other one took everything.
void Session::on_end(Side from, Nanos now) {
  leg(from).ended = true;
  recording_.note(now, id_, from == Side::client ? EventKind::ClientEnd : EventKind::ServerEnd);
  if (leg(other(from)).ended) return close(now, "");
  Error ignored;  // the other leg has broken: its own read shows it
  leg(other(from)).socket.shutdown(tcp::socket::shutdown_send, ignored);
  look_for_reset(from);
}

// The peer has gone, but its last words may not have been read yet ("ERROR :Closing link", then a reset).
// They go on to the other side first; nothing more is taken from there.
void Session::on_unwritable(Side side, const Error& error) {
  leg(side).broken = error;
  std::string().swap(leg(side).pending);
  if (leg(side).ended) return on_broken(side, error, recording_.now());
  look_for_reset(other(side));
}

void Session::on_broken(Side side, const Error& error, Nanos now) {
  note_rest(now);
  recording_.note(now, id_, side == Side::client ? EventKind::ClientReset : EventKind::ServerReset,
                  error.message());
  Error ignored;
  // A close with linger 0 sends a reset instead of an end.
  leg(other(side)).socket.set_option(asio::socket_base::linger(true, 0), ignored);
  close(now, side == Side::client ? "client reset" : "server reset");
}

// A reset shows to a read, after the last bytes. A leg that is not being read, since it has ended or since
// the other one is too slow, would hide it until somebody writes; so the system is asked for errors apart
// from reads. On Windows that wait costs a thread and a select(), so there such a reset shows with the next
// write.
void Session::watch([[maybe_unused]] Side side) {
#ifndef _WIN32
  leg(side).socket.async_wait(tcp::socket::wait_error, [self = shared_from_this(), side](Error error) {
    if (error || self->over_) return;
    self->leg(side).alarmed = true;
    self->look_for_reset(side);
  });
#endif
}

void Session::look_for_reset([[maybe_unused]] Side side) {
#ifndef _WIN32
  if (over_ || leg(side).reading || !leg(side).alarmed) return;
  int code = 0;
  socklen_t length = sizeof code;
  if (::getsockopt(leg(side).socket.native_handle(), SOL_SOCKET, SO_ERROR, &code, &length) != 0 || code == 0)
    return;
  on_broken(side, Error(code, boost::system::system_category()), recording_.now());
#endif
}

void Session::stop(std::string_view why) {
  if (over_) return;
  const Nanos now = recording_.now();
  note_rest(now);
  if (connected_) return close(now, why);
  recording_.note(now, id_, EventKind::Refused, why);
  finish();
}

void Session::close(Nanos now, std::string_view why) {
  recording_.note(now, id_, EventKind::Closed, why);
  finish();
}

void Session::finish() {
  over_ = true;
  if (recutting_) recutting_->wait.cancel();
  for (Leg& each : legs_) {
    Error ignored;  // nothing can be done about a close that fails
    each.socket.close(ignored);
    std::string().swap(each.pending);
  }
  ended_(id_);
}

}  // namespace chorus::recorder
