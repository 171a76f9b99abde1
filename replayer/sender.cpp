#include "replayer/sender.h"

#include "replayer/worker.h"

#include <algorithm>

#ifdef __linux__
#include <fstream>
#endif

namespace chorus::replayer {
namespace {

using boost::system::error_code;

// When everybody leaves at once, this far apart: 10,000 clients are gone in 2 s.
constexpr auto farewell_spread = std::chrono::microseconds(200);

// A longer sleep is cut into pieces of this length: a thread that was stopped while nothing was due is
// noticed too.
constexpr auto longest_sleep = std::chrono::milliseconds(20);

constexpr int longest_turn = 64;  // messages, before the workers' notices are looked at again

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
      live_(engine.live[engine.options.workers]) {
  tally_.sent_by_kind.resize(engine.score.page.kinds());
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
  Alarm::make_this_thread_punctual();
  while (!stop_.load(std::memory_order_relaxed)) {
    const std::uint32_t ticket = alarm_.ticket();
    take_notices();
    int performed = 0;
    while (const auto due = schedule_.take(engine_.now())) {
      perform(*due);
      if (++performed == longest_turn) break;  // an overload must starve neither notices nor the end
    }
    const Nanos before = engine_.now();
    const Nanos next = schedule_.next();
    if (next <= before) continue;
    const Nanos until = std::min(next, before + longest_sleep);
    alarm_.sleep_until(engine_.start + until, ticket);
    tally_.longest_stall = std::max(tally_.longest_stall, engine_.now() - until);
  }
  tally_.late_dropped += schedule_.drop_due(engine_.now()) + schedule_.dropped();
  waited_for_processor_ = processor_wait_of_this_thread();
}

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
      case Notice::What::gone:
        schedule_.gone(notice.client, notice.generation);
        break;
    }
  }
  taken_.clear();
  if (curtain_.exchange(false)) schedule_.curtain(engine_.now(), farewell_spread);
}

void Sender::perform(const Due& due) {
  switch (due.action) {
    case Due::Do::send:
      return send(due);
    case Due::Do::close:
      engine_.worker_of(due.client).post(due.client, [generation = due.generation](Client& client) {
        client.finish(generation);
      });
      return;
    case Due::Do::leave:
      engine_.worker_of(due.client).post(due.client, [](Client& client) { client.interrupt(); });
      return;
    case Due::Do::give_up:
      const Step& step = engine_.score.parts[due.part].steps[due.step];
      engine_.worker_of(due.client)
          .post(due.client, [generation = due.generation, kind = engine_.score.gate_kinds[step.gate]](
                                Client& client) { client.give_up(generation, kind); });
      return;
  }
}

void Sender::send(const Due& due) {
  const Score& score = engine_.score;
  const Step& step = score.parts[due.part].steps[due.step];
  const protocol::MessageTemplate& message = score.messages[step.message];
  Link& link = engine_.links[due.client];
  bytes_.clear();
  // Cannot fail: the score was tried with the longest names before the run (replay.cpp).
  message.render(score.page, score.names, engine_.plan.names_of(due.client), engine_.plan.part_of(due.client),
                 bytes_);
  ++tally_.scheduled;

  const Nanos attempted = engine_.now();
  tally_.lateness.add(attempted - due.possible);
  const Token::Claim claim = link.token.claim(due.generation, most_queued);
  if (claim == Token::Claim::gone) return;  // the connection ended; its outcome says why
  if (claim == Token::Claim::full) {
    ++tally_.pushed_back;
    return;
  }
  if (step.answered) {
    link.awaited.push({due.intended, due.step, static_cast<std::uint16_t>(due.part), step.rule});
  }
  if (due.last_words) link.said_all.store(true, std::memory_order_relaxed);
  link.sent.fetch_add(1, std::memory_order_relaxed);
  ++tally_.sent;
  ++tally_.sent_by_kind[message.kind()];
  tally_.bytes_out += bytes_.size();
  live_.sent.fetch_add(1, std::memory_order_relaxed);
  if (link.kept && engine_.trace != nullptr) {
    engine_.trace->add({attempted, due.client, format::EventKind::ToServer, bytes_, due.intended});
  }
  if (claim == Token::Claim::queued) {
    engine_.worker_of(due.client)
        .post(due.client, [generation = due.generation, out = Outgoing{bytes_, attempted}](
                              Client& client) mutable { client.message_comes(generation, std::move(out)); });
    return;
  }
  error_code error;
  const std::size_t taken = direct_send(link.handle, bytes_, error);
  if (taken < bytes_.size()) {
    if (error == boost::asio::error::would_block) error.clear();
    return hand_over(due, std::string_view(bytes_).substr(taken), attempted, error);
  }
  tally_.pushback.add(engine_.now() - attempted);
  if (!link.token.release(due.generation)) hand_over(due, {}, attempted, {});
}

// The token stays set and travels to the worker, with what the kernel did not take.
void Sender::hand_over(const Due& due, std::string_view rest, Nanos attempted, error_code error) {
  if (error) engine_.links[due.client].token.begin_close();
  engine_.worker_of(due.client)
      .post(due.client,
            [generation = due.generation, out = Outgoing{std::string(rest), attempted},
             error](Client& client) mutable { client.token_comes(generation, std::move(out), error); });
}

}  // namespace chorus::replayer
