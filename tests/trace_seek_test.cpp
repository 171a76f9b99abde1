// Reading a part of a trace, by time and by connection: the same as reading all of it and taking the part.
#include "tests/trace_sample.h"
#include "traces/format/container.h"

#include <algorithm>

#include <catch2/catch.hpp>

namespace chorus::format {
namespace {

constexpr std::uint32_t connections = 200, each = 50;

// Connection c speaks from c ms on, every 0.1 ms: each is in few of the blocks, and some hold several.
std::vector<Event> all_events() {
  std::vector<Event> events;
  for (std::uint32_t connection = 0; connection < connections; ++connection) {
    for (std::uint32_t i = 0; i < each; ++i) {
      const Nanos time = std::chrono::milliseconds(connection) + std::chrono::microseconds(100 * i);
      events.push_back({time, connection, EventKind::ToClient, "some bytes", {}});
    }
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  return events;
}

void write_all(const std::filesystem::path& path) {
  WriterOptions options;
  options.block_events = 100;
  options.wait_when_full = true;
  options.block_age = std::chrono::hours(1);
  auto writer = Writer::create(path, options).value();
  writer->info("{}");
  for (const Event& event : all_events()) writer->add(event);
  REQUIRE(writer->close().has_value());
}

bool is_wanted(const Event& event, const Selection& wanted) {
  const auto& some = wanted.connections;
  return event.time >= wanted.from && event.time <= wanted.until &&
         (some.empty() || std::find(some.begin(), some.end(), event.connection) != some.end());
}

struct Read {
  std::size_t blocks = 0, infos = 0, events = 0;
  bool right = true;
};

Read read(Reader& reader, const Selection& wanted) {
  std::vector<Event> expected = all_events();
  std::erase_if(expected, [&](const Event& event) { return !is_wanted(event, wanted); });
  Read result;
  reader.seek(wanted);
  while (reader.next()) {
    result.infos += reader.kind() == BlockKind::Info;
    result.blocks += reader.kind() == BlockKind::Events;
    for (const Event& event : reader.events()) {
      result.right =
          result.right && result.events < expected.size() && sample::same(event, expected[result.events]);
      ++result.events;
    }
  }
  result.right = result.right && result.events == expected.size();
  return result;
}

std::vector<Selection> selections() {
  using std::chrono::milliseconds;
  return {{},
          {milliseconds(50), milliseconds(60), {}},
          {milliseconds(203), Nanos::max(), {}},
          {Nanos::min(), Nanos(0), {}},
          {Nanos::min(), Nanos(-1), {}},
          {milliseconds(20), milliseconds(10), {}},
          {Nanos::min(), Nanos::max(), {7}},
          {Nanos::min(), Nanos::max(), {150, 3}},
          {milliseconds(5), milliseconds(6), {1, 2, 3, 199}},
          {Nanos::min(), Nanos::max(), {100'000}}};
}

TEST_CASE("a part of a trace is what all of it has of that, in any order of seeking", "[seek]") {
  const sample::Folder folder;
  write_all(folder / "a.trace");
  auto reader = Reader::open(folder / "a.trace").value();
  for (const Selection& wanted : selections()) {
    const Read result = read(*reader, wanted);
    CHECK(result.right);
    CHECK(result.infos == 1);
    CHECK(!reader->damage().any());
  }
}

TEST_CASE("blocks without anything that is wanted are not read", "[seek]") {
  const sample::Folder folder;
  write_all(folder / "a.trace");
  auto reader = Reader::open(folder / "a.trace").value();
  std::string bytes = sample::read_file(folder / "a.trace");
  const auto size = bytes.size();
  CHECK(read(*reader, {std::chrono::milliseconds(50), std::chrono::milliseconds(51), {}}).blocks <= 3);
  CHECK(read(*reader, {Nanos::min(), Nanos::max(), {7}}).blocks <= 12);  // 64 bits: 71 and 135 look the same

  // So damage elsewhere is not met.
  for (std::size_t at = size / 2; at < size / 2 + 3000; ++at) bytes[at] ^= 0x55;
  sample::write_file(folder / "b.trace", bytes);
  auto damaged = Reader::open(folder / "b.trace").value();
  CHECK(read(*damaged, {Nanos::min(), std::chrono::milliseconds(20), {}}).right);
  CHECK(!damaged->damage().any());
  CHECK(read(*damaged, {std::chrono::milliseconds(190), Nanos::max(), {}}).right);
  CHECK(!damaged->damage().any());
  CHECK(!read(*damaged, {}).right);
  CHECK(damaged->damage().any());
  CHECK(damaged->damage().missing_events > 0);
}

TEST_CASE("a cut trace has no index, and its parts are found even so", "[seek]") {
  const sample::Folder folder;
  write_all(folder / "a.trace");
  std::string bytes = sample::read_file(folder / "a.trace");
  sample::write_file(folder / "b.trace", std::string_view(bytes).substr(0, bytes.size() - 40));
  auto reader = Reader::open(folder / "b.trace").value();
  for (const Selection& wanted : selections()) {
    CHECK(read(*reader, wanted).right);
    CHECK(reader->damage().cut);
  }
}

TEST_CASE("a trace from before the index knew connections is read whole for them", "[seek]") {
  auto reader = Reader::open(CHORUS_SOURCE "/tests/traces/steady.trace").value();
  std::size_t all = 0, of_0 = 0, found = 0;
  while (reader->next()) {
    all += reader->events().size();
    for (const Event& event : reader->events()) of_0 += event.connection == 0;
  }
  Selection wanted;
  wanted.connections = {0};
  reader->seek(wanted);
  while (reader->next()) found += reader->events().size();
  CHECK(found == of_0);
  CHECK(all > of_0);
  CHECK(!reader->damage().any());
}

TEST_CASE("how much is lost is told in events and in time", "[seek]") {
  const sample::Folder folder;
  write_all(folder / "a.trace");
  const std::string whole = sample::read_file(folder / "a.trace");
  const auto events = all_events();
  std::vector<std::size_t> begins;
  for (std::size_t at = 0; (at = whole.find(block_magic, at)) != std::string::npos; ++at)
    begins.push_back(at);
  const auto damage_of = [&](std::string_view bytes) {
    sample::write_file(folder / "b.trace", bytes);
    return load(folder / "b.trace").value().damage;
  };
  const Nanos span = events[299].time - events[200].time;  // of block 3, behind Info and two of events

  SECTION("with an index, to the nanosecond") {
    std::string bytes = whole;
    bytes[begins.at(3) + 100] ^= 1;
    CHECK(damage_of(bytes).missing_events == 100);
    CHECK(damage_of(bytes).missing_time == span);
    CHECK(damage_of(whole.substr(0, begins.at(3)) + whole.substr(begins.at(4))).missing_time == span);
  }
  SECTION("without an index, by what stands before and behind") {
    std::string bytes = whole.substr(0, begins.back());
    bytes[begins.at(3) + 100] ^= 1;
    CHECK(damage_of(bytes).missing_events == 100);
    CHECK(damage_of(bytes).missing_time == events[300].time - events[199].time);
  }
  SECTION("in a block that was cut, by its header") {
    const auto damage = damage_of(std::string_view(whole).substr(0, begins.at(3) + 100));
    CHECK(damage.cut);
    CHECK(damage.missing_events == 100);
    CHECK(damage.missing_time == events[299].time - events[199].time);
  }
  SECTION("nothing, where nothing is lost") {
    CHECK(damage_of(whole).missing_time == Nanos(0));
    CHECK(damage_of(std::string_view(whole).substr(0, begins.at(3))).missing_time == Nanos(0));
  }
}

}  // namespace
}  // namespace chorus::format
