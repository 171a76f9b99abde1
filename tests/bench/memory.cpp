// What one client more takes: private memory of a crowd that is connected, less that of a small one, divided
// by the difference. Idle clients stand against a bare receiver, which keeps 16 bytes of each; chatting ones
// have the embedded server, two in each room, and the same baseline.
#include "tests/bench/benchmark.h"
#include "tests/bench/crowd.h"
#include "tests/bench/peers.h"

#include <algorithm>
#include <functional>
#include <thread>

namespace chorus::bench {
namespace {

using namespace std::chrono_literals;

constexpr unsigned small_crowd = 100;
constexpr auto settled_after = 1s;  // once all are connecting: connected, logged in
constexpr auto apart = 200us;       // starts of two idle clients, or of two rooms

double bytes_when_connected(pid_t process, unsigned clients) {
  wait_for_files(process, clients);
  std::this_thread::sleep_for(settled_after);
  return static_cast<double>(private_bytes(process));
}

double bytes_of_replay(const std::vector<std::string>& command, unsigned clients) {
  test::Process replay(command);
  try {
    return bytes_when_connected(replay.pid(), clients);
  } catch (const std::exception& error) {
    explain(replay, error);
  }
}

double bytes_of_bare(unsigned clients) {
  const Listener listener;
  const SharedBoard board;
  const Forked server([&] { sink(listener, *board); });
  const Forked receiver([&] { bare_receive(listener.address(), clients, {}, *board); });
  return bytes_when_connected(receiver.pid(), clients);
}

std::vector<Row> memory(const Settings& settings, Row row, const std::function<double(unsigned)>& ours) {
  const unsigned few = std::min(small_crowd, settings.clients / 10);
  allow_files(settings.clients + 100);
  const auto per_client = [&](const auto& bytes_of) {
    return (bytes_of(settings.clients) - bytes_of(few)) / (settings.clients - few);
  };
  for (unsigned run = 0; run < settings.runs; ++run) {
    row.ours.push_back(per_client(ours));
    row.baseline.push_back(per_client(bytes_of_bare));
  }
  return {row};
}

}  // namespace

std::vector<Row> memory_per_client(const Settings& settings) {
  const test::ScratchFolder folder;
  record_listener(folder / "one.trace", 10min);  // they are killed before
  write_page(folder / "bench.toml");
  return memory(settings, {"memory-per-client", "bytes", 0, 1024}, [&](unsigned clients) {
    const Listener listener;
    const SharedBoard board;
    const Forked server([&] { sink(listener, *board); });
    return bytes_of_replay(replay_command(folder, listener.address(), clients, apart), clients);
  });
}

// tests/traces/steady.trace: somebody says something about once a second, for 10 s.
std::vector<Row> memory_per_chat_client(const Settings& settings) {
  return memory(settings, {"memory-per-chat-client", "bytes"}, [](unsigned clients) {
    test::Process server({CHAT_SERVER_EXECUTABLE, "--listen", "127.0.0.1:0"});
    const std::string said = server.out_line_with("listening on ");
    return bytes_of_replay(
        {CHORUS_EXECUTABLE, "replay", CHORUS_SOURCE "/tests/traces/steady.trace", "--target",
         said.substr(said.rfind(' ') + 1), "--clients", std::to_string(clients), "--ramp",
         std::to_string(std::chrono::nanoseconds(apart).count()) + "ns", "--phase", "0ms", "--processes", "1",
         "--no-trial", "--json"},
        clients);
  });
}

}  // namespace chorus::bench
