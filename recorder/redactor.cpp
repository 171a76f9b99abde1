#include "recorder/redactor.h"

#include "traces/protocol/locator.h"

#include <algorithm>
#include <utility>

namespace chorus::recorder {

using format::Bytes;
using format::EventKind;
using protocol::Frame;

namespace {

std::optional<Side> side_of(EventKind kind) {
  if (kind == EventKind::ToServer) return Side::client;
  if (kind == EventKind::ToClient) return Side::server;
  return std::nullopt;
}

protocol::Side in_page(Side side) {
  return side == Side::client ? protocol::Side::client : protocol::Side::server;
}

Bytes view(std::span<const char> bytes) {
  return {bytes.data(), bytes.size()};
}

// Of a value of fixed width only what stands before its padding: that it is short shows anyway.
std::span<char> value_of(const protocol::Page::Field& field, std::span<char> message) {
  if (field.span.at > message.size()) return {};
  auto bytes = message.subspan(field.span.at, std::min(field.span.size, message.size() - field.span.at));
  if (field.encoding == protocol::Encoding::nul)
    bytes = bytes.first(std::min(view(bytes).find('\0'), bytes.size()));
  return bytes;
}

}  // namespace

Redacted& Redacted::operator+=(const Redacted& other) {
  for (std::size_t i = 0; i < sides.size(); ++i) {
    sides[i].secrets += other.sides[i].secrets;
    sides[i].matches += other.sides[i].matches;
    sides[i].blank_bytes += other.sides[i].blank_bytes;
  }
  return *this;
}

void Redactor::add(const format::Event& event, const Ready& ready) {
  const auto side = side_of(event.kind);
  Held held{event, side ? std::string() : std::string(event.payload), side ? event.payload.size() : 0};
  held.event.payload = {};
  held_.push_back(std::move(held));
  if (side) {
    streams_[static_cast<std::size_t>(*side)].text += event.payload;
    settle(*side);
  }
  release(ready);
  if (streams_[0].text.size() + streams_[1].text.size() + held_.size() * sizeof(Held) <= most_held) return;
  for (Stream& stream : streams_) stream.broken = stream.broken || stream.settled < stream.text.size();
  finish(ready);
}

void Redactor::finish(const Ready& ready) {
  for (const Side side : {Side::client, Side::server}) settle_rest(side);
  release(ready);
}

void Redactor::settle(Side side) {
  Stream& stream = streams_[static_cast<std::size_t>(side)];
  const std::span<char> text(stream.text);
  const auto rest = [&] { return text.subspan(stream.settled); };
  if (redaction_.leaves_out(side)) {
    std::ranges::fill(rest(), '\0');
    stream.settled = text.size();
    return;
  }
  const bool secrets = redaction_.secrets[static_cast<std::size_t>(side)];
  if (!secrets && !redaction_.pattern) {
    stream.settled = text.size();
    return;
  }
  const bool framed = redaction_.page && !redaction_.page->is_raw();
  while (framed && !stream.broken && stream.settled < text.size()) {
    const Frame frame =
        protocol::next_frame(redaction_.page->framing(in_page(side)), view(rest()), stream.scan);
    if (frame.is == Frame::Is::more) return;
    stream.broken = frame.is == Frame::Is::broken;
    if (stream.broken) break;
    redact(side, rest().first(frame.size));
    stream.settled += frame.size;
  }
  if (framed && !stream.broken) return;
  // Where passwords are known only by their place in a message, bytes without messages may hold one.
  if (secrets)
    blank_out(side, rest());
  else
    redact_matches(side, rest());
  stream.settled = text.size();
}

void Redactor::settle_rest(Side side) {
  Stream& stream = streams_[static_cast<std::size_t>(side)];
  blank_out(side, std::span<char>(stream.text).subspan(stream.settled));
  stream.settled = stream.text.size();
  stream.scan = {};
}

void Redactor::redact(Side side, std::span<char> message) {
  if (is_strange(side, message)) return blank_out(side, body_of(side, message));
  redact_fields(side, message);
  if (redaction_.pattern) redact_matches(side, body_of(side, message));
}

// A first message that the page would not take for one of its protocol (MQTT of another version, say), of a
// kind that has a password: where that stands nobody knows.
bool Redactor::is_strange(Side side, std::span<const char> message) {
  if (std::exchange(streams_[static_cast<std::size_t>(side)].begun, true)) return false;
  if (!redaction_.secrets[static_cast<std::size_t>(side)]) return false;
  const protocol::Page& page = *redaction_.page;
  return page.has_placed_secrets(in_page(side), page.kind_of(in_page(side), view(message))) &&
         !page.may_begin(in_page(side), view(message));
}

// Without what says where a message begins and ends: that must stay what it was.
std::span<char> Redactor::body_of(Side side, std::span<char> message) const {
  const protocol::Framing& framing = redaction_.page->framing(in_page(side));
  const std::size_t header = protocol::header_size(framing, view(message));
  const std::size_t size = protocol::without_delimiter(framing, view(message)).size();
  return message.subspan(std::min(header, size), size - std::min(header, size));
}

void Redactor::redact_fields(Side side, std::span<char> message) {
  const protocol::Page& page = *redaction_.page;
  std::vector<protocol::Page::Field> fields;
  page.fields(in_page(side), page.kind_of(in_page(side), view(message)), view(message), fields);
  for (const protocol::Page::Field& field : fields) {
    const bool secret =
        field.role == protocol::Role::secret && redaction_.secrets[static_cast<std::size_t>(side)];
    if (field.wrapping != protocol::Wrapping::base64) {
      if (!secret) continue;
      const auto value = value_of(field, message);
      std::ranges::fill(value, field.encoding == protocol::Encoding::integer ? '\0' : blank);
      redacted_.sides[static_cast<std::size_t>(side)].secrets += !value.empty();
      continue;
    }
    const auto wrapped = value_of(field, message);
    auto decoded = protocol::from_base64(view(wrapped));
    if (!decoded) continue;
    if (secret && field.inner.at <= decoded->size()) {
      const std::span<char> whole(*decoded);
      const auto value =
          whole.subspan(field.inner.at, std::min(field.inner.size, whole.size() - field.inner.at));
      std::ranges::fill(value, blank);
      redacted_.sides[static_cast<std::size_t>(side)].secrets += !value.empty();
    }
    if (redaction_.pattern) redact_matches(side, *decoded);
    std::string again;
    protocol::append_base64(*decoded, again);
    if (again.size() == wrapped.size())
      std::ranges::copy(again, wrapped.begin());
    else
      blank_out(side, wrapped);  // with line ends or without padding: nothing of it is worth a password
  }
}

void Redactor::redact_matches(Side side, std::span<char> bytes) {
  if (!redaction_.pattern || bytes.empty()) return;
  const auto found = redaction_.pattern->all(view(bytes));
  if (!found) return blank_out(side, bytes);  // too much work to say: nothing is let through
  for (const auto& [at, size] : *found) std::ranges::fill(bytes.subspan(at, size), blank);
  redacted_.sides[static_cast<std::size_t>(side)].matches += found->size();
}

void Redactor::blank_out(Side side, std::span<char> bytes) {
  std::ranges::fill(bytes, blank);
  redacted_.sides[static_cast<std::size_t>(side)].blank_bytes += bytes.size();
}

void Redactor::release(const Ready& ready) {
  while (!held_.empty()) {
    Held& first = held_.front();
    first.event.payload = first.text;
    if (const auto side = side_of(first.event.kind)) {
      Stream& stream = streams_[static_cast<std::size_t>(*side)];
      if (stream.released + first.size > stream.settled) break;
      first.event.payload = Bytes(stream.text).substr(stream.released, first.size);
      stream.released += first.size;
    }
    ready(first.event);
    held_.pop_front();
  }
  for (Stream& stream : streams_) {
    if (stream.released == 0) continue;
    stream.text.erase(0, stream.released);
    stream.settled -= stream.released;
    stream.released = 0;
  }
}

}  // namespace chorus::recorder
