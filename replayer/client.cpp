// Connecting and listening. What a client writes stands in client_write.cpp, how it ends in client_end.cpp.
#include "replayer/client.h"

#include "replayer/connector.h"
#include "replayer/sender.h"

#include <boost/asio/error.hpp>

namespace chorus::replayer {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using format::EventKind;
using format::Outcome;

constexpr std::size_t most_awaited = 4096;       // a client that is never answered stays bounded
constexpr std::uint8_t most_attempts = 6;        // of a connection, with --on-refused retry
constexpr std::size_t most_other_answers = 500;  // a worker lists; the rest are counted

}  // namespace

Client::Client(Desk& desk, std::uint32_t index) : desk_(desk), index_(index), connection_(desk.port) {
  const Engine& engine = desk.engine;
  planned_ = engine.plan.start_of(index, engine.score, engine.options);
  for (const std::size_t name : engine.score.names.all_of(engine.plan.part_of(index)))
    self_.push_back(engine.score.names.value(name, engine.plan.names_of(index)));
}

void Client::open() {
  Engine& engine = desk_.engine;
  if (state_ != State::idle) return;  // interrupted before its turn
  state_ = State::connecting;
  retrying_ = false;
  ++attempts_;
  const Nanos now = engine.now();
  // Who waited for a place among the pending ones while the server took nobody need not wait once more.
  const Nanos since = std::max(planned_, Nanos(engine.accepted_last.load(std::memory_order_relaxed)));
  if (attempts_ == 1 && now - since >= engine.options.timeout) return on_connected(asio::error::timed_out);
  deadline_ = now + engine.options.timeout;
  desk_.watched.push_back(index_);
  weigh();
  const auto& sources = engine.sources;
  connection_.connect(*this, engine.target, sources.empty() ? nullptr : &sources[index_ % sources.size()],
                      engine.stamps);
}

void Client::on_connected(const error_code& result) {
  if (state_ != State::connecting) return;
  Engine& engine = desk_.engine;
  error_code error = result;
  engine.connector->settled();
  if (attempts_ == 1) bump(desk_.live.settled);
  deadline_ = never_;
  if (!error) error = connection_.listen();
  if (error == asio::error::timed_out) {
    return refused("the connection was not accepted in time",
                   "the server's backlog may be full: try a slower --ramp");
  }
  if (error == asio::error::connection_refused) {
    return refused("connection refused",
                   "is the server listening on " + show_address(engine.options.target) + "?");
  }
  if (error) {
    const bool ours = error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
                      error == asio::error::no_memory || error == boost::system::errc::address_not_available;
    desk_.tally.own_failures += ours;
    return end(Outcome::Failed,
               {"cannot connect: " + error.message(), "see the open files and ports of this machine"});
  }
  const Nanos now = engine.now();
  engine.accepted_last.store(now.count(), std::memory_order_relaxed);
  if (connect_.count() < 0) bump(desk_.live.connected);
  connect_ = now - planned_;
  desk_.tally.connect.add(connect_);
  state_ = State::open;
  performer_.begin();
  Link& link = engine.link(index_);
  link.handle = connection_.handle();
  link.sent.store(0, std::memory_order_relaxed);
  link.said_all.store(engine.score.parts[engine.plan.part_of(index_)].steps.size() < 2,
                      std::memory_order_relaxed);
  link.token.open(generation_);
  keep(EventKind::Opened, show_address(engine.options.target));
  engine.sender->notify({Notice::What::connected, index_, generation_, 0, now});
  if (engine.plan.trial && !engine.score.parts[engine.plan.part_of(index_)].becomes_ready) {
    return end(Outcome::Completed);  // it answers, and its recording has no login to try
  }
  weigh();
}

// The server does not want this client: the connect itself failed, or a page's rule says "full".
void Client::refused(const std::string& what, const std::string& advice, std::string got) {
  const bool retry = desk_.engine.options.on_refused == OnRefused::retry && !desk_.engine.plan.trial;
  retrying_ = retry && attempts_ < most_attempts;
  if (!retrying_) bump(desk_.live.refused);
  if (state_ == State::connecting) keep(EventKind::Refused, what);
  end(Outcome::Refused, {what, advice}, std::move(got));
}

