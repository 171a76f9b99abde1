#include "traces/convert/captured.h"

#include <algorithm>

namespace chorus::convert {
namespace {

using format::EventKind;
using format::Nanos;

constexpr std::size_t largest_chunk = 1u << 20;  // what the writer keeps in one event

}  // namespace

void CapturedEvents::note(Nanos time, std::uint32_t connection, EventKind kind, format::Bytes payload) {
  flush();
  writer_.add({.time = time, .connection = connection, .kind = kind, .payload = payload, .intended = {}});
  ++report_.events;
}

void CapturedEvents::bytes(Nanos time, std::uint32_t connection, EventKind kind, format::Bytes payload) {
  const bool same = chunk_.kind == kind && chunk_.time == time && chunk_.connection == connection &&
                    payload_.size() + payload.size() <= largest_chunk;
  if (!same) {
    flush();
    chunk_ = {.time = time, .connection = connection, .kind = kind, .payload = {}, .intended = {}};
  }
  payload_ += payload;
}

void CapturedEvents::flush() {
  if (chunk_.kind == EventKind::None) return;
  chunk_.payload = payload_;
  writer_.add(chunk_);
  ++report_.events;
  chunk_ = {};
  payload_.clear();
}

Nanos CapturedConnection::in_order(Nanos time) {
  return last_ = std::max(last_, time);
}

void CapturedConnection::note(Nanos time, EventKind kind, format::Bytes payload) {
  if (!std::exchange(numbered_, true)) number_ = events_.number();
  events_.note(in_order(time), number_, kind, payload);
}

void CapturedConnection::open(Nanos time) {
  if (std::exchange(opened_, true)) return;
  ++report_.connections;
  note(time, EventKind::Opened, show_endpoint(client) + ' ' + show_endpoint(server));
}

void CapturedConnection::data(Nanos time, Side from, format::Bytes bytes) {
  if (bytes.empty()) return;
  open(time);
  const bool up = from == Side::client;
  (up ? report_.to_server_bytes : report_.to_client_bytes) += bytes.size();
  events_.bytes(in_order(time), number_, up ? EventKind::ToServer : EventKind::ToClient, bytes);
}

void CapturedConnection::end(Nanos time, Side side) {
  open(time);
  ended_[static_cast<std::size_t>(side)] = true;
  note(time, side == Side::client ? EventKind::ClientEnd : EventKind::ServerEnd, {});
  if (ended_[0] && ended_[1]) close(time, "");
}

void CapturedConnection::reset(Nanos time, Side side, const std::string& why) {
  const bool by_client = side == Side::client;
  if (!opened_ && !by_client) return refuse(time, "Connection refused");
  open(time);
  note(time, by_client ? EventKind::ClientReset : EventKind::ServerReset, "Connection reset by peer");
  close(time, !why.empty() ? why : by_client ? "client reset" : "server reset");
}

void CapturedConnection::refuse(Nanos time, format::Bytes why) {
  over_ = true;
  ++report_.refused;
  note(time, EventKind::Refused, why);
}

void CapturedConnection::close(Nanos time, const std::string& why) {
  if (!opened_) return refuse(time, why.empty() ? "the server did not answer" : why);
  over_ = true;
  note(time, EventKind::Closed, why);
}

}  // namespace chorus::convert
