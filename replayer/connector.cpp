#include "replayer/connector.h"

#include "replayer/worker.h"

#include <algorithm>

namespace chorus::replayer {

Connector::Connector(Engine& engine) : engine_(engine), random_(engine.plan.seed_of(engine.options)) {
  std::vector<Entry> entries;
  entries.reserve(engine.plan.mine.size());
  for (std::uint32_t client = engine.plan.mine.first; client < engine.plan.mine.last; ++client) {
    entries.push_back({engine.plan.start_of(client, engine.score, engine.options), client});
  }
  planned_ = std::priority_queue<Entry, std::vector<Entry>, std::greater<>>({}, std::move(entries));
}

Connector::~Connector() {
  stop_and_join();
}

void Connector::start() {
  thread_ = std::thread([this] { run(); });
}

void Connector::stop_and_join() {
  stop_.store(true);
  alarm_.wake();
  if (thread_.joinable()) thread_.join();
}

void Connector::curtain() {
  curtain_.store(true);
  alarm_.wake();
}

void Connector::settled() noexcept {
  if (pending_.fetch_sub(1, std::memory_order_acq_rel) >= engine_.options.pending) alarm_.wake();
}

void Connector::again(std::uint32_t client, unsigned attempts) {
  {
    const std::scoped_lock lock(mutex_);
    const Nanos back_off = std::chrono::milliseconds(200) * (1 << std::min(attempts, 8u));
    const Nanos jitter(
        static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(back_off.count() / 2)));
    retries_.push_back({engine_.now() + back_off / 2 + jitter, client});
  }
  alarm_.wake();
}

// The connector's loop; each turn opens one connection, or sleeps until the next is due or a place is free.
void Connector::run() {
  while (!stop_.load()) {
    const std::uint32_t ticket = alarm_.ticket();
    {
      const std::scoped_lock lock(mutex_);
      for (const Entry& entry : retries_) planned_.push(entry);
      retries_.clear();
    }
    for (; curtain_.load() && !planned_.empty(); planned_.pop()) {
      const std::uint32_t client = planned_.top().client;
      engine_.worker_of(client).post(client, [](Client& late) { late.dismiss(); });
    }
    const bool room = pending_.load(std::memory_order_acquire) < engine_.options.pending;
    if (planned_.empty() || !room) {
      alarm_.sleep_until(Alarm::Clock::time_point::max(), ticket);
      continue;
    }
    const Entry next = planned_.top();
    if (engine_.now() < next.time) {
      alarm_.sleep_until(engine_.start + next.time, ticket);
      continue;
    }
    planned_.pop();
    pending_.fetch_add(1, std::memory_order_acq_rel);
    engine_.worker_of(next.client).post(next.client, [](Client& client) { client.open(); });
  }
}

}  // namespace chorus::replayer
