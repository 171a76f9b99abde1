// The golden traces of version 1, in tests/golden: bytes that never change, and what must be read of them for
// ever. A new version of the format gets golden traces of its own beside these.
#include "tests/trace_sample.h"

#include <cstring>

#include <catch2/catch.hpp>

namespace chorus::format {
namespace {

const std::filesystem::path golden = CHORUS_SOURCE "/tests/golden";

Series series(std::string name, std::vector<Series::Point> points) {
  return {std::move(name), std::move(points)};
}

// Something of everything that version 1 can say. The same calls give the same bytes without compression.
void write_golden(const std::filesystem::path& path, Codec codec) {
  WriterOptions options;
  options.force = true;
  options.codec = codec;
  options.start = {1'700'000'000'123'456'789, 5'000'000'000};
  options.block_age = std::chrono::hours(1);
  options.block_events = 6;
  options.queue_bytes = 10'000;
  auto writer = Writer::create(path, options).value();
  writer->info(R"({"mode":"run","tool":"0.1.0"})");
  const auto add = [&](std::int64_t time, std::uint32_t connection, EventKind kind, std::string_view payload,
                       std::optional<Nanos> intended = {}) {
    writer->add({Nanos(time), connection, kind, payload, intended});
  };
  add(-5, 0, EventKind::Opened, "127.0.0.1:50000 127.0.0.1:6667");
  add(1'000, 0, EventKind::ToServer, std::string_view("NICK \0alice\r\n", 13), Nanos(900));
  add(2'000, 70, EventKind::Refused, "Connection refused");
  add(1'500, 0, EventKind::ToClient, ":s 001 alice\r\n");
  add(3'000, 0, EventKind::ToServer, "");
  add(4'000, 0, EventKind::ClientEnd, "");
  add(5'000, 0, EventKind::ServerEnd, "");
  add(6'000, 1, EventKind::ToServer, std::string(20'000, 'x'));  // does not fit into the queue
  add(7'000, 1, EventKind::ClientReset, "Connection reset by peer");
  add(6'500, 1, EventKind::ServerReset, "Broken pipe");
  add(60'000'000'000, 4'294'967'295, EventKind::Closed, "client");
  writer->clients(
      std::vector<ClientRow>{{0, 0, 0, Outcome::Completed, 0, 2, 100, 200, true, Canary::None},
                             {1, 0, 1, Outcome::Refused, 1, 0, -1, -1, false, Canary::None},
                             {2, 1, 0, Outcome::Failed, 2, 1, 300, -1, true, Canary::FromBefore},
                             {3, 1, 1, Outcome::Disconnected, 3, 4, 5, 6, false, Canary::JoinedLate},
                             {4, 2, 0, Outcome::Unjudged, 0, 0, 0, 0, false, Canary::None},
                             {5, 2, 1, Outcome::Unfinished, 0, 4'294'967'295, 1, 2, false, Canary::None}});
  writer->bindings(
      std::vector<Binding>{{0, 1, "alice", "u0000001"}, {4'294'967'295, shared_by_all, "", "#room-0"}});
  writer->divergences(
      std::vector<Divergence>{{1, 2, Nanos(77), "001 Welcome", "433 in use"}, {1, 3, Nanos(-78), "", ""}});
  Sketch sketch;
  sketch.add(Nanos(0));
  sketch.add(Nanos(63), 2);
  sketch.add(Nanos(1'000'000), 3);
  sketch.add(Nanos(INT64_MAX));
  writer->sketches(
      std::vector<NamedSketch>{{"latency", Nanos(0), Nanos(0), sketch}, {"empty", Nanos(5), Nanos(6), {}}});
  writer->series(
      std::vector<Series>{series("sent", {{Nanos(1), 0.5}, {Nanos(2), -1.5}}), series("nothing", {})});
  writer->info(R"({"tool":"0.1.1","protocol":"irc"})");
  const auto closed = writer->close();
  REQUIRE(!closed.has_value());
  REQUIRE(closed.error().what.find("1 event was lost") == 0);
}

std::string line_of(const Event& event) {
  return std::to_string(event.time.count()) + ' ' + std::to_string(event.connection) + ' ' +
         schema::EnumNameEventKind(event.kind) +
         (event.intended ? ' ' + std::to_string(event.intended->count()) : "") + " [" +
         std::string(event.payload) + ']';
}

std::string line_of(const ClientRow& row) {
  std::string text;
  for (const std::uint64_t value : {row.client, row.copy, row.origin, row.reason, row.steps})
    text += std::to_string(value) + ' ';
  return text + schema::EnumNameOutcome(row.outcome) + ' ' + std::to_string(row.connect_ns) + ' ' +
         std::to_string(row.ready_ns) + (row.kept ? " kept " : " ") + schema::EnumNameCanary(row.canary);
}

template <class Row>
std::vector<std::string> lines_of(const std::vector<Row>& rows) {
  std::vector<std::string> lines;
  for (const Row& row : rows) lines.push_back(line_of(row));
  return lines;
}

void check_golden(const Trace& trace) {
  CHECK(trace.start.wall_ns == 1'700'000'000'123'456'789);
  CHECK(trace.start.mono_ns == 5'000'000'000);
  CHECK(trace.info == R"({"mode":"run","tool":"0.1.1","protocol":"irc"})");
  using std::string_literals::operator""s;
  CHECK(lines_of(trace.events) ==
        std::vector<std::string>{
            "-5 0 Opened [127.0.0.1:50000 127.0.0.1:6667]", "1000 0 ToServer 900 [NICK \0alice\r\n]"s,
            "1500 0 ToClient [:s 001 alice\r\n]", "2000 70 Refused [Connection refused]",
            "3000 0 ToServer []", "4000 0 ClientEnd []", "5000 0 ServerEnd []",
            "6500 1 ServerReset [Broken pipe]", "7000 1 ClientReset [Connection reset by peer]",
            "60000000000 4294967295 Closed [client]"});
  CHECK(lines_of(trace.clients) ==
        std::vector<std::string>{"0 0 0 0 2 Completed 100 200 kept None", "1 0 1 1 0 Refused -1 -1 None",
                                 "2 1 0 2 1 Failed 300 -1 kept FromBefore",
                                 "3 1 1 3 4 Disconnected 5 6 JoinedLate", "4 2 0 0 0 Unjudged 0 0 None",
                                 "5 2 1 0 4294967295 Unfinished 1 2 None"});
  REQUIRE(trace.bindings.size() == 2);
  CHECK(trace.bindings[0].copy == 0);
  CHECK(trace.bindings[0].member == 1);
  CHECK(trace.bindings[0].recorded == "alice");
  CHECK(trace.bindings[0].own == "u0000001");
  CHECK(trace.bindings[1].copy == 4'294'967'295);
  CHECK(trace.bindings[1].member == shared_by_all);
  CHECK(trace.bindings[1].recorded.empty());
  CHECK(trace.bindings[1].own == "#room-0");
  REQUIRE(trace.divergences.size() == 2);
  CHECK(trace.divergences[0].client == 1);
  CHECK(trace.divergences[0].step == 2);
  CHECK(trace.divergences[0].time == Nanos(77));
  CHECK(trace.divergences[0].expected == "001 Welcome");
  CHECK(trace.divergences[0].got == "433 in use");
  CHECK(trace.divergences[1].time == Nanos(-78));
  CHECK(trace.divergences[1].expected.empty());
  CHECK(trace.divergences[1].got.empty());
  REQUIRE(trace.sketches.size() == 2);
  const NamedSketch& latency = trace.sketches[0];
  CHECK(latency.name == "latency");
  CHECK(latency.window_start == Nanos(0));
  CHECK(latency.window == Nanos(0));
  CHECK(latency.sketch.count() == 7);
  CHECK(latency.sketch.max() == Nanos(INT64_MAX));
  CHECK(latency.sketch.buckets().at(0) == 1);
  CHECK(latency.sketch.buckets().at(63) == 2);
  CHECK(latency.sketch.buckets().at(954) == 3);  // e = 19: 64 * 14 + (1000000 >> 13) - 64
  CHECK(latency.sketch.buckets().size() == 3712);
  CHECK(latency.sketch.buckets().back() == 1);
  CHECK(trace.sketches[1].name == "empty");
  CHECK(trace.sketches[1].window_start == Nanos(5));
  CHECK(trace.sketches[1].window == Nanos(6));
  CHECK(trace.sketches[1].sketch.count() == 0);
  REQUIRE(trace.series.size() == 2);
  CHECK(trace.series[0].name == "sent");
  REQUIRE(trace.series[0].points.size() == 2);
  CHECK(trace.series[0].points[0].time == Nanos(1));
  CHECK(trace.series[0].points[0].value == 0.5);
  CHECK(trace.series[0].points[1].time == Nanos(2));
  CHECK(trace.series[0].points[1].value == -1.5);
  CHECK(trace.series[1].name == "nothing");
  CHECK(trace.series[1].points.empty());
  CHECK(trace.damage.first.empty());
  CHECK(!trace.damage.cut);
  CHECK(trace.damage.missing_events == 0);
  CHECK(trace.damage.bad_blocks == 0);
  CHECK(trace.damage.skipped_bytes == 0);
  CHECK(trace.damage.dropped_events == 1);
  CHECK(trace.damage.dropped_first == Nanos(6'000));
  CHECK(trace.damage.dropped_last == Nanos(6'000));
  CHECK(hex(trace.content_hash) == "c26502024a3a0a59");
}

TEST_CASE("the golden trace of version 1 is read as it was written, for ever", "[golden]") {
  const auto trace = load(golden / "version-1.trace");
  REQUIRE(trace.has_value());
  check_golden(*trace);
}

#ifndef _WIN32
TEST_CASE("the compressed golden trace of version 1 is read as it was written, for ever", "[golden]") {
  const auto trace = load(golden / "version-1-zstd.trace");
  REQUIRE(trace.has_value());
  check_golden(*trace);
}
#endif

TEST_CASE("the writer still writes version 1 byte by byte", "[golden]") {
  const sample::Folder folder;
  write_golden(folder / "a.trace", Codec::None);
  const std::string now = sample::read_file(folder / "a.trace");
  const std::string then = sample::read_file(golden / "version-1.trace");
  CHECK((now == then));
}

// The traces of the tree that are older than the golden ones.
TEST_CASE("recordings made by earlier versions of chorus keep their content", "[golden]") {
  const auto content = [](const char* name) {
    const auto trace = load(std::filesystem::path(CHORUS_SOURCE "/tests/traces") / name);
    REQUIRE(trace.has_value());
    CHECK(!trace->damage.any());
    return hex(trace->content_hash);
  };
  CHECK(content("irc.trace") == "97d7662b40e6ed96");
  CHECK(content("packet-chat.trace") == "5aad4522588ad307");
  CHECK(content("steady.trace") == "a088866766151ff2");
}

TEST_CASE("writes the golden traces anew: only for a version that nobody has seen yet", "[.write-golden]") {
  write_golden(golden / "version-1.trace", Codec::None);
  write_golden(golden / "version-1-zstd.trace", Codec::Zstd);
}

}  // namespace
}  // namespace chorus::format
