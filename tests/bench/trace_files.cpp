// Writing and reading a trace, against write() and read() of the same events as plain records: 16 bytes
// (time, connection, kind and size) and the payload. Both end with the data on the disk, so the writer's gain
// from compressing is inside. trace-write/bytes is what an event takes on the disk, trace-write/bytes-empty
// the same for events without payload, where only our own columns are left, and trace-write/bytes-raw those
// without compression.
// "-cpu" rows are of events without payload, in processor time of all threads: what one core would take.
// trace-flat-memory is the most memory that writing and reading 10 million events took (CHORUS_TRACE_EVENTS:
// as many).
#include "tests/bench/benchmark.h"
#include "tests/loop/process.h"
#include "traces/format/reader.h"
#include "traces/format/writer.h"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <random>
#include <stdexcept>

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace chorus::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Path = std::filesystem::path;

constexpr std::size_t events = 400'000;
constexpr std::size_t record_size = 16;     // bytes of a plain record besides its payload
constexpr std::size_t piece = 1024 * 1024;  // bytes of one plain write() or read()

// Chat of 100 connections: lines of 5 to 15 words out of 500, both ways, about 0.1 ms apart.
class Chat {
 public:
  explicit Chat(bool with_payload) {
    std::mt19937 random(1);
    std::vector<std::string> words(500);
    for (auto& word : words) {
      for (std::size_t size = 2 + random() % 8; word.size() < size;)
        word += static_cast<char>('a' + random() % 26);
    }
    for (std::size_t i = 0; i < events; ++i) {
      time_ += format::Nanos(random() % 200'000);
      std::string text;
      if (with_payload) {
        text = "PRIVMSG #room" + std::to_string(random() % 20) + " :";
        for (std::size_t left = 5 + random() % 11; left > 0; --left)
          text += words[random() % words.size()] + ' ';
        text += "\r\n";
      }
      texts_.push_back(std::move(text));
      payload_ += texts_.back().size();
      const auto kind = random() % 4 == 0 ? format::EventKind::ToServer : format::EventKind::ToClient;
      all_.push_back({time_, static_cast<std::uint32_t>(random() % 100), kind, {}, {}});
    }
    for (std::size_t i = 0; i < events; ++i) all_[i].payload = texts_[i];
  }
  const std::vector<format::Event>& all() const { return all_; }
  std::size_t raw_bytes() const { return payload_ + events * record_size; }
  std::size_t payload() const { return payload_; }

 private:
  format::Nanos time_{};
  std::size_t payload_ = 0;
  std::vector<std::string> texts_;
  std::vector<format::Event> all_;
};

double ns_per_event(Clock::time_point since) {
  return std::chrono::duration<double, std::nano>(Clock::now() - since).count() / static_cast<double>(events);
}

double cpu_ns_per_event(const std::function<void()>& work) {
  const auto used = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return 1e9 * static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e3 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  const double before = used();
  work();
  return (used() - before) / static_cast<double>(events);
}

void write_trace(const Path& path, const Chat& chat, format::Codec codec = format::Codec::Zstd) {
  format::WriterOptions options;
  options.codec = codec;
  options.force = true;
  options.wait_when_full = true;
  auto writer = format::Writer::create(path, options);
  if (!writer) throw std::runtime_error(writer.error().what);
  for (const format::Event& event : chat.all()) (*writer)->add(event);
  if (const auto closed = (*writer)->close(); !closed) throw std::runtime_error(closed.error().what);
}

void read_trace(const Path& path, const Chat& chat) {
  auto reader = format::Reader::open(path);
  if (!reader) throw std::runtime_error(reader.error().what);
  std::size_t payload = 0;
  while ((*reader)->next()) {
    for (const format::Event& event : (*reader)->events()) payload += event.payload.size();
  }
  if (payload != chat.payload()) throw std::runtime_error("the trace was not read as it was written");
}

// Peak resident memory of a process that does this and nothing else.
double peak_bytes(const std::function<void()>& work) {
  malloc_trim(0);  // what the benchmarks before left, a child would begin with
  const pid_t child = fork();
  if (child == 0) {
    try {
      work();
      _exit(0);
    } catch (const std::exception&) {
      _exit(1);
    }
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0)
    throw std::runtime_error("the process that writes or reads a trace failed");
  return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

void write_many(const Path& path, std::uint64_t count) {
  format::WriterOptions options;
  options.force = true;
  options.wait_when_full = true;
  auto writer = format::Writer::create(path, options);
  if (!writer) throw std::runtime_error(writer.error().what);
  std::mt19937 random(1);
  format::Nanos time{};
  for (std::uint64_t i = 0; i < count; ++i) {
    time += format::Nanos(random() % 20'000);
    const auto kind = random() % 4 == 0 ? format::EventKind::ToServer : format::EventKind::ToClient;
    (*writer)->add({time, static_cast<std::uint32_t>(random() % 1000), kind, {}, {}});
  }
  if (const auto closed = (*writer)->close(); !closed) throw std::runtime_error(closed.error().what);
}

void read_many(const Path& path, std::uint64_t count) {
  auto reader = format::Reader::open(path);
  if (!reader) throw std::runtime_error(reader.error().what);
  while ((*reader)->next()) count -= (*reader)->events().size();
  if (count != 0) throw std::runtime_error("the trace was not read as it was written");
}

std::size_t write_plain(const Path& path, std::size_t bytes, const std::vector<char>& buffer) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  std::size_t calls = 3;  // open, fsync, close
  for (std::size_t left = bytes; left > 0; ++calls) {
    const ssize_t done = write(file, buffer.data(), std::min(left, buffer.size()));
    if (done <= 0) throw std::runtime_error("plain write failed");
    left -= static_cast<std::size_t>(done);
  }
  if (fsync(file) != 0 || close(file) != 0) throw std::runtime_error("plain write failed");
  return calls;
}

std::size_t read_plain(const Path& path, std::size_t bytes, std::vector<char>& buffer) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::size_t calls = 3;  // open, close, the read at the end
  for (ssize_t size = 0; (size = read(file, buffer.data(), buffer.size())) > 0; ++calls) {
    bytes -= static_cast<std::size_t>(size);
  }
  close(file);
  if (bytes != 0) throw std::runtime_error("plain read failed");
  return calls;
}

double per_event(std::uintmax_t count) {
  return static_cast<double>(count) / static_cast<double>(events);
}

}  // namespace

