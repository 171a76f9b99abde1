#include "replayer/worker.h"

#include <algorithm>

namespace chorus::replayer {
namespace {

constexpr std::size_t read_size = 64 * 1024;  // bytes; one buffer for all clients of a worker
constexpr Nanos longest_rest = std::chrono::microseconds(500);  // of --coalesce auto
constexpr auto sweep_every = std::chrono::milliseconds(50);     // deadlines are seconds
constexpr auto longest_sleep = std::chrono::minutes(1);         // while there are none

// A copy that takes longer counts as not delivered (fanout.h): long enough for any server that is well, short
// enough that what was lost before people leave is known as lost and not as in doubt.
constexpr auto latest_copy = std::chrono::seconds(3);

// Who leaves so soon after something was said may have left before it came; who stays longer has missed it.
constexpr auto in_doubt = std::chrono::seconds(1);

}  // namespace

Worker::Worker(Engine& engine, Block block, Live& live, LiveTimes& latency)
    : engine_(engine),
      block_(block),
      busy_(context_.get_executor()),
      port_(context_),
      read_buffer_(read_size, '\0'),
      copies_(engine.score.counts_copies && !engine.plan.trial
                  ? std::make_unique<Copies>(block.first, block.last, latest_copy, in_doubt)
                  : nullptr),
      desk_{engine,       port_,    tally_,        live,      latency,
            read_buffer_, watched_, copies_.get(), restless_, awaiting_} {
  tally_.received_by_kind.resize(engine.score.page.kinds());
  tally_.unanswered_by_kind.resize(engine.score.page.kinds());
  tally_.latency.resize(engine.score.page.kinds());
  tally_.steps.resize(engine.plan.steps.size());
  if (copies_) copies_->book.count_steps(engine.plan.steps, tally_.steps);
  clients_.reserve(block.last - block.first);
  for (std::uint32_t client = block.first; client < block.last; ++client)
    clients_.emplace_back(desk_, client);
}

Worker::~Worker() {
  join();
}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

// The worker's loop: it sleeps in its port until there is something to read, something was posted or, while
// deadlines have to be looked at, until it is time for that.
void Worker::run() {
  Nanos sweep_at = engine_.now() + longest_sleep;
  while (!stopping_) {
    const std::uint32_t ticket = rest_.ticket();
    const std::size_t ready = port_.wait(engine_.start + sweep_at);
    const Nanos now = engine_.now();
    if (now >= sweep_at) {
      sweep(now);
      sweep_at = now + longest_sleep;
    }
    if (copies_ || !watched_.empty()) sweep_at = std::min(sweep_at, now + sweep_every);
    if (ready > 0 && ready < Port::most && may_rest(now))
      rest_.sleep_until(engine_.start + now + engine_.options.coalesce.value_or(longest_rest), ticket);
  }
  busy_.reset();
  context_.run();  // handlers of what was closed
}

bool Worker::may_rest(Nanos now) {
  if (stopping_) return false;
  const Nanos since = now - looked_at_;
  looked_at_ = now;
  if (engine_.options.coalesce) return *engine_.options.coalesce > Nanos{0};
  return since < 2 * longest_rest && restless_ == 0 && awaiting_.load(std::memory_order_relaxed) == 0;
}

void Worker::sweep(Nanos now) {
  if (copies_) {
    copies_->catch_up();
    copies_->book.sweep(now);
  }
  // check() may add to watched_, so the list is taken first.
  std::vector<std::uint32_t> looked_at;
  looked_at.swap(watched_);
  for (const std::uint32_t client : looked_at) {
    if (at(client).check(now)) watched_.push_back(client);
  }
}

void Worker::interrupt() {
  order([this] {
    for (Client& client : clients_) client.interrupt();
  });
}

void Worker::join() {
  if (!thread_.joinable()) return;
  order([this] { stopping_ = true; });
  thread_.join();
  if (!copies_) return;
  copies_->catch_up();
  copies_->book.finish(engine_.now());
  tally_.fanout = copies_->book.result();
}

}  // namespace chorus::replayer