// The worker's loop ends here most of the time: read what there is and look at it.
void Client::on_readable(bool ends) {
  if (state_ != State::open && state_ != State::draining) return;  // the token's holder is still to come back
  constexpr int most_rounds = 16;                                  // then the others have their turn
  const std::uint32_t generation = generation_;
  std::string& buffer = desk_.read_buffer;
  int round = 0;
  for (; round < most_rounds; ++round) {
    error_code error;
    Nanos ago{};
    const std::size_t size = connection_.read(buffer, ago, error);
    if (error == asio::error::would_block) break;
    if (error) return server_ended(error);
    hear({buffer.data(), size}, desk_.engine.now() - ago);
    if (generation != generation_ || state_ == State::closing) return;
    if (size < buffer.size() && !ends) break;
  }
  if (restless_) weigh();
  connection_.listen_again(round == most_rounds);
}

void Client::hear(protocol::Bytes bytes, Nanos now) {
  desk_.tally.bytes_in += bytes.size();
  if (desk_.engine.link(index_).kept && desk_.engine.trace != nullptr) {
    desk_.engine.trace->add({now, index_, EventKind::ToClient, bytes, std::nullopt});
  }
  note_awaited();
  if (desk_.copies != nullptr) desk_.copies->catch_up();
  performer_.feed(desk_.engine.score, desk_.engine.score.parts[desk_.engine.plan.part_of(index_)], self_,
                  bytes, now, *this);
}

// Who connects, logs in, or has a step ahead that waits for the server, needs to be heard at once; so does
// who is owed something, which `awaiting` counts.
void Client::weigh() {
  const Part& part = desk_.engine.score.parts[desk_.engine.plan.part_of(index_)];
  const bool open = state_ == State::open || state_ == State::draining;
  const bool restless =
      state_ == State::connecting ||
      (open && ((part.becomes_ready && !performer_.ready()) || writing_ ||
                (state_ == State::open &&
                 desk_.engine.link(index_).sent.load(std::memory_order_relaxed) < part.last_waiting)));
  if (restless == restless_) return;
  restless_ = restless;
  if (!restless) {
    --desk_.restless;
    return;
  }
  ++desk_.restless;
  desk_.watched.push_back(index_);  // it may calm down by what the sender does
}

void Client::note_settled(std::size_t answers) {
  if (answers > 0) desk_.awaiting.fetch_sub(static_cast<std::int64_t>(answers), std::memory_order_relaxed);
}

void Client::note_awaited() {
  while (auto awaited = desk_.engine.link(index_).awaited.pop()) {
    if (performer_.awaited().size() < most_awaited) {
      performer_.await(*awaited);
    } else {
      leave_unanswered(*awaited);
      note_settled(1);
    }
  }
}

// A message without its answer counts at its age.
void Client::leave_unanswered(const Awaited& awaited) {
  const KindId kind = desk_.engine.score.page.answers()[awaited.rule].to;
  ++desk_.tally.unanswered;
  ++desk_.tally.unanswered_by_kind[kind];
  const Nanos age = desk_.engine.now() - awaited.intended;
  desk_.tally.latency[kind].add(age);
  desk_.latency.add(age);
  if (StepTally* step = step_of(awaited.intended)) {
    ++step->unanswered;
    step->latency.add(age);
  }
}

StepTally* Client::step_of(Nanos intended) const {
  const auto step = step_at(desk_.engine.plan.steps, intended);
  return step ? &desk_.tally.steps[*step] : nullptr;
}

void Client::on_message(KindId kind) {
  Tally& tally = desk_.tally;
  ++tally.received;
  ++tally.received_by_kind[kind < tally.received_by_kind.size() ? kind : 0];
  bump(desk_.live.received);
}

void Client::on_gate(std::uint16_t slot, Nanos now) {
  desk_.engine.sender->notify({Notice::What::gate, index_, generation_, slot, now});
}

void Client::on_ready(Nanos now) {
  ready_ = now - planned_;
  desk_.tally.ready.add(ready_);
  if (desk_.copies != nullptr) desk_.copies->book.connected(index_, now);
  if (desk_.engine.plan.trial) end(Outcome::Completed);
}

