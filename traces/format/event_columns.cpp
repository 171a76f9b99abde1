#include "traces/format/column.h"

#include <algorithm>
#include <limits>

namespace chorus::format {
namespace {

constexpr std::int64_t no_intended = std::numeric_limits<std::int64_t>::min();
constexpr std::uint64_t widest = std::numeric_limits<std::uint32_t>::max();

// b - a for a <= b, whatever their signs.
std::uint64_t distance(std::int64_t a, std::int64_t b) {
  return static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a);
}

}  // namespace

bool EventColumns::fits(Nanos time) const noexcept {
  if (kind.empty()) return true;
  return distance(std::min(first_ns, time.count()), std::max(last_ns, time.count())) <= widest;
}

void EventColumns::add(const Event& event) {
  const std::int64_t at = event.time.count();
  first_ns = kind.empty() ? at : std::min(first_ns, at);
  last_ns = kind.empty() ? at : std::max(last_ns, at);
  time_ns.push_back(at);
  connection.push_back(event.connection);
  kind.push_back(static_cast<std::uint8_t>(event.kind));
  size.push_back(static_cast<std::uint32_t>(event.payload.size()));
  if (const std::size_t needed = payload.size() + event.payload.size(); needed > payload.capacity())
    payload.reserve(std::max(needed, std::min(needed * 2, max_text)));
  payload.append(event.payload);
  if (event.kind != EventKind::ToServer) return;
  intended_ns.push_back(event.intended ? event.intended->count() : no_intended);
  any_intended = any_intended || event.intended.has_value();
}

void EventColumns::lose(Nanos time, std::uint64_t events) {
  lost_first_ns = lost == 0 ? time.count() : std::min(lost_first_ns, time.count());
  lost_last_ns = lost == 0 ? time.count() : std::max(lost_last_ns, time.count());
  lost += events;
}

void EventColumns::lose(const EventColumns& others) {
  if (others.count() > 0) {
    lose(Nanos(others.first_ns), others.count());
    lose(Nanos(others.last_ns), 0);
  }
  if (others.lost > 0) {
    lose(Nanos(others.lost_first_ns), others.lost);
    lose(Nanos(others.lost_last_ns), 0);
  }
}

void EventColumns::clear() noexcept {
  time_ns.clear();
  connection.clear();
  size.clear();
  kind.clear();
  intended_ns.clear();
  payload.clear();
  any_intended = false;
  first_ns = last_ns = lost_first_ns = lost_last_ns = 0;
  lost = 0;
}

void pack(const EventColumns& events, flatbuffers::FlatBufferBuilder& builder,
          std::vector<std::uint32_t>& offsets) {
  offsets.resize(events.count());
  std::transform(events.time_ns.begin(), events.time_ns.end(), offsets.begin(), [&](std::int64_t time) {
    return static_cast<std::uint32_t>(distance(events.first_ns, time));
  });
  const auto offset = write_column(builder, offsets);
  const auto connection = write_column(builder, events.connection);
  const auto kind = write_column(builder, events.kind);
  const auto size = write_column(builder, events.size);
  const auto payload = write_bytes(builder, events.payload);
  const flatbuffers::Offset<flatbuffers::Vector<std::int64_t>> intended =
      events.any_intended ? write_column(builder, events.intended_ns) : 0;
  builder.FinishSizePrefixed(schema::CreateEvents(builder, offset, connection, kind, size, payload, intended,
                                                  events.lost, events.lost_first_ns, events.lost_last_ns));
}

Expected<void> unpack(const schema::Events& table, const BlockHeader& header, Content& content) {
  const std::size_t count = header.count;
  Columns columns;
  const auto offset = columns.rows(table.offset_ns(), count, "offset_ns");
  const auto connection = columns.rows(table.connection(), count, "connection");
  const auto kind = columns.rows(table.kind(), count, "kind");
  const auto size = columns.rows(table.size(), count, "size");
  Bytes payload = columns.texts(table.payload(), size, "payload");
  const auto intended = columns.any(table.intended_ns(), "intended_ns");
  if (!columns.ok()) return columns.result();

  std::uint32_t smallest = count == 0 ? 0 : offset[0], largest = smallest;
  std::uint8_t highest = 0;
  bool none = false;
  std::size_t sends = 0;
  for (std::size_t i = 0; i < count; ++i) {
    smallest = std::min(smallest, offset[i]);
    largest = std::max(largest, offset[i]);
    highest = std::max(highest, kind[i]);
    none = none || kind[i] == 0;
    sends += kind[i] == static_cast<std::uint8_t>(EventKind::ToServer);
  }
  columns.require(!none && highest <= static_cast<std::uint8_t>(EventKind::Closed),
                  "an event is of unknown kind");
  columns.require(intended.empty() || intended.size() == sends,
                  "intended_ns does not fit the ToServer events");
  columns.require(header.first_ns <= header.last_ns && smallest == 0 &&
                      distance(header.first_ns, header.last_ns) == largest,
                  "the times of a block's header are not those of its events");
  columns.require(table.lost_first_ns() <= table.lost_last_ns(), "the times of lost events run backwards");
  if (!columns.ok()) return columns.result();

  content.lost = table.lost();
  content.lost_first_ns = table.lost_first_ns();
  content.lost_last_ns = table.lost_last_ns();
  content.events.resize(count);
  std::size_t send = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Event& event = content.events[i];
    event.time = Nanos(header.first_ns + offset[i]);
    event.connection = connection[i];
    event.kind = static_cast<EventKind>(kind[i]);
    event.payload = take(payload, size[i]);
    event.intended.reset();
    if (event.kind != EventKind::ToServer || intended.empty()) continue;
    if (intended[send] != no_intended) event.intended = Nanos(intended[send]);
    ++send;
  }
  return {};
}

}  // namespace chorus::format
