// Much through a recorder: gigabytes, and a disk that is full. CHORUS_VOLUME_MB sets the size (default 256).
#include "tests/loop/recorder_fixture.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <random>
#include <thread>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <sys/mount.h>
#include <xxhash.h>

using namespace chorus;
using namespace chorus::test;

namespace {

class Hash {
 public:
  Hash() : state_(XXH3_createState()) { XXH3_64bits_reset(state_); }
  ~Hash() { XXH3_freeState(state_); }
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;
  void add(std::string_view bytes) {
    XXH3_64bits_update(state_, bytes.data(), bytes.size());
    size += bytes.size();
  }
  std::uint64_t value() const { return XXH3_64bits_digest(state_); }
  std::uint64_t size = 0;

 private:
  XXH3_state_t* state_;
};

std::uint64_t wanted_bytes() {
  const char* text = std::getenv("CHORUS_VOLUME_MB");
  return (text == nullptr ? 256ull : std::strtoull(text, nullptr, 10)) * 1'000'000;
}

// In KiB: "VmRSS" now, "VmHWM" at its highest.
std::uint64_t memory_of(pid_t process, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1));
  throw std::runtime_error("no " + key);
}

// No two chunks alike, and a disk that is slower than a loopback keeps up with it: most of it compresses.
std::string chunk_of(std::uint64_t number, const std::string& noise) {
  std::string chunk = noise;
  for (std::size_t at = 0; at + 8 <= chunk.size(); at += 4096) {
    const std::uint64_t mark = number * 1000003 + at;
    std::memcpy(chunk.data() + at, &mark, sizeof mark);
  }
  return chunk;
}

std::string noise_of(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string page(4096, '\0'), bytes;
  for (char& byte : page) byte = static_cast<char>(random());
  while (bytes.size() < size) bytes += page;
  return bytes;
}

class Mounted {
 public:
  Mounted(std::filesystem::path folder, const char* options) : folder_(std::move(folder)) {
    std::filesystem::create_directory(folder_);
    there = ::mount("tmpfs", folder_.c_str(), "tmpfs", 0, options) == 0;
  }
  ~Mounted() {
    if (there) ::umount2(folder_.c_str(), MNT_DETACH);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  bool there = false;

 private:
  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("gigabytes go through a recorder identical by hash, into the trace too, and its memory stays flat",
          "[slow]") {
  RecorderUnderTest recorder({"--json", "--sessions", "1"});
  const std::uint64_t wanted = wanted_bytes();
  auto [client, server] = recorder.connect();
  Hash sent, received;
  std::uint64_t early = 0;
  {
    std::jthread sends([&] {
      const std::string noise = noise_of(256 * 1024, 1);
      for (std::uint64_t number = 0; sent.size < wanted; ++number) {
        const std::string chunk = chunk_of(number, noise);
        client.send(chunk);
        sent.add(chunk);
      }
      client.end();
    });
    while (true) {
      const std::string bytes = server.receive(1 << 20);
      if (bytes.empty()) break;
      received.add(bytes);
      if (early == 0 && received.size > wanted / 4) early = memory_of(recorder.process->pid(), "VmHWM");
    }
  }
  const std::uint64_t late = memory_of(recorder.process->pid(), "VmHWM");
  server.end();
  CHECK(received.size == sent.size);
  CHECK(received.value() == sent.value());
  const int status = recorder.process->wait(std::chrono::minutes(5));
  const auto document = boost::json::parse(recorder.process->out_rest());
  const auto lost = document.at("lost_events").to_number<std::uint64_t>();
  CHECK(status == (lost == 0 ? 0 : 2));  // a machine that is too slow for it says so

  auto reader = format::Reader::open(recorder.trace_file());
  REQUIRE(reader.has_value());
  Hash kept;
  while ((*reader)->next())
    for (const format::Event& event : (*reader)->events())
      if (event.kind == format::EventKind::ToServer) kept.add(event.payload);
  std::cerr << "volume: " << sent.size / 1'000'000 << " MB, highest memory after a quarter " << early / 1024
            << " MiB, at the end " << late / 1024 << " MiB, " << lost << " events lost\n";
  if (lost == 0) {
    CHECK(kept.size == sent.size);
    CHECK(kept.value() == sent.value());
  } else {
    CHECK(kept.size < sent.size);
  }
  // The writer's queue is bounded by 64 MiB, and may only have filled later.
  CHECK(late < 128 * 1024);
}

TEST_CASE(
    "on a full disk the chat goes on, what was written stays, every event is counted once, and the end is "
    "trouble") {
  ScratchFolder folder;
  const Mounted disk(folder / "disk", "size=512k");
  if (!disk.there) {
    std::cerr << "skipped: nobody may mount a small disk here\n";
    return;
  }
  const auto file = folder / "disk" / "one.trace";
  Listener listener;
  Process process({CHORUS_EXECUTABLE, "record", "--listen", "127.0.0.1:0", "--upstream",
                   "127.0.0.1:" + std::to_string(listener.port()), "-o", file.string(), "--json"});
  const std::string line = process.err_line_with("recording 127.0.0.1:");
  Socket client = Socket::connect(static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1))));
  Socket server = listener.accept();
  std::mt19937 random(1);
  std::string bytes(4'000'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  const std::string first = bytes.substr(0, 5000);
  client.send(first);
  REQUIRE((server.receive_exactly(first.size()) == first));
  // The first block reaches the disk by time, before that is full.
  const std::filesystem::path partial = file.string() + ".partial";
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::filesystem::file_size(partial) < first.size() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::jthread sends([&] { client.send(bytes); });
  REQUIRE((server.receive_exactly(bytes.size()) == bytes));
  sends.join();
  const std::string said = process.err_line_with("forwarding goes on");
  CHECK(said.find("No space left on device") != std::string::npos);
  server.send("the chat goes on");
  CHECK(client.receive_exactly(16) == "the chat goes on");
  process.signal(SIGTERM);
  CHECK(process.wait() == 2);

  const auto document = boost::json::parse(process.out_rest());
  CHECK(document.at("complete") == false);
  const auto trace = format::load(partial);
  REQUIRE(trace.has_value());
  const auto kept = document.at("events").to_number<std::uint64_t>();
  CHECK(kept == trace->events.size());
  CHECK(document.at("lost_events").to_number<std::uint64_t>() > 0);
  const std::string in_trace = told(*trace).at(0).to_server;
  CHECK(in_trace.size() >= first.size());
  CHECK(((first + bytes).starts_with(in_trace)));
}