void Client::on_answer(const Awaited& awaited, KindId kind, Nanos now) {
  const Score& score = desk_.engine.score;
  const auto& rule = score.page.answers()[awaited.rule];
  const Step& step = score.parts[awaited.part].step(awaited.step);
  desk_.tally.latency[rule.to].add(now - awaited.intended);
  desk_.latency.add(now - awaited.intended);
  if (StepTally* counted = step_of(awaited.intended)) counted->latency.add(now - awaited.intended);
  note_settled(1);
  if (kind != step.answer) return answered_otherwise(rule, step, awaited.step, kind);
  if (step.enters && desk_.copies != nullptr) {
    const auto room = desk_.engine.plan.room_number(score.names, step.audience.room, index_);
    desk_.copies->book.entered(index_, room, now);
    for (const std::uint32_t also : step.also)
      desk_.copies->book.entered(index_, desk_.engine.plan.room_number(score.names, also, index_), now);
  }
  if (state_ == State::draining) settle();
}

// Where the page requires the answer the client has failed; elsewhere it goes on, and the difference is told.
void Client::answered_otherwise(const protocol::AnswerRule& rule, const Step& step, std::uint32_t number,
                                KindId kind) {
  const auto& page = desk_.engine.score.page;
  const std::string got(page.kind_name(kind)), expected(page.kind_name(step.answer));
  const std::string what =
      std::string(page.kind_name(rule.to)) + " answered " + got + " instead of " + expected;
  if (rule.required)
    return end(Outcome::Failed, {what, "the server no longer grants what it granted the recorded client"},
               got);
  if (desk_.tally.others[{rule.to, step.answer, kind}]++ == 0 ||
      desk_.tally.divergences.size() < most_other_answers)
    desk_.tally.divergences.push_back({index_, number, desk_.engine.now(), expected, got});
  if (state_ == State::draining) settle();
}

void Client::on_variable(std::uint16_t variable, std::string value, Nanos now) {
  desk_.engine.sender->notify({Notice::What::variable, index_, generation_, variable, now, std::move(value)});
}

void Client::on_removed(std::string_view room) {
  if (desk_.copies == nullptr) return;
  const Plan& plan = desk_.engine.plan;
  const auto& names = desk_.engine.score.names;
  for (std::uint32_t name = 0; name < names.size(); ++name) {
    if (names[name].role != protocol::Role::room || names.value(name, plan.names_of(index_)) != room)
      continue;
    desk_.copies->book.removed(index_, plan.room_number(names, name, index_), desk_.engine.now());
  }
}

void Client::on_delivery(std::uint64_t key, Nanos now) {
  if (desk_.copies != nullptr) desk_.copies->book.heard(index_, key, now);
}

void Client::on_failure(const protocol::FailureRule& rule, KindId kind, protocol::Bytes message) {
  const auto& page = desk_.engine.score.page;
  const std::string what = std::string(page.kind_name(kind)) + ": " + rule.means;
  if (rule.refused) return refused(what, advice(rule), show(page, kind, message));
  end(Outcome::Failed, {what, advice(rule)}, show(page, kind, message));
}

// The page's advice with the recorded names in it.
std::string Client::advice(const protocol::FailureRule& rule) const {
  const auto& names = desk_.engine.score.names;
  std::string text = rule.advice;
  const auto put = [&](const std::string& field, const std::string& value) {
    for (auto at = text.find(field); at != std::string::npos; at = text.find(field, at + value.size()))
      text.replace(at, field.size(), value);
  };
  if (const auto self = names.self(desk_.engine.plan.part_of(index_))) put("{user}", names[*self].recorded);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i].role == protocol::Role::room) put("{room}", names[i].recorded);
  return text;
}

void Client::on_broken(const char* why) {
  end(Outcome::Failed, {std::string("the server's bytes are no message of this protocol: ") + why,
                        "is --protocol right for this server?"});
}

void Client::keep(EventKind kind, protocol::Bytes payload) {
  if (!desk_.engine.link(index_).kept || desk_.engine.trace == nullptr) return;
  desk_.engine.trace->add({desk_.engine.now(), index_, kind, payload, std::nullopt});
}

format::ClientRow Client::row() const {
  const Engine& engine = desk_.engine;
  format::ClientRow row;
  row.client = index_;
  row.copy = engine.plan.copy_of(index_);
  row.origin = engine.score.parts[engine.plan.part_of(index_)].origin;
  row.outcome = outcome_;
  row.steps = engine.link(index_).sent.load(std::memory_order_relaxed);
  row.connect_ns = connect_.count();
  row.ready_ns = ready_.count();
  row.kept = engine.link(index_).kept;
  return row;
}

}  // namespace chorus::replayer