std::vector<Row> trace_write(const Settings& settings) {
  const test::ScratchFolder folder;
  const Chat chat(true), empty(false);
  const std::vector<char> buffer(piece, 'x');
  Row time{"trace-write", "ns/event"}, size{"trace-write/bytes", "bytes/event"},
      columns{"trace-write/bytes-empty", "bytes/event", 0, 8.5},
      raw{"trace-write/bytes-raw", "bytes/event", 0, 20}, cpu{"trace-write/cpu", "ns/event", 0, 200};
  for (unsigned run = 0; run < settings.runs; ++run) {
    const auto started = Clock::now();
    write_trace(folder / "ours.trace", chat);
    time.ours.push_back(ns_per_event(started));
    const auto bare = Clock::now();
    time.baseline_calls.push_back(per_event(write_plain(folder / "plain", chat.raw_bytes(), buffer)));
    time.baseline.push_back(ns_per_event(bare));
    size.ours.push_back(per_event(std::filesystem::file_size(folder / "ours.trace")));
    size.baseline.push_back(per_event(chat.raw_bytes()));
  }
  write_trace(folder / "empty.trace", empty);
  columns.ours.push_back(per_event(std::filesystem::file_size(folder / "empty.trace")));
  columns.baseline.push_back(per_event(empty.raw_bytes()));
  for (unsigned run = 0; run < settings.runs; ++run) {
    cpu.ours.push_back(cpu_ns_per_event([&] { write_trace(folder / "empty.trace", empty); }));
    cpu.baseline.push_back(
        cpu_ns_per_event([&] { write_plain(folder / "plain", empty.raw_bytes(), buffer); }));
  }
  write_trace(folder / "raw.trace", empty, format::Codec::None);
  raw.ours.push_back(per_event(std::filesystem::file_size(folder / "raw.trace")));
  raw.baseline.push_back(per_event(empty.raw_bytes()));
  return {time, size, columns, raw, cpu};
}

std::vector<Row> trace_read(const Settings& settings) {
  const test::ScratchFolder folder;
  const Chat chat(true);
  std::vector<char> buffer(piece, 'x');
  write_trace(folder / "ours.trace", chat);
  write_plain(folder / "plain", chat.raw_bytes(), buffer);
  Row time{"trace-read", "ns/event"};
  for (unsigned run = 0; run < settings.runs; ++run) {
    const auto started = Clock::now();
    read_trace(folder / "ours.trace", chat);
    time.ours.push_back(ns_per_event(started));
    const auto bare = Clock::now();
    time.baseline_calls.push_back(per_event(read_plain(folder / "plain", chat.raw_bytes(), buffer)));
    time.baseline.push_back(ns_per_event(bare));
  }
  const Chat empty(false);
  write_trace(folder / "empty.trace", empty);
  write_plain(folder / "plain", empty.raw_bytes(), buffer);
  Row cpu{"trace-read/cpu", "ns/event", 0, 100};
  for (unsigned run = 0; run < settings.runs; ++run) {
    cpu.ours.push_back(cpu_ns_per_event([&] { read_trace(folder / "empty.trace", empty); }));
    cpu.baseline.push_back(
        cpu_ns_per_event([&] { read_plain(folder / "plain", empty.raw_bytes(), buffer); }));
  }
  return {time, cpu};
}

std::vector<Row> trace_flat_memory(const Settings&) {
  const test::ScratchFolder folder;
  const Path path = folder / "many.trace";
  const char* const wanted = std::getenv("CHORUS_TRACE_EVENTS");
  const std::uint64_t many = wanted == nullptr ? 10'000'000 : std::strtoull(wanted, nullptr, 10);
  constexpr double mebibyte = 1024 * 1024, most = 64;
  Row write{"trace-flat-memory", "MiB", 0, most}, read{"trace-flat-memory/read", "MiB", 0, most};
  for (const std::uint64_t count : {many / 10, many}) {
    auto& written = count == many ? write.ours : write.baseline;
    auto& seen = count == many ? read.ours : read.baseline;
    written.push_back(peak_bytes([&] { write_many(path, count); }) / mebibyte);
    seen.push_back(peak_bytes([&] { read_many(path, count); }) / mebibyte);
  }
  return {write, read};
}

}  // namespace chorus::bench
