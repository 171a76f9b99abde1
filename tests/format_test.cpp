// Writing a trace and reading it back. Damaged ones are in trace_damage_test.cpp.
#include "tests/trace_sample.h"
#include "traces/format/container.h"

#include <thread>

#include <catch2/catch.hpp>

#ifndef _WIN32
#include <csignal>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace chorus::format {
namespace {

namespace fs = std::filesystem;

Trace load_good(const fs::path& path) {
  auto trace = load(path);
  INFO((trace ? "" : trace.error().what));
  REQUIRE(trace.has_value());
  INFO(trace->damage.first);
  REQUIRE(!trace->damage.any());
  return std::move(*trace);
}

std::string why_not(const fs::path& path, const WriterOptions& options = {}) {
  const auto writer = Writer::create(path, options);
  REQUIRE(!writer.has_value());
  return writer.error().what;
}

TEST_CASE("events come back as they were written", "[format]") {
  const sample::Folder folder;
  sample::write(folder / "a.trace");
  const Trace trace = load_good(folder / "a.trace");
  std::vector<std::string> texts;
  const auto expected = sample::events(texts);
  REQUIRE(trace.events.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(sample::same(trace.events[i], expected[i]));
  CHECK(trace.start.wall_ns == sample::start.wall_ns);
  CHECK(trace.start.mono_ns == sample::start.mono_ns);
}

TEST_CASE("every table comes back as it was written", "[format]") {
  const sample::Folder folder;
  sample::write(folder / "a.trace");
  const Trace trace = load_good(folder / "a.trace");
  REQUIRE(trace.clients.size() == 2);
  CHECK(trace.clients[0].outcome == Outcome::Completed);
  CHECK(trace.clients[0].kept);
  CHECK(trace.clients[0].ready_ns == 200);
  CHECK(trace.clients[1].outcome == Outcome::Refused);
  CHECK(trace.clients[1].reason == 3);
  CHECK(trace.clients[1].connect_ns == -1);
  REQUIRE(trace.bindings.size() == 2);
  CHECK(trace.bindings[0].recorded == "alice");
  CHECK(trace.bindings[0].own == "u0000001");
  CHECK(trace.bindings[1].member == shared_by_all);
  CHECK(trace.bindings[1].own == "#room-0");
  REQUIRE(trace.divergences.size() == 2);
  CHECK(trace.divergences[0].expected == "001 Welcome");
  CHECK(trace.divergences[0].got == "433 in use");
  CHECK(trace.divergences[0].time == Nanos(77));
  CHECK(trace.divergences[1].got.empty());
  REQUIRE(trace.sketches.size() == 2);
  CHECK(trace.sketches[0].name == "latency");
  CHECK(trace.sketches[0].sketch.count() == 1000);
  CHECK(trace.sketches[0].sketch.max() == std::chrono::milliseconds(1));
  CHECK(trace.sketches[1].sketch.count() == 0);
  CHECK(trace.sketches[1].window == Nanos(6));
  REQUIRE(trace.series.size() == 2);
  CHECK(trace.series[0].points[1].value == 1.5);
  CHECK(trace.series[1].name == "nothing");
}

TEST_CASE("a later Info adds members and replaces them", "[format]") {
  const sample::Folder folder;
  sample::write(folder / "a.trace");
  const Trace trace = load_good(folder / "a.trace");
  CHECK(trace.info == R"({"mode":"run","tool":"0.2","protocol":"irc"})");
  CHECK(trace.is_run());
}

TEST_CASE("an Info that is no JSON object is reported by close, and the trace is complete but for it",
          "[format]") {
  const sample::Folder folder;
  auto writer = Writer::create(folder / "a.trace", {}).value();
  writer->info("[1, 2]");
  writer->add({Nanos(1), 0, EventKind::Closed, "", {}});
  CHECK(!writer->ok());
  const auto closed = writer->close();
  REQUIRE(!closed.has_value());
  CHECK(closed.error().what.find("not a JSON object") != std::string::npos);
  CHECK(load_good(folder / "a.trace").events.size() == 1);
}

TEST_CASE("other block sizes and codecs give the same content hash", "[format]") {
  const sample::Folder folder;
  sample::write(folder / "a.trace");
  const auto hash = load_good(folder / "a.trace").content_hash;
  for (const Codec codec : {Codec::None, Codec::Zstd}) {
    for (const std::uint32_t block_events : {1u, 7u, 100u}) {
      for (const std::uint32_t block_payload : {1u, 50u, 1u << 20}) {
        WriterOptions options;
        options.force = true;
        options.codec = codec;
        options.block_events = block_events;
        options.block_payload = block_payload;
        sample::write(folder / "b.trace", options);
        CHECK(load_good(folder / "b.trace").content_hash == hash);
      }
    }
  }
}

TEST_CASE("one event more or another payload gives another content hash", "[format]") {
  const sample::Folder folder;
  const auto hash_of = [&](std::string_view first, std::string_view second) {
    WriterOptions options;
    options.force = true;
    auto writer = Writer::create(folder / "a.trace", options).value();
    writer->add({Nanos(1), 0, EventKind::ToServer, first, {}});
    writer->add({Nanos(1), 0, EventKind::ToServer, second, {}});
    REQUIRE(writer->close().has_value());
    return load_good(folder / "a.trace").content_hash;
  };
  CHECK(hash_of("ab", "c") != hash_of("a", "bc"));
  CHECK(hash_of("ab", "c") == hash_of("ab", "c"));
}

TEST_CASE("a payload of more than 1 MiB becomes several events of the same time", "[format]") {
  const sample::Folder folder;
  std::string payload(5 * (1u << 19) + 3, 'x');
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i * 31 >> 7);
  auto writer = Writer::create(folder / "a.trace", {}).value();
  writer->add({Nanos(5), 1, EventKind::ToServer, payload, Nanos(4)});
  CHECK(writer->events() == 3);
  CHECK(writer->payload_bytes() == payload.size());
  REQUIRE(writer->close().has_value());
  const Trace trace = load_good(folder / "a.trace");
  REQUIRE(trace.events.size() == 3);
  std::string joined;
  for (const Event& event : trace.events) {
    CHECK(event.time == Nanos(5));
    CHECK(event.payload.size() <= 1u << 20);
    joined += event.payload;
  }
  CHECK(joined == payload);
  CHECK(trace.events[0].intended == Nanos(4));
  CHECK(!trace.events[1].intended);
}

TEST_CASE("times may go back, be negative and be years apart", "[format]") {
  const sample::Folder folder;
  auto writer = Writer::create(folder / "a.trace", {}).value();
  const std::vector<std::int64_t> times{0,         5'000'000'000, 3, -7, 315'360'000'000'000'000,
                                        INT64_MAX, INT64_MIN};
  for (const auto time : times) writer->add({Nanos(time), 1, EventKind::ToClient, std::to_string(time), {}});
  REQUIRE(writer->close().has_value());
  const Trace trace = load_good(folder / "a.trace");
  REQUIRE(trace.events.size() == times.size());
  for (const Event& event : trace.events) CHECK(event.payload == std::to_string(event.time.count()));
  CHECK(trace.events.front().time == Nanos::min());
}

TEST_CASE("an empty trace is a good one", "[format]") {
  const sample::Folder folder;
  auto writer = Writer::create(folder / "a.trace", {}).value();
  REQUIRE(writer->close().has_value());
  const Trace trace = load_good(folder / "a.trace");
  CHECK(trace.events.empty());
  CHECK(trace.info == "{}");
  CHECK(!trace.is_run());
}

TEST_CASE("tables longer than a block are put together again", "[format]") {
  const sample::Folder folder;
  std::vector<ClientRow> clients(70'000);
  for (std::uint32_t i = 0; i < clients.size(); ++i)
    clients[i] = {i, i / 2, i % 2, Outcome::Completed, 0, i, i, i, false};
  std::vector<Divergence> divergences(12,
                                      {1, 2, Nanos(3), std::string(900'000, 'e'), std::string(900'000, 'g')});
  Series series{"sent", {}};
  for (int i = 0; i < 150'000; ++i) series.points.push_back({Nanos(i), i / 2.0});
  std::vector<NamedSketch> sketches(600);
  for (auto& named : sketches) {
    named.name = "latency of a kind";
    named.sketch.add(std::chrono::hours(1));
  }
  auto writer = Writer::create(folder / "a.trace", {}).value();
  writer->clients(clients);
  writer->divergences(divergences);
  writer->series(std::vector<Series>{series, {"other", {{Nanos(1), 2.0}}}});
  writer->sketches(sketches);
  REQUIRE(writer->close().has_value());
  const Trace trace = load_good(folder / "a.trace");
  REQUIRE(trace.clients.size() == clients.size());
  CHECK(trace.clients.back().steps == 69'999);
  REQUIRE(trace.divergences.size() == 12);
  CHECK(trace.divergences.back().got == divergences.back().got);
  REQUIRE(trace.series.size() == 2);
  REQUIRE(trace.series[0].points.size() == 150'000);
  CHECK(trace.series[0].points.back().value == 149'999 / 2.0);
  CHECK(trace.sketches.size() == 600);
}

TEST_CASE("events of many threads are all there, each thread's own in order", "[format]") {
  const sample::Folder folder;
  WriterOptions options;
  options.block_events = 1000;
  auto writer = Writer::create(folder / "a.trace", options).value();
  constexpr std::uint32_t threads = 4, each = 20'000;
  std::vector<std::thread> all;
  for (std::uint32_t thread = 0; thread < threads; ++thread) {
    all.emplace_back([&, thread] {
      for (std::uint32_t i = 0; i < each; ++i) {
        writer->add({Nanos(i), thread, EventKind::ToServer, std::to_string(i), {}});
      }
    });
  }
  for (auto& thread : all) thread.join();
  REQUIRE(writer->close().has_value());
  const Trace trace = load_good(folder / "a.trace");
  REQUIRE(trace.events.size() == threads * each);
  std::vector<std::uint32_t> next(threads);
  bool in_order = true;
  for (const Event& event : trace.events) {
    in_order = in_order && event.payload == std::to_string(next[event.connection]++);
  }
  CHECK(in_order);
}

TEST_CASE("a block is closed by time while nothing else happens", "[format]") {
  const sample::Folder folder;
  WriterOptions options;
  options.block_age = std::chrono::milliseconds(1);
  auto writer = Writer::create(folder / "a.trace", options).value();
  writer->add({Nanos(1), 0, EventKind::ToServer, "hello", {}});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  std::size_t seen = 0;
  while (seen == 0 && std::chrono::steady_clock::now() < deadline) {
    seen = load(folder / "a.trace.partial")->events.size();
    std::this_thread::yield();
  }
  CHECK(seen == 1);
  REQUIRE(writer->close().has_value());
}

TEST_CASE("a writer that is not closed leaves a cut trace under its partial name", "[format]") {
  const sample::Folder folder;
  {
    auto writer = Writer::create(folder / "a.trace", {}).value();
    writer->add({Nanos(1), 0, EventKind::ToServer, "hello", {}});
  }
  CHECK(!fs::exists(folder / "a.trace"));
  const auto missing = load(folder / "a.trace");
  REQUIRE(!missing.has_value());
  CHECK(missing.error().what.find("a.trace.partial does, which is not finished") != std::string::npos);
  const auto trace = load(folder / "a.trace.partial");
  REQUIRE(trace.has_value());
  CHECK(trace->events.size() == 1);
  CHECK(trace->damage.cut);
  CHECK(trace->damage.bad_blocks == 0);
  CHECK(trace->damage.skipped_bytes == 0);
}

TEST_CASE("an existing file is refused, and replaced by force only when the new one is complete",
          "[format]") {
  const sample::Folder folder;
  sample::write_file(folder / "a.trace", "precious");
  CHECK(why_not(folder / "a.trace").find("a.trace exists already") != std::string::npos);
  WriterOptions options;
  options.force = true;
  auto writer = Writer::create(folder / "a.trace", options).value();
  CHECK(sample::read_file(folder / "a.trace") == "precious");
  REQUIRE(writer->close().has_value());
  CHECK(load_good(folder / "a.trace").events.empty());
  CHECK(!fs::exists(folder / "a.trace.partial"));
}

TEST_CASE("a file that appeared meanwhile is not overwritten", "[format]") {
  const sample::Folder folder;
  auto writer = Writer::create(folder / "a.trace", {}).value();
  sample::write_file(folder / "a.trace", "precious");
  const auto closed = writer->close();
  REQUIRE(!closed.has_value());
  CHECK(sample::read_file(folder / "a.trace") == "precious");
  CHECK(load_good(folder / "a.trace.partial").events.empty());
}

TEST_CASE("a partial file is refused while it is written, even by force", "[format]") {
  const sample::Folder folder;
  auto writer = Writer::create(folder / "a.trace", {}).value();
  WriterOptions options;
  options.force = true;
  CHECK(why_not(folder / "a.trace", options).find("is being written by another process") !=
        std::string::npos);
  REQUIRE(writer->close().has_value());
}

TEST_CASE("a partial file that was left behind is replaced by force only", "[format]") {
  const sample::Folder folder;
  { auto writer = Writer::create(folder / "a.trace", {}).value(); }
  CHECK(why_not(folder / "a.trace").find("was left behind") != std::string::npos);
  WriterOptions options;
  options.force = true;
  auto writer = Writer::create(folder / "a.trace", options).value();
  REQUIRE(writer->close().has_value());
}

TEST_CASE("a folder that does not exist is said", "[format]") {
  const sample::Folder folder;
  CHECK(why_not(folder / "none" / "a.trace").find("cannot create") == 0);
  CHECK(why_not(folder.path()).find("not a regular file") != std::string::npos);
}

#ifndef _WIN32

TEST_CASE("a trace is for its owner only and never written through a link", "[format]") {
  const sample::Folder folder;
  sample::write(folder / "a.trace");
  struct stat status;
  REQUIRE(::stat((folder / "a.trace").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);

  fs::create_symlink(folder / "elsewhere", folder / "b.trace.partial");
  fs::create_symlink(folder / "elsewhere", folder / "c.trace");
  WriterOptions options;
  options.force = true;
  CHECK(why_not(folder / "b.trace", options).find("is a link") != std::string::npos);
  CHECK(why_not(folder / "c.trace", options).find("is a link") != std::string::npos);
  CHECK(!fs::exists(folder / "elsewhere"));
}

#endif

}  // namespace
}  // namespace chorus::format
