// Open-loop sending, evenly spaced over all clients: the timed sender of the replayer against a bare one.
// Both send the same to the same sink on the same schedule; processor time is taken in the steady state,
// lateness over all messages.
#include "tests/bench/benchmark.h"
#include "tests/bench/crowd.h"
#include "tests/bench/peers.h"

#include <algorithm>
#include <cmath>

namespace chorus::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr unsigned longest_period = 3;  // s; our clients' starts are as far apart as their messages, and
                                        // nobody waits longer than that for the last of them
constexpr auto connecting = 1s;         // at least, for 10,000 clients that start at once
constexpr auto asleep_no_more = 50us;   // before a message, of a spinning sender
constexpr auto tick = 1ms;

SendPlan plan_for(const Settings& settings, unsigned rate) {
  SendPlan plan;
  plan.clients = std::min(settings.clients, longest_period * rate);
  plan.apart = nanoseconds(1s) / rate;
  plan.lead = plan.clients * plan.apart + connecting;
  const double messages = (settings.seconds + 1) * rate;  // 0.2 s of warm-up, and to spare at the end
  plan.each = static_cast<unsigned>(std::ceil(messages / plan.clients));
  return plan;
}

struct Side {
  double cpu_us = 0, late_p50_us = 0, late_p99_us = 0, calls = 0;
};

class Sending {
 public:
  Sending(const Settings& settings, unsigned rate)
      : plan_(plan_for(settings, rate)), warm_up_(rate / 5), seconds_(settings.seconds) {
    allow_files(plan_.clients + 100);
    record_speaker(folder_ / "one.trace", plan_);
    write_page(folder_ / "bench.toml");
  }

  Side ours(const std::string& pace) const {
    const Listener listener;
    const SharedBoard board;
    const Forked server([&] { sink(listener, *board); });
    test::Process replay(
        replay_command(folder_, listener.address(), plan_.clients, plan_.apart, {"--pace", pace}));
    Side side;
    side.cpu_us = cpu_of(replay, *board, warm_up_, seconds_);
    const auto document = finish(replay, plan_.clients);
    side.late_p50_us = document.at("lateness_us").at("p50").to_number<double>();
    side.late_p99_us = document.at("lateness_us").at("p99").to_number<double>();
    return side;
  }

  Side bare(const Waiting& waiting) const {
    const Listener listener;
    const SharedBoard board;
    const Forked server([&] { sink(listener, *board); });
    SendPlan plan = plan_;
    plan.lead = connecting / 5;  // after it has connected
    Forked sender([&] { bare_send(listener.address(), plan, waiting, *board); });
    Side side;
    side.cpu_us = cpu_per_message_us(sender.pid(), *board, warm_up_, seconds_);
    sender.join();
    side.late_p50_us = static_cast<double>(board->late_p50_ns) / 1e3;
    side.late_p99_us = static_cast<double>(board->late_p99_ns) / 1e3;
    side.calls = static_cast<double>(board->own_calls) / static_cast<double>(board->own_messages);
    return side;
  }

 private:
  const test::ScratchFolder folder_;
  const SendPlan plan_;
  const std::uint64_t warm_up_;  // messages that pass before anything is measured
  const double seconds_;
};

struct Rows {
  explicit Rows(const std::string& name)
      : cpu{name, "us cpu/msg"}, p50{name + "/lateness-p50", "us"}, p99{name + "/lateness-p99", "us"} {}
  void ours(const Side& side) {
    cpu.ours.push_back(side.cpu_us);
    p50.ours.push_back(side.late_p50_us);
    p99.ours.push_back(side.late_p99_us);
  }
  void baseline(const Side& side) {
    cpu.baseline.push_back(side.cpu_us);
    cpu.baseline_calls.push_back(side.calls);
    p50.baseline.push_back(side.late_p50_us);
    p99.baseline.push_back(side.late_p99_us);
  }
  Row cpu, p50, p99;
};

std::vector<Row> send(const Settings& settings, Rows rows, unsigned rate, const std::string& pace,
                      const Waiting& waiting) {
  const Sending sending(settings, rate);
  for (unsigned run = 0; run < settings.runs; ++run) {
    rows.ours(sending.ours(pace));
    rows.baseline(sending.bare(waiting));
  }
  return {rows.cpu, rows.p50, rows.p99};
}

std::vector<Row> send_exact(const Settings& settings, const std::string& name, unsigned rate,
                            double cpu_target) {
  Rows rows(name);
  rows.cpu.target = cpu_target;
  rows.p50.target = rows.p99.target = 1.5;
  return send(settings, std::move(rows), rate, "exact", {});
}

}  // namespace

std::vector<Row> send_exact_1k(const Settings& settings) {
  return send_exact(settings, "send-exact-1k", 1'000,
                    0);  // so few messages have no processor time to speak of
}

std::vector<Row> send_exact_10k(const Settings& settings) {
  return send_exact(settings, "send-exact-10k", 10'000, 1.15);
}

std::vector<Row> send_exact_100k(const Settings& settings) {
  return send_exact(settings, "send-exact-100k", 100'000, 1.15);
}

std::vector<Row> send_spin_10k(const Settings& settings) {
  Rows rows("send-spin-10k");
  rows.p50.absolute_target = 2;
  return send(settings, std::move(rows), 10'000, "spin", {asleep_no_more, {}});
}

// Its own processor time is judged against exact sending; beside it stands a bare sender that has ticks, too.
std::vector<Row> send_grid_1ms(const Settings& settings) {
  Rows rows("send-grid-1ms");  // lateness and details against the bare grid
  Row cpu = rows.cpu;
  cpu.target = 0.45;
  rows.cpu.name += "/bare-grid";
  const Sending sending(settings, 10'000);
  for (unsigned run = 0; run < settings.runs; ++run) {
    const Side ours = sending.ours("grid=1ms"), exact = sending.bare({});
    cpu.ours.push_back(ours.cpu_us);
    cpu.baseline.push_back(exact.cpu_us);
    cpu.baseline_calls.push_back(exact.calls);
    rows.ours(ours);
    rows.baseline(sending.bare({{}, tick}));
  }
  return {cpu, rows.cpu, rows.p50, rows.p99};
}

}  // namespace chorus::bench
