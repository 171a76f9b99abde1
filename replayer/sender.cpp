#include "replayer/sender.h"

#include "replayer/worker.h"

#include <algorithm>

#ifdef __linux__
#include <fstream>
#endif

namespace chorus::replayer {
namespace {

using boost::system::error_code;
using protocol::Moment;

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
      random_(engine.options.seed),
      live_(engine.live[engine.options.workers]) {
  if (!engine.score.page.variables().empty())
    variables_.resize(engine.plan.mine.last - engine.plan.mine.first);
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
  tally_.proceeded += schedule_.proceeded();
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
      case Notice::What::variable: {
        auto& values = variables_[notice.client - engine_.plan.mine.first];
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
      engine_.worker_of(due.client)
          .post(due.client, [generation = due.generation, missing = schedule_.missing(due)](Client& client) {
            client.give_up(generation, missing);
          });
      return;
  }
}

// Names cannot fail: the score was tried with the longest before the run (replay.cpp). A value that the
// server said can; false then.
bool Sender::render(const Due& due, std::string& out, bool for_a_trace) {
  const Score& score = engine_.score;
  const Step& step = score.parts[due.part].step(due.step);
  const auto& message = score.messages[step.message];
  const std::uint32_t own_part = engine_.plan.part_of(due.client);
  out.clear();
  Moment moment;
  moment.hides_secrets = for_a_trace;
  if (message.has_inserts()) {
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    moment.wall_ms = std::chrono::duration_cast<std::chrono::milliseconds>(wall).count();
    moment.counter = engine_.link(due.client).sent.load(std::memory_order_relaxed);
    moment.random = &random_;
    if (!variables_.empty()) {
      heard_ = variables_[due.client - engine_.plan.mine.first];
      heard_.resize(score.page.variables().size());
      for (const Need& need : step.needs) {
        const auto& values = variables_[due.client - engine_.plan.mine.first - own_part + need.part];
        if (need.variable < values.size()) heard_[need.variable] = values[need.variable];
      }
      moment.variables = heard_;
    }
  }
  return message.render(score.page, score.names, engine_.plan.names_of(due.client), own_part, out, nullptr,
                        &moment);
}

// The message goes into the run's trace, but for passwords that came from --users.
void Sender::keep(const Due& due, Nanos attempted) {
  const Score& score = engine_.score;
  const auto& message = score.messages[score.parts[due.part].step(due.step).message];
  const bool secret = message.has_secrets(score.names);
  if (secret) render(due, kept_, true);
  engine_.trace->add(
      {attempted, due.client, format::EventKind::ToServer, secret ? kept_ : bytes_, due.intended});
}

// Tells the books of the workers whom this message should reach, before it goes out (fanout.h).
void Sender::announce(const Due& due, const Step& step, Nanos attempted) {
  const Score& score = engine_.score;
  const Plan& plan = engine_.plan;
  const std::uint32_t own_part = plan.part_of(due.client);
  Said said;
  said.client = due.client;
  said.intended = due.intended;
  said.sent = attempted;
  // The random schedule lends the line of another: it is said in the room where the speaker is.
  const std::uint32_t room_name =
      step.audience.room != no_name ? step.audience.room : score.parts[own_part].chat_room;
  if (room_name != no_name) said.room = plan.room_number(score.names, room_name, due.client);
  if (step.changes_rooms) {
    Said leaving = said;
    leaving.what = Said::What::leaving;
    leaving.room = no_room;
    tell(due.client, due.client + 1, leaving);
  }
  if (step.enters) {
    said.what = Said::What::entering;
    said.echo = !step.answered;  // nothing will confirm it: it counts from now on
    tell(due.client, due.client + 1, said);
    Said more = said;
    for (const std::uint32_t room : step.also) {
      more.room = plan.room_number(score.names, room, due.client);
      tell(due.client, due.client + 1, more);
    }
    said.echo = false;
  }
  if (const auto* fanout = step.audience.fanout) {
    said.what = Said::What::message;
    said.reaches = static_cast<Said::Reaches>(fanout->reaches);
    // Who enters or leaves hears of it as an answer; as a copy it would always be in doubt.
    said.echo = fanout->echo && !step.enters && !step.leaves;
    const std::uint32_t name =
        due.part == own_part ? step.audience.speaker : score.parts[own_part].public_name;
    name_.clear();
    if (name != no_name) score.names.append_value(name, plan.names_of(due.client), name_);
    said.key = score.page.delivery_key(*fanout, score.messages[step.message].kind(), bytes_, name_);
    Block audience = plan.mine;
    if (said.reaches == Said::Reaches::room) {
      if (room_name == no_name) return;
      audience = plan.members_of(score.names, room_name, due.client);
    } else if (said.reaches == Said::Reaches::one) {
      said.to = due.client - own_part + step.audience.to;
      audience = {said.to, said.to + 1};
      if (said.echo && engine_.worker_index(due.client) != engine_.worker_index(said.to))
        tell(due.client, due.client + 1, said);
    }
    const bool only_itself = audience.first == due.client && audience.last == due.client + 1;
    if (!only_itself || said.echo) tell(audience.first, audience.last, said);
  }
  if (step.leaves) {
    said.what = Said::What::leaving;
    if (step.leaves_all) said.room = no_room;
    tell(due.client, due.client + 1, said);
    for (const std::uint32_t room : step.also) {
      said.room = plan.room_number(score.names, room, due.client);
      tell(due.client, due.client + 1, said);
    }
  }
}

void Sender::tell(std::uint32_t first, std::uint32_t last, const Said& said) {
  for (std::size_t worker = engine_.worker_index(first); worker < engine_.plan.blocks.size(); ++worker) {
    if (engine_.plan.blocks[worker].first >= last) return;
    engine_.workers[worker]->tell(said);
  }
}

void Sender::send(const Due& due) {
  const Score& score = engine_.score;
  const Step& step = score.parts[due.part].step(due.step);
  const protocol::MessageTemplate& message = score.messages[step.message];
  Link& link = engine_.link(due.client);
  ++tally_.scheduled;
  if (!render(due, bytes_)) {  // what the server said does not fit where it belongs
    engine_.worker_of(due.client).post(due.client, [generation = due.generation](Client& client) {
      client.cannot_carry(generation);
    });
    return;
  }

  const Nanos attempted = engine_.now();
  tally_.lateness.add(attempted - due.possible);
  if (const auto step_now = step_at(engine_.plan.steps, due.intended)) {
    ++tally_.steps[*step_now].sent;
    tally_.steps[*step_now].lateness.add(attempted - due.possible);
  }
  const Token::Claim claim = link.token.claim(due.generation, most_queued);
  if (claim == Token::Claim::gone) return;  // the connection ended; its outcome says why
  if (claim == Token::Claim::full) {
    ++tally_.pushed_back;
    return;
  }
  if (step.answered) {
    engine_.worker_of(due.client).expect_answer();
    const auto& rule = score.page.answers()[step.rule];
    link.awaited.push({due.intended, due.step, static_cast<std::uint16_t>(due.part), step.rule,
                       score.page.correlation(rule, protocol::Side::client, message.kind(), bytes_)});
  }
  if (score.counts_copies && !engine_.plan.trial) announce(due, step, attempted);
  if (due.last_words) link.said_all.store(true, std::memory_order_relaxed);
  if (due.step < score.parts[due.part].steps.size()) link.sent.fetch_add(1, std::memory_order_relaxed);
  ++tally_.sent;
  ++tally_.sent_by_kind[message.kind()];
  tally_.bytes_out += bytes_.size();
  live_.sent.fetch_add(1, std::memory_order_relaxed);
  if (link.kept && engine_.trace != nullptr) keep(due, attempted);
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
  if (error) engine_.link(due.client).token.begin_close();
  engine_.worker_of(due.client)
      .post(due.client,
            [generation = due.generation, out = Outgoing{std::string(rest), attempted},
             error](Client& client) mutable { client.token_comes(generation, std::move(out), error); });
}

}  // namespace chorus::replayer
