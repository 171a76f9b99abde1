// A server says 100 bytes to everybody, 40,000 deliveries a second: the replayer's 14 workers against one
// thread with one epoll. The order in which the server goes through its clients matters: worker by worker as
// they came, or, interleaved, so that every delivery is another worker's. And it matters whether a receiver
// rests for a while when it has read all there was: the baseline does not, but in
// receive-resting/bare-resting.
#include "tests/bench/benchmark.h"
#include "tests/bench/crowd.h"
#include "tests/bench/peers.h"

#include <stdexcept>

namespace chorus::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr unsigned rate = 40'000;  // deliveries/s to the whole crowd
constexpr unsigned workers = 14;   // the replayer's default
constexpr auto apart = 100us;  // starts of two clients: slow enough for them to be accepted in their order
constexpr auto to_spare = 2s;  // for connecting on a busy machine
constexpr auto rest = 500us;

class Receiving {
 public:
  Receiving(const Settings& settings, unsigned blocks)
      : clients_(settings.clients), blocks_(blocks), seconds_(settings.seconds), warm_up_(4ull * clients_) {
    allow_files(clients_ + 100);
    const auto watched = std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(seconds_));
    const auto broadcasts = 8 * every();  // for warm-up and for the samples at both ends
    record_listener(folder_ / "one.trace", watched + broadcasts + clients_ * apart + to_spare);
    write_page(folder_ / "bench.toml");
  }

  double ours(const std::string& coalesce) const {
    const Listener listener;
    const SharedBoard board;
    const Forked server([&] { broadcast(listener, clients_, rate, blocks_, *board); });
    test::Process replay(
        replay_command(folder_, listener.address(), clients_, apart, {"--coalesce", coalesce}));
    const double cost = cpu_of(replay, *board, warm_up_, seconds_, every() / 3);
    const auto before_the_end = board->messages.load() - warm_up_;
    const auto document = finish(replay, clients_);
    if (document.at("messages").at("received").to_number<std::uint64_t>() < before_the_end) {
      throw std::runtime_error("chorus replay received less than the broadcaster delivered");
    }
    return cost;
  }

  void bare(Row& row, nanoseconds resting) const {
    const Listener listener;
    const SharedBoard board;
    const Forked server([&] { broadcast(listener, clients_, rate, blocks_, *board); });
    const Forked receiver([&] { bare_receive(listener.address(), clients_, resting, *board); });
    row.baseline.push_back(cpu_per_message_us(receiver.pid(), *board, warm_up_, seconds_, every() / 3));
    row.baseline_calls.push_back(static_cast<double>(board->own_calls) /
                                 static_cast<double>(board->own_messages));
  }

 private:
  nanoseconds every() const { return nanoseconds(1s) * clients_ / rate; }  // from broadcast to broadcast
  const test::ScratchFolder folder_;
  const unsigned clients_, blocks_;
  const double seconds_;
  const std::uint64_t warm_up_;  // deliveries before anything is measured
};

std::vector<Row> receive(const Settings& settings, Row row, unsigned blocks, const std::string& coalesce) {
  const Receiving receiving(settings, blocks);
  for (unsigned run = 0; run < settings.runs; ++run) {
    row.ours.push_back(receiving.ours(coalesce));
    receiving.bare(row, {});
  }
  return {row};
}

}  // namespace

std::vector<Row> receive_broadcast(const Settings& settings) {
  return receive(settings, {"receive-broadcast", "us cpu/msg", 1.3}, 1, "0");
}

std::vector<Row> receive_resting(const Settings& settings) {
  Row row{"receive-resting", "us cpu/msg", 0.85}, both{"receive-resting/bare-resting", "us cpu/msg"},
      by_itself{"receive-resting/auto", "us cpu/msg"};
  const Receiving receiving(settings, 1);
  for (unsigned run = 0; run < settings.runs; ++run) {
    row.ours.push_back(receiving.ours("500us"));
    receiving.bare(row, {});
    receiving.bare(both, rest);
    by_itself.ours.push_back(receiving.ours("auto"));
  }
  both.ours = row.ours;
  by_itself.baseline = row.baseline;
  return {row, both, by_itself};
}

std::vector<Row> receive_interleaved(const Settings& settings) {
  return receive(settings, {"receive-interleaved", "us cpu/msg"}, workers, "0");
}

std::vector<Row> receive_interleaved_resting(const Settings& settings) {
  return receive(settings, {"receive-interleaved-resting", "us cpu/msg", 1.7}, workers, "500us");
}

}  // namespace chorus::bench
