// What a message goes through on the sender's thread: rendered, claimed, told of, sent alone or with a batch,
// and the token given back or passed on (token.h).
#include "replayer/sender.h"
#include "replayer/worker.h"

namespace chorus::replayer {

using boost::system::error_code;
using protocol::Moment;

void Sender::send(const Due& due) {
  if (in_batch(due.client)) flush();
  Ready& ready = ready_[filled_];
  ready.due = due;
  if (!prepare(ready)) return;
  Sending& sending = sendings_[filled_];
  sending.socket = engine_.link(due.client).handle;
  sending.bytes = ready.bytes;
  batch_of_[place_of(due.client)] = batch_number_;
  if (++filled_ == ready_.size()) flush();
}

// Renders the message, claims the client's token for it and tells everybody who must know of it before it
// goes out. False: it does not go out from here.
bool Sender::prepare(Ready& ready) {
  const Due& due = ready.due;
  const Score& score = engine_.score;
  const Step& step = score.parts[due.part].step(due.step);
  const protocol::MessageTemplate& message = score.messages[step.message];
  Link& link = engine_.link(due.client);
  ++tally_.scheduled;
  if (!render(due, ready.bytes)) {  // what the server said does not fit where it belongs
    engine_.worker_of(due.client).post(due.client, [generation = due.generation](Client& client) {
      client.cannot_carry(generation);
    });
    return false;
  }

  // It is attempted when the batch is sent (flush); for the books that must know before, the turn's time will
  // do.
  if (link.kept) now_ = engine_.now();
  const Nanos attempted = now_;
  const Token::Claim claim = link.token.claim(due.generation, most_queued);
  if (claim != Token::Claim::taken) note_lateness(due, attempted);
  if (claim == Token::Claim::gone) return false;  // the connection ended; its outcome says why
  if (claim == Token::Claim::full) {
    ++tally_.pushed_back;
    return false;
  }
  if (step.answered) {
    engine_.worker_of(due.client).expect_answer();
    const auto& rule = score.page.answers()[step.rule];
    link.awaited.push({due.intended, due.step, static_cast<std::uint16_t>(due.part), step.rule,
                       score.page.correlation(rule, protocol::Side::client, message.kind(), ready.bytes)});
  }
  if (score.counts_copies && !engine_.plan.trial) announce(ready, step, attempted);
  if (due.last_words) link.said_all.store(true, std::memory_order_relaxed);
  if (due.step < score.parts[due.part].steps.size()) link.sent.fetch_add(1, std::memory_order_relaxed);
  ++tally_.sent;
  ++tally_.sent_by_kind[message.kind()];
  tally_.bytes_out += ready.bytes.size();
  live_.sent.store(tally_.sent, std::memory_order_relaxed);
  if (link.kept && engine_.trace != nullptr) keep(ready, attempted);
  if (claim == Token::Claim::taken) return true;
  engine_.worker_of(due.client)
      .post(due.client, [generation = due.generation, out = Outgoing{ready.bytes, attempted}](
                            Client& client) mutable { client.message_comes(generation, std::move(out)); });
  return false;
}

// Sends what was due together: often a single message, at an exact pace. The system takes them one after the
// other, so the time of each is known to within its share of the call.
void Sender::flush() {
  if (filled_ == 0) return;
  const Nanos begun = engine_.now();
  batch_->send({sendings_.data(), filled_});
  now_ = engine_.now();
  const Nanos share = (now_ - begun) / static_cast<std::int64_t>(filled_);
  Nanos attempted = begun;
  for (std::size_t i = 0; i < filled_; ++i, attempted += share)
    settle(ready_[i], sendings_[i], attempted, attempted + share);
  filled_ = 0;
  ++batch_number_;
}

void Sender::settle(const Ready& ready, const Sending& result, Nanos attempted, Nanos done) {
  const Due& due = ready.due;
  note_lateness(due, attempted);
  if (result.taken < ready.bytes.size()) {
    const bool full = result.error == boost::asio::error::would_block;
    return hand_over(due, std::string_view(ready.bytes).substr(result.taken), attempted,
                     full ? error_code() : result.error);
  }
  tally_.pushback.add(done - attempted);
  if (!engine_.link(due.client).token.release(due.generation)) hand_over(due, {}, attempted, {});
}

void Sender::note_lateness(const Due& due, Nanos attempted) {
  const Nanos late = attempted - due.possible;
  tally_.lateness.add(late);
  if (const auto step = step_at(engine_.plan.steps, due.intended)) {
    ++tally_.steps[*step].sent;
    tally_.steps[*step].lateness.add(late);
  }
  engine_.live.times.back().add(late);
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
      heard_ = variables_[place_of(due.client)];
      heard_.resize(score.page.variables().size());
      for (const Need& need : step.needs) {
        const auto& values = variables_[place_of(due.client) - own_part + need.part];
        if (need.variable < values.size()) heard_[need.variable] = values[need.variable];
      }
      moment.variables = heard_;
    }
  }
  return message.render(score.page, score.names, engine_.plan.names_of(due.client), own_part, out, nullptr,
                        &moment);
}

// The message goes into the run's trace, but for passwords that came from --users.
void Sender::keep(const Ready& ready, Nanos attempted) {
  const Due& due = ready.due;
  const Score& score = engine_.score;
  const auto& message = score.messages[score.parts[due.part].step(due.step).message];
  const bool secret = message.has_secrets(score.names);
  if (secret) render(due, kept_, true);
  engine_.trace->add(
      {attempted, due.client, format::EventKind::ToServer, secret ? kept_ : ready.bytes, due.intended});
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
