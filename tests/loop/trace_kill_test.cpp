// `chorus record` killed at random moments of a busy recording: whatever was forwarded until a second before
// stands in the trace. CHORUS_KILLS=200 (or ./dev test --full) plays
// the whole campaign.
#include "tests/loop/recorder_fixture.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::test;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr int clients = 4;
constexpr auto most_lost = 1s;

int kills() {
  const char* const wanted = std::getenv("CHORUS_KILLS");
  if (wanted != nullptr) return std::max(1, std::atoi(wanted));
  return std::getenv("CHORUS_FULL") != nullptr ? 200 : 10;
}

// How long a thread that only wants to wake up every 5 ms had to wait: what a busy machine adds to
// everything.
class Heartbeat {
 public:
  Heartbeat() : thread_([this](const std::stop_token& stop) { beat(stop); }) {}
  Clock::duration worst() const { return Clock::duration(worst_.load()); }

 private:
  void beat(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto before = Clock::now();
      std::this_thread::sleep_for(5ms);
      worst_ = std::max(worst_.load(), (Clock::now() - before - 5ms).count());
    }
  }
  std::atomic<Clock::duration::rep> worst_{0};
  std::jthread thread_;
};

// Numbered lines, which the server hands back, until the recorder is gone.
void chat(Socket& client, Socket& server, unsigned seed) {
  std::mt19937 random(seed);
  try {
    for (unsigned i = 0;; ++i) {
      const std::string line = std::to_string(i) + std::string(random() % 200, 'x') + "\n";
      client.send(line);
      server.receive_exactly(line.size());
      server.send(line);
      client.receive_exactly(line.size());
      if (random() % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
    }
  } catch (const std::exception&) {  // it was killed
  }
}

// Whether each connection's lines stand there from 0 on, without a gap.
bool has_prefixes(const format::Trace& trace) {
  for (const auto& [connection, one] : told(trace)) {
    std::size_t number = 0;
    for (std::size_t at = 0, end; (end = one.to_server.find('\n', at)) != std::string::npos; at = end + 1) {
      const std::string digits = std::to_string(number++);
      if (one.to_server.compare(at, digits.size(), digits) != 0) return false;
    }
  }
  return true;
}

struct Killed {
  Clock::duration lost{}, heartbeat{};
  std::size_t events = 0;
};

Killed kill_after(std::chrono::milliseconds time, unsigned seed) {
  RecorderUnderTest recorder;
  std::vector<RecorderUnderTest::Pair> pairs;
  for (int i = 0; i < clients; ++i) pairs.push_back(recorder.connect());
  Killed killed;
  const Heartbeat heartbeat;
  Clock::time_point end;
  {
    std::vector<std::jthread> threads;
    for (auto& [client, server] : pairs) {
      threads.emplace_back([&, number = seed++] { chat(client, server, number); });
    }
    std::this_thread::sleep_for(time);
    end = Clock::now();
    recorder.process->signal(SIGKILL);
    recorder.process->wait();
  }
  killed.heartbeat = heartbeat.worst();
  const auto trace = format::load(recorder.partial_file());
  REQUIRE(trace.has_value());
  CHECK(trace->damage.cut);
  CHECK(trace->damage.bad_blocks == 0);
  CHECK(has_prefixes(*trace));
  killed.events = trace->events.size();
  format::Nanos last(0);
  if (!trace->events.empty()) last = trace->events.back().time;
  killed.lost = end - Clock::time_point(format::Nanos(trace->start.mono_ns) + last);
  return killed;
}

}  // namespace

TEST_CASE("A recorder that is killed at any moment loses at most the last second", "[slow]") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  Clock::duration worst{};
  std::size_t events = 0;
  const int count = kills();
  for (int i = 0; i < count; ++i) {
    const std::chrono::milliseconds time(random() % 2000);
    CAPTURE(time.count());
    const Killed killed = kill_after(time, seed + static_cast<unsigned>(i) * clients);
    CHECK(killed.lost <= most_lost + 4 * killed.heartbeat);
    worst = std::max(worst, killed.lost);
    events += killed.events;
  }
  WARN(count << " kills, " << events << " events recovered, at most "
             << std::chrono::duration_cast<std::chrono::milliseconds>(worst).count() << " ms lost");
}
