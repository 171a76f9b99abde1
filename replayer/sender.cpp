#include "replayer/sender.h"

#include "replayer/worker.h"

#include <algorithm>

#ifdef __linux__
#include <fstream>
#endif

namespace chorus::replayer {
namespace {

// When everybody leaves at once, this far apart: 10,000 clients are gone in 2 s.
constexpr auto farewell_spread = std::chrono::microseconds(200);

constexpr std::size_t longest_turn = 64;  // messages, before the workers' notices are looked at again

Nanos processor_wait_of_this_thread() {
#ifdef __linux__
  // "time on a processor, time waiting for one (ns), slices": Documentation/scheduler/sched-stats.rst of the
  // kernel
  std::ifstream stat("/proc/thread-self/schedstat");
  std::int64_t ran = 0, waited = 0;
  if (stat >> ran >> waited) return Nanos(waited);
#endif
  return Nanos{0};
}

}  // namespace

Sender::Sender(Engine& engine)
    : engine_(engine),
      schedule_(engine.score, engine.plan, engine.options),
      pacing_(engine.options.pace),
      ready_(longest_turn),
      sendings_(longest_turn),
      batch_of_(engine.plan.mine.size()),
      random_(engine.plan.seed_of(engine.options)),
      live_(engine.live.counters.back()) {
  if (!engine.score.page.variables().empty()) variables_.resize(engine.plan.mine.size());
  tally_.sent_by_kind.resize(engine.score.page.kinds());
  tally_.steps.resize(engine.plan.steps.size());
}

Sender::~Sender() {
  stop_and_join();
}

void Sender::start() {
  thread_ = std::thread([this] { run(); });
}

void Sender::notify(const Notice& notice) {
  bool first = false;
  {
    const std::scoped_lock lock(mutex_);
    first = inbox_.empty();
    inbox_.push_back(notice);
  }
  if (first) alarm_.wake();
}

void Sender::curtain() {
  curtain_.store(true);
  alarm_.wake();
}

void Sender::stop_and_join() {
  stop_.store(true);
  alarm_.wake();
  if (thread_.joinable()) thread_.join();
}

// The sender's loop: each turn takes what the workers had to say, sends all that is due, and sleeps until the
// next intended time. Sleeps end on an absolute clock, so a late turn does not make the next one late.
void Sender::run() {
  priority_refused_ = Alarm::make_this_thread_punctual(engine_.options.priority);
  batch_.emplace(static_cast<unsigned>(longest_turn));  // here: its ring belongs to this thread
  now_ = engine_.now();
  while (!stop_.load(std::memory_order_relaxed)) {
    const std::uint32_t ticket = alarm_.ticket();
    if (ticket != notices_taken_) take_notices();
    notices_taken_ = ticket;
    std::size_t performed = 0;
    while (const auto due = schedule_.take(pacing_.due(now_))) {
      perform(*due);
      if (++performed == longest_turn) break;  // an overload must starve neither notices nor the end
    }
    flush();
    const Nanos next = schedule_.next();
    if (next > pacing_.due(now_)) wait(next, ticket);
  }
  tally_.proceeded += schedule_.proceeded();
  tally_.late_dropped += schedule_.drop_due(engine_.now()) + schedule_.dropped();
  used_io_uring_ = batch_->uses_io_uring();
  tally_.waited_for_processor = processor_wait_of_this_thread();
}

void Sender::wait(Nanos next, std::uint32_t ticket) {
  const Pacing::Wait wait = pacing_.wait(now_, next);
  if (wait.asleep_until > now_) {
    const auto until = engine_.start + wait.asleep_until;
    if (wait.notices_may_wait) {
      Alarm::rest_until(until);
    } else {
      alarm_.sleep_until(until, ticket);
    }
  }
  if (wait.awake_until > wait.asleep_until) alarm_.watch_until(engine_.start + wait.awake_until, ticket);
  now_ = engine_.now();
  tally_.longest_stall = std::max(tally_.longest_stall, now_ - wait.awake_until);
}

// A notice rings the alarm after it was put into the inbox; so while the ticket is the same there is none, or
// it will ring yet.
void Sender::take_notices() {
  {
    const std::scoped_lock lock(mutex_);
    taken_.swap(inbox_);
  }
  for (const Notice& notice : taken_) {
    switch (notice.what) {
      case Notice::What::connected:
        schedule_.connected(notice.client, notice.generation, notice.at);
        break;
      case Notice::What::gate:
        schedule_.gate(notice.client, notice.generation, notice.slot, notice.at);
        break;
      case Notice::What::variable: {
        auto& values = variables_[place_of(notice.client)];
        values.resize(engine_.score.page.variables().size());
        values[notice.slot] = notice.value;
        schedule_.variable(notice.client, notice.generation, notice.slot, notice.at);
        break;
      }
      case Notice::What::gone:
        schedule_.gone(notice.client, notice.generation);
        break;
    }
  }
  taken_.clear();
  now_ = engine_.now();
  if (curtain_.exchange(false)) schedule_.curtain(now_, farewell_spread);
}

void Sender::perform(const Due& due) {
  if (due.action != Due::Do::send && in_batch(due.client)) flush();  // the message first, then its end
  switch (due.action) {
    case Due::Do::send:
      return send(due);
    case Due::Do::close:
      engine_.worker_of(due.client).post(due.client, [generation = due.generation](Client& client) {
        client.finish(generation);
      });
      return;
    case Due::Do::leave:
      engine_.worker_of(due.client).post(due.client, [](Client& client) { client.dismiss(); });
      return;
    case Due::Do::give_up:
      engine_.worker_of(due.client)
          .post(due.client, [generation = due.generation, missing = schedule_.missing(due)](Client& client) {
            client.give_up(generation, missing);
          });
      return;
  }
}

}  // namespace chorus::replayer
