// A server says 100 bytes to everybody, 40,000 deliveries a second: the replayer's 14 workers against one
// thread with one epoll. The order in which the server goes through its clients matters: worker by worker as
// they came, or, in receive-interleaved, so that every delivery is another worker's.
#include "tests/bench/benchmark.h"
#include "tests/bench/crowd.h"
#include "tests/bench/peers.h"

#include <stdexcept>

namespace chorus::bench {
namespace {

using namespace std::chrono_literals;

constexpr unsigned rate = 40'000;  // deliveries/s to the whole crowd
constexpr unsigned workers = 14;   // the replayer's default
constexpr auto apart = 100us;  // starts of two clients: slow enough for them to be accepted in their order

Row receive(const Settings& settings, Row row, unsigned blocks) {
  const unsigned clients = settings.clients;
  const std::uint64_t warm_up = 4ull * clients;
  allow_files(clients + 100);
  const test::ScratchFolder folder;
  const auto watched =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(settings.seconds));
  const auto broadcasts =
      10 * (1'000'000'000ns * clients / rate);  // for warm-up and for the samples at both ends
  record_listener(folder / "one.trace", watched + broadcasts + clients * apart + 500ms);
  write_page(folder / "bench.toml");

  for (unsigned run = 0; run < settings.runs; ++run) {
    {
      const Listener listener;
      const SharedBoard board;
      const Forked server([&] { broadcast(listener, clients, rate, blocks, *board); });
      test::Process ours(replay_command(folder, listener.address(), clients, apart));
      row.ours.push_back(cpu_of(ours, *board, warm_up, settings.seconds));
      const auto before_the_end = board->messages.load() - warm_up;
      const auto document = finish(ours, clients);
      if (document.at("messages").at("received").to_number<std::uint64_t>() < before_the_end) {
        throw std::runtime_error("chorus replay received less than the broadcaster delivered");
      }
    }
    const Listener listener;
    const SharedBoard board;
    const Forked server([&] { broadcast(listener, clients, rate, blocks, *board); });
    const Forked bare([&] { bare_receive(listener.address(), clients, *board); });
    row.baseline.push_back(cpu_per_message_us(bare.pid(), *board, warm_up, settings.seconds));
    row.baseline_calls.push_back(static_cast<double>(board->own_calls) /
                                 static_cast<double>(board->own_messages));
  }
  return row;
}

}  // namespace

std::vector<Row> receive_broadcast(const Settings& settings) {
  return {receive(settings, {"receive-broadcast", "us cpu/msg", 1.3}, 1)};
}

std::vector<Row> receive_interleaved(const Settings& settings) {
  return {receive(settings, {"receive-interleaved", "us cpu/msg", 1.7}, workers)};
}

}  // namespace chorus::bench
