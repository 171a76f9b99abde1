// What becomes of a trace when its disk is slow, stands still or is full. Nothing of that may hold up add().
#include "tests/trace_sample.h"

#include <catch2/catch.hpp>

#ifndef _WIN32
#include <csignal>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace chorus::format {
namespace {

namespace fs = std::filesystem;

TEST_CASE("a full queue drops events, counts them, and close says so", "[format]") {
  const sample::Folder folder;
  WriterOptions options;
  options.queue_bytes = 100;
  auto writer = Writer::create(folder / "a.trace", options).value();
  writer->add({Nanos(1), 0, EventKind::ToServer, std::string(200, 'x'), {}});  // never fits
  CHECK(writer->lost_events() == 1);
  CHECK(writer->events() == 0);
  const auto closed = writer->close();
  REQUIRE(!closed.has_value());
  CHECK(closed.error().what.find("1 event was lost because the disk could not keep up") == 0);
  const auto trace = load(folder / "a.trace");
  REQUIRE(trace.has_value());
  CHECK(trace->damage.dropped_events == 1);
  CHECK(!trace->damage.cut);
}

TEST_CASE("where events were dropped stands in the trace, in a cut one too", "[format]") {
  const sample::Folder folder;
  WriterOptions options;
  options.queue_bytes = 1000;
  options.block_age = std::chrono::hours(1);
  const std::string too_much(2000, 'x');
  {
    auto writer = Writer::create(folder / "a.trace", options).value();
    writer->add({Nanos(10), 0, EventKind::ToServer, "before", {}});
    writer->add({Nanos(40), 0, EventKind::ToServer, too_much, {}});
    writer->add({Nanos(20), 0, EventKind::ToClient, too_much, {}});
    writer->add({Nanos(50), 0, EventKind::ToServer, "behind", {}});
    CHECK(writer->lost_events() == 2);
    CHECK(writer->ok());
  }  // not closed
  const auto trace = load(folder / "a.trace.partial");
  REQUIRE(trace.has_value());
  CHECK(trace->events.size() == 2);
  CHECK(trace->damage.cut);
  CHECK(trace->damage.dropped_events == 2);
  CHECK(trace->damage.dropped_first == Nanos(20));
  CHECK(trace->damage.dropped_last == Nanos(40));
}

#ifdef __linux__

// A disk that stands still: the writer's file becomes a pipe that nobody reads, which is full after 64 KiB.
TEST_CASE("adding never waits for a disk that stands still", "[format]") {
  const sample::Folder folder;
  WriterOptions options;
  options.queue_bytes = 1u << 20;
  options.codec = Codec::None;
  auto writer = Writer::create(folder / "a.trace", options).value();
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  int file = -1;  // the writer's own, which becomes the pipe
  for (int i = 3; i < 256; ++i) {
    std::error_code none;
    const auto target = fs::read_symlink("/proc/self/fd/" + std::to_string(i), none);
    if (target == fs::path((folder / "a.trace.partial").string())) file = i;
  }
  REQUIRE(file >= 0);
  const int disk = ::fcntl(file, F_DUPFD_CLOEXEC, 0);
  REQUIRE(::dup2(pipe[1], file) == file);
  const std::string payload(1000, 'x');
  std::uint64_t added = 0;
  while (writer->lost_events() < 5000) {  // would never end if add() waited
    writer->add({Nanos(++added), 0, EventKind::ToServer, payload, {}});
  }
  CHECK(writer->events() + writer->lost_events() == added);
  CHECK(writer->events() * payload.size() < (4u << 20));
  ::signal(SIGPIPE, SIG_IGN);
  ::close(pipe[0]);  // so the write ends, in an error
  const auto closed = writer->close();
  REQUIRE(!closed.has_value());
  CHECK(closed.error().what.find("cannot write") == 0);
  CHECK(writer->lost_events() <= added);
  CHECK(!fs::exists(folder / "a.trace"));
  for (const int handle : {pipe[1], disk}) ::close(handle);
}

#endif

TEST_CASE("a writer that waits when its queue is full drops nothing", "[format]") {
  const sample::Folder folder;
  WriterOptions options;
  options.queue_bytes = 100;
  options.wait_when_full = true;
  sample::write(folder / "a.trace", options, true, 500);
  CHECK(load(folder / "a.trace")->events.size() == 500);
}

#ifndef _WIN32

// In a process of its own, for the limit cannot be raised again.
int write_beyond_limit(const fs::path& path) {
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{20'000, 20'000};
  if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
  WriterOptions options;
  options.codec = Codec::None;
  options.block_events = 10;
  auto writer = Writer::create(path, options).value();
  const std::string payload(100, 'x');
  for (int i = 0; i < 1000; ++i) writer->add({Nanos(i), 0, EventKind::ToServer, payload, {}});
  const auto closed = writer->close();
  if (closed || writer->ok()) return 3;
  if (closed.error().what.find("cannot write") == std::string::npos) return 4;
  if (closed.error().what.find("File too large") == std::string::npos) return 5;
  if (writer->lost_events() == 0 || writer->lost_events() >= 1000) return 6;
  const auto trace = load(path.string() + ".partial");
  if (!trace || trace->events.size() + writer->lost_events() != 1000) return 7;
  if (!trace->damage.cut || trace->damage.skipped_bytes != 0 || trace->damage.bad_blocks != 0) return 8;
  // What was lost stands in the trace where there was room for a block that says so, all of it or none.
  const std::uint64_t told = trace->damage.dropped_events;
  if (told != 0 && told != writer->lost_events()) return 10;
  if (told != 0 && trace->damage.dropped_first != Nanos(static_cast<std::int64_t>(trace->events.size())))
    return 11;
  return fs::exists(path) ? 9 : 0;
}

TEST_CASE("a full disk keeps the earlier blocks, whole, and is reported", "[format]") {
  const sample::Folder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(write_beyond_limit(folder / "a.trace"));
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

#endif

}  // namespace
}  // namespace chorus::format
