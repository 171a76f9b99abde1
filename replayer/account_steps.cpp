// The table of a climb: the original stress tool's, made by a machine.
#include "replayer/account.h"
#include "traces/convert/table.h"

#include <cstdio>
#include <sstream>

namespace chorus::replayer {
namespace {

std::string percent(double share) {
  return std::to_string(static_cast<int>(share * 100 + 0.5)) + " %";
}

// Latency counts from the intended time, so our own lateness is inside it (verdict.h).
bool generator_was_late(const Account& account, const StepTally& tally) {
  constexpr Nanos punctual = std::chrono::milliseconds(1);
  return tally.lateness.quantile(0.99) >
         account.options.pace.grid_or_none() + std::max(punctual, tally.latency.quantile(0.99) / 10);
}

// Why the step is not good; "" when it is.
std::string trouble_of(const Account& account, const StepRow& row) {
  const StepTally& tally = *row.tally;
  const double allowed = account.options.tolerate;
  if (row.connected + row.lost < row.clients) return "not all were connected in time";
  if (static_cast<double>(row.lost) > allowed * row.clients)
    return std::to_string(row.lost) + " clients failed";
  const auto lost_copies = static_cast<double>(tally.expected - tally.delivered);
  if (lost_copies > allowed * static_cast<double>(tally.expected)) return "copies were lost";
  if (static_cast<double>(tally.unanswered) > allowed * static_cast<double>(tally.latency.count()))
    return std::to_string(tally.unanswered) + " unanswered";
  const Nanos limit = account.options.step_limit.value_or(default_step_limit);
  if (tally.latency.quantile(0.99) > limit || tally.delivery.quantile(0.99) > limit)
    return "slower than " + show_duration(limit) + " at p99";
  return {};
}

}  // namespace

StepRow step_row(const Account& account, std::size_t step) {
  const StepUsage& usage = account.result.steps[step];
  StepRow row;
  row.held = usage.held && step < account.result.tally.steps.size();
  if (!row.held) return row;
  const StepWindow& window = account.plan.steps[step];
  const double seconds = std::chrono::duration<double>(window.until - window.from).count();
  row.clients = window.copies * account.plan.members;
  row.connected = usage.connected;
  row.lost = usage.lost;
  row.received = usage.received;
  row.tally = &account.result.tally.steps[step];
  row.cpu_share = usage.cpu_s / seconds;
  if (account.options.watch) {
    row.server_cpu_share = usage.server_cpu_s / seconds;
    if (usage.received > 0)
      row.server_us_per_copy = usage.server_cpu_s * 1e6 / static_cast<double>(usage.received);
  }
  row.trouble = trouble_of(account, row);
  row.ours = row.trouble.empty() && generator_was_late(account, *row.tally);
  if (row.ours) row.trouble = "the generator was late: this step proves nothing";
  return row;
}

std::size_t last_good_step(const Account& account) {
  std::size_t good = 0;
  while (good < account.plan.steps.size()) {
    const StepRow row = step_row(account, good);
    if (!row.held || !row.trouble.empty()) break;
    ++good;
  }
  return good;
}

std::string steps_in_words(const Account& account) {
  if (account.plan.steps.empty()) return {};
  convert::Table table("rrrrrrrrrrl");
  table.row({"clients", "connected", "failed", "sent/s", "received/s", "latency p50", "p99", "delivery p99",
             "our cpu", "server's", ""});
  for (std::size_t i = 0; i < account.plan.steps.size(); ++i) {
    const StepRow row = step_row(account, i);
    if (!row.held) break;
    const StepWindow& window = account.plan.steps[i];
    const double seconds = std::chrono::duration<double>(window.until - window.from).count();
    const auto rate = [&](std::uint64_t count) {
      return std::to_string(static_cast<std::uint64_t>(static_cast<double>(count) / seconds + 0.5));
    };
    const auto time = [](const Sketch& sketch, double q) {
      return sketch.count() == 0 ? std::string("-") : convert::brief(sketch.quantile(q));
    };
    std::string server = row.server_cpu_share ? percent(*row.server_cpu_share) : "-";
    if (row.server_us_per_copy) {
      char cost[32];
      std::snprintf(cost, sizeof cost, ", %.1f us/msg", *row.server_us_per_copy);
      server += cost;
    }
    table.row({std::to_string(row.clients), std::to_string(row.connected), std::to_string(row.lost),
               rate(row.tally->sent), rate(row.received), time(row.tally->latency, 0.5),
               time(row.tally->latency, 0.99), time(row.tally->delivery, 0.99), percent(row.cpu_share),
               server, row.trouble});
  }
  std::ostringstream text;
  text << "steps, each held for " << show_duration(account.options.hold.value_or(default_hold)) << "\n";
  table.print(text);
  const std::size_t good = last_good_step(account);
  if (good == 0) {
    text << (step_row(account, 0).ours
                 ? "whether any step is good is not known: the generator was late; use a quieter machine\n"
                 : "no step was good\n");
  } else {
    text << "the last good step: " << step_row(account, good - 1).clients << " clients"
         << (good == account.plan.steps.size() ? " (all steps were good)" : "") << "\n";
  }
  return text.str();
}

}  // namespace chorus::replayer
