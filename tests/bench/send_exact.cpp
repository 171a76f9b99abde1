// 10,000 messages a second, open loop, evenly spaced over all clients: the timed sender of the replayer
// against a bare one. Both send the same to the same sink on the same schedule; processor time is taken in
// the steady state, lateness over all messages. Other schedules and rates are a matter of the replayer's
// options, not of this file.
#include "tests/bench/benchmark.h"
#include "tests/bench/crowd.h"
#include "tests/bench/peers.h"

#include <cmath>

namespace chorus::bench {
namespace {

using namespace std::chrono_literals;

constexpr unsigned rate = 10'000;            // messages/s of the whole crowd
constexpr std::uint64_t warm_up = rate / 5;  // messages that pass before anything is measured

SendPlan plan_for(const Settings& settings) {
  SendPlan plan;
  plan.clients = settings.clients;
  plan.apart = std::chrono::nanoseconds(1s) / rate;
  plan.lead = 1s;
  const double messages = (settings.seconds + 0.6) * rate;  // 0.2 s of warm-up, and to spare at the end
  plan.each = static_cast<unsigned>(std::ceil(messages / settings.clients));
  return plan;
}

double micros(const boost::json::value& document, const char* quantile) {
  return document.at("lateness_us").at(quantile).to_number<double>();
}

}  // namespace

std::vector<Row> send_exact(const Settings& settings) {
  const SendPlan plan = plan_for(settings);
  allow_files(plan.clients + 100);
  const test::ScratchFolder folder;
  record_speaker(folder / "one.trace", plan);
  write_page(folder / "bench.toml");
  Row cpu{"send-exact-10k", "us cpu/msg", 1.15}, p50{"send-exact-10k/lateness-p50", "us", 1.5},
      p99{"send-exact-10k/lateness-p99", "us", 1.5};

  for (unsigned run = 0; run < settings.runs; ++run) {
    {
      const Listener listener;
      const SharedBoard board;
      const Forked server([&] { sink(listener, *board); });
      test::Process ours(replay_command(folder, listener.address(), plan.clients, plan.apart));
      cpu.ours.push_back(cpu_of(ours, *board, warm_up, settings.seconds));
      const auto document = finish(ours, plan.clients);
      p50.ours.push_back(micros(document, "p50"));
      p99.ours.push_back(micros(document, "p99"));
    }
    const Listener listener;
    const SharedBoard board;
    const Forked server([&] { sink(listener, *board); });
    Forked bare([&] { bare_send(listener.address(), plan, *board); });
    cpu.baseline.push_back(cpu_per_message_us(bare.pid(), *board, warm_up, settings.seconds));
    bare.join();
    p50.baseline.push_back(static_cast<double>(board->late_p50_ns) / 1e3);
    p99.baseline.push_back(static_cast<double>(board->late_p99_ns) / 1e3);
    cpu.baseline_calls.push_back(static_cast<double>(board->own_calls) /
                                 static_cast<double>(board->own_messages));
  }
  return {cpu, p50, p99};
}

}  // namespace chorus::bench
