// Each direction is a loop of: wait until bytes have come, read them into the recording's one buffer, write
// them to the other leg at once, note them with the time when they had arrived. Waiting apart from reading
// keeps thousands of idle connections free of buffers. What the other leg does not take is copied and written
// later.
//
// Which connections there are and when all of them end is recorder.cpp's business.
#include "recorder/session.h"

#include "traces/format/quantity.h"

#include <algorithm>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace chorus::recorder {

namespace asio = boost::asio;
using format::Bytes;
using format::EventKind;
using format::Nanos;

namespace {

bool not_now(const Error& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

}  // namespace

std::string show_endpoint(const tcp::endpoint& endpoint) {
  return show_address({.host = endpoint.address().to_string(), .port = endpoint.port()});
}

Session::Session(Recording& recording, Lane& lane, Arrival arrival,
                 const std::vector<tcp::endpoint>& upstream, std::function<void(std::uint32_t id)> ended)
    : recording_(recording),
      lane_(lane),
      upstream_(upstream),
      ended_(std::move(ended)),
      id_(arrival.id),
      peer_(std::move(arrival.peer)),
      latest_(arrival.time),
      legs_{Half(std::move(arrival.client), Side::client), Half(std::move(arrival.server), Side::server)} {
  if (recording.redaction.active()) redactor_.emplace(recording.redaction, lane.redacted);
  if (recording.one_per_write)
    recutting_ =
        std::make_unique<Recutting>(Recutting{OnePerWrite(*recording.one_per_write, lane.recut),
                                              asio::steady_timer(socket(Side::client).get_executor())});
}

void Session::start() {
  connect(0);
}

void Session::connect(std::size_t index) {
  tcp::socket& server = socket(Side::server);
  Error error;
  if (index > 0) {  // a socket that failed to connect cannot be used again
    server.close(error);
    server.open(upstream_[index].protocol(), error);
    if (error) return refuse(error.message());
  }
  server.async_connect(upstream_[index], [self = shared_from_this(), index,
                                          errand = LegSet::Errand(lane_.legs)](Error failure) {
    if (self->over_) return;
    // An upstream that takes a connection and drops it at once (it is full) shows here, as a reset instead of
    // a refusal. It was there, and may have said why.
    if (failure == asio::error::connection_reset)
      self->half(Side::server).broken = failure;
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
  if (socket(Side::server).local_endpoint(error) == server && !error) return refuse("Connection refused");
  connected_ = true;
  // The client's clock started when it was accepted, so that is the time of the event; it is only known now
  // that the connection has two legs.
  note(latest_, EventKind::Opened, show_endpoint(peer_) + ' ' + show_endpoint(server));
  for (const Side side : {Side::client, Side::server}) {
    if (const Error error_of_leg = leg(side).open(lane_.legs, *this); error_of_leg)
      return on_broken(side, error_of_leg, recording_.now());
    leg(side).wait();
  }
}

void Session::refuse(std::string_view why) {
  note(recording_.now(), EventKind::Refused, why);
  recording_.count_refused();
  recording_.status.say("chorus record: connection " + std::to_string(id_) + " of " + show_endpoint(peer_) +
                        " was closed, the upstream cannot be reached: " + std::string(why));
  finish();
}

void Session::on_readable(Side from) {
  if (over_) return;
  const auto chunk = lane_.chunk();
  Error error;
  Nanos ago{};
  const std::size_t size = leg(from).read(chunk, ago, error);
  if (not_now(error)) return leg(from).wait();
  const Nanos now = recording_.now();
  if (error == asio::error::eof && half(from).broken) error = half(from).broken;
  const bool one_by_one = recutting_ && from == Side::client;
  if (error == asio::error::eof && one_by_one && !recutting_->messages.empty()) return write_rest(now);
  if (error == asio::error::eof) return on_end(from, now);
  if (error) return on_broken(from, error, now);
  const Bytes bytes(chunk.data(), size);
  if (recutting_ && from == Side::server) recutting_->wait.cancel();  // it has read, so the next one may go
  if (!one_by_one) return hand_on(from, bytes, now - ago);
  recutting_->messages.add(bytes);
  write_message();
}

void Session::hand_on(Side from, Bytes bytes, Nanos arrived) {
  const Side to = other(from);
  Error error;
  const std::size_t taken = leg(to).write(bytes, error);
  note(arrived, from == Side::client ? EventKind::ToServer : EventKind::ToClient, bytes);
  if (error && !not_now(error)) return on_unwritable(to, error);
  if (taken == bytes.size()) return go_on(from);
  half(to).pending.assign(bytes.substr(taken));
  half(to).taken = 0;
  flush(to);
  look_for_reset(from);
}

// The other leg took everything.
void Session::go_on(Side from) {
  if (from == Side::client && recutting_ && recutting_->messages.has_next()) return write_later();
  leg(from).wait();
}

void Session::write_message() {
  const auto message = recutting_->messages.next();
  if (!message) return leg(Side::client).wait();
  if (lane_.recut.unframed > 0) recording_.say_unframed(id_);
  hand_on(Side::client, *message, recording_.now());
}

void Session::write_later() {
  recutting_->wait.expires_after(longest_wait);
  recutting_->wait.async_wait([self = shared_from_this(), errand = LegSet::Errand(lane_.legs)](Error) {
    if (!self->over_) self->write_message();
  });
  look_for_reset(Side::client);
}

// The client has ended within a message. Its end is read again afterwards.
void Session::write_rest(Nanos now) {
  const std::string rest = recutting_->messages.take_rest();
  if (lane_.recut.unframed > 0) recording_.say_unframed(id_);
  hand_on(Side::client, rest, now);
}

// What was read and cannot be written any more stands in the trace even so.
void Session::note_rest(Nanos now) {
  if (!recutting_ || recutting_->messages.empty()) return;
  note(now, EventKind::ToServer, recutting_->messages.take_rest());
}

void Session::flush(Side to) {
  leg(to).write_rest(Bytes(half(to).pending).substr(half(to).taken));
}

void Session::on_written(Side to, Error error, std::size_t size) {
  if (over_) return;
  if (error) return on_unwritable(to, error);
  Half& sink = half(to);
  sink.taken += size;
  if (sink.taken < sink.pending.size()) return flush(to);
  std::string().swap(sink.pending);
  go_on(other(to));
}

// Nothing waits for the other leg now: a leg is only read while the other one took everything.
void Session::on_end(Side from, Nanos now) {
  half(from).ended = true;
  note(now, from == Side::client ? EventKind::ClientEnd : EventKind::ServerEnd);
  if (half(other(from)).ended) return close(now, "");
  leg(other(from)).end();
  look_for_reset(from);
}

// The peer has gone, but its last words may not have been read yet ("ERROR :Closing link", then a reset).
// They go on to the other side first; nothing more is taken from there.
void Session::on_unwritable(Side side, const Error& error) {
  half(side).broken = error;
  std::string().swap(half(side).pending);
  if (half(side).ended) return on_broken(side, error, recording_.now());
  look_for_reset(other(side));
}

void Session::on_broken(Side side, const Error& error, Nanos now) {
  note_rest(now);
  note(now, side == Side::client ? EventKind::ClientReset : EventKind::ServerReset, error.message());
  leg(other(side)).reset();
  close(now, side == Side::client ? "client reset" : "server reset");
}

// A reset shows to a read, after the last bytes. A leg that is not being read, since it has ended or since
// the other one is too slow, would hide it until somebody writes.
void Session::on_alarm(Side side) {
  if (over_) return;
  half(side).alarmed = true;
  look_for_reset(side);
}

void Session::look_for_reset(Side side) {
  if (over_ || leg(side).waits() || !half(side).alarmed) return;
  if (const Error error = leg(side).trouble()) on_broken(side, error, recording_.now());
}

// The times of a connection never run backwards: one read may have its time from the kernel, the next event
// its own from our clock, and the wall clock may be set in between.
void Session::note(Nanos time, EventKind kind, Bytes payload) {
  latest_ = std::max(latest_, time);
  const format::Event event{
      .time = latest_, .connection = id_, .kind = kind, .payload = payload, .intended = {}};
  recording_.count(event);
  if (!redactor_) return recording_.note(event);
  redactor_->add(event, [this](const format::Event& ready) { recording_.note(ready); });
}

void Session::stop(std::string_view why) {
  if (over_) return;
  const Nanos now = recording_.now();
  note_rest(now);
  if (connected_) return close(now, why);
  note(now, EventKind::Refused, why);
  finish();
}

void Session::close(Nanos now, std::string_view why) {
  note(now, EventKind::Closed, why);
  finish();
}

void Session::finish() {
  over_ = true;
  if (redactor_) redactor_->finish([this](const format::Event& ready) { recording_.note(ready); });
  if (recutting_) recutting_->wait.cancel();
  // Whoever called may be a leg, and events of this one may have been fetched: it lives on until that is
  // over.
  asio::post(lane_.context, [self = shared_from_this()] {});
  for (Half& each : legs_) {
    each.leg.close();
    std::string().swap(each.pending);
  }
  ended_(id_);
}

}  // namespace chorus::recorder
