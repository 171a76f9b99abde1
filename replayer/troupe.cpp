#include "replayer/troupe.h"

#include "replayer/worker.h"

namespace chorus::replayer {

std::size_t Engine::worker_index(std::uint32_t client) const {
  std::size_t low = 0, high = plan.blocks.size() - 1;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (client < plan.blocks[middle].last) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

Troupe::Troupe(const Score& score, Plan plan, Options options, const Addresses& addresses,
               format::Writer* trace, const LiveShare& live, std::chrono::steady_clock::time_point start,
               std::function<void()> all_concluded)
    : plan_(std::move(plan)),
      options_(std::move(options)),
      engine_{score,
              plan_,
              options_,
              addresses.target,
              addresses.sources,
              start,
              trace,
              std::make_unique<Link[]>(plan_.mine.size()),
              live},
      sender_(engine_),
      connector_(engine_) {
  engine_.sender = &sender_;
  engine_.connector = &connector_;
  engine_.on_all_concluded = std::move(all_concluded);
  engine_.remaining = plan_.mine.size();
  engine_.stamps = score.judged || score.counts_copies;
  for (std::uint32_t client = plan_.mine.first; client < plan_.mine.last; ++client)
    engine_.link(client).kept = trace != nullptr && plan_.kept(plan_.copy_of(client), options_.keep);
  for (std::size_t i = 0; i < plan_.blocks.size(); ++i)
    engine_.workers.push_back(
        std::make_unique<Worker>(engine_, plan_.blocks[i], live.counters[i], live.times[i]));
}

// Whoever is not done by now is ended: the threads must be gone before what they use.
Troupe::~Troupe() {
  interrupt();
  for (const auto& worker : engine_.workers) worker->join();
}

void Troupe::start() {
  for (const auto& worker : engine_.workers) worker->start();
  sender_.start();
  connector_.start();
}

void Troupe::curtain() {
  connector_.curtain();
  sender_.curtain();
}

// Nothing may be sent or opened any more; then every client is ended where it stands.
void Troupe::interrupt() {
  connector_.stop_and_join();
  sender_.stop_and_join();
  for (const auto& worker : engine_.workers) worker->interrupt();
}

Performance Troupe::join() {
  sender_.stop_and_join();  // before the workers: it sends on their sockets
  connector_.stop_and_join();
  for (const auto& worker : engine_.workers) worker->join();
  Performance performance;
  performance.tally.merge(sender_.tally());
  performance.clients.reserve(plan_.mine.size());
  for (const auto& worker : engine_.workers) {
    performance.tally.merge(worker->tally());
    for (const Client& client : worker->clients()) performance.clients.push_back(client.row());
  }
  return performance;
}

}  // namespace chorus::replayer
