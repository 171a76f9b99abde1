#include "replayer/client.h"

#include "replayer/connector.h"
#include "replayer/sender.h"

#include <boost/asio/write.hpp>

#ifdef __linux__
#include <netinet/in.h>
#endif

namespace chorus::replayer {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using format::EventKind;
using format::Outcome;

constexpr std::size_t most_divergences = 1000;  // a worker; beyond it they are counted only
constexpr std::size_t most_awaited = 4096;      // a client that is never answered stays bounded
constexpr std::uint8_t most_attempts = 6;       // of a connection, with --on-refused retry

// When the recorded client closed this soon after its last words, a server that hangs up first is as
// recorded: the two ends race.
constexpr Nanos hangs_up_together = std::chrono::seconds(1);

std::string words(const error_code& error) {
  if (error == asio::error::eof) return "closed by the server";
  if (error == asio::error::connection_reset || error == asio::error::broken_pipe)
    return "reset by the server";
  return error.message();
}

}  // namespace

Client::Client(Desk& desk, std::uint32_t index) : desk_(desk), index_(index) {
  const Engine& engine = desk.engine;
  planned_ = engine.plan.start_of(index, engine.score, engine.options.ramp);
  if (const auto self = engine.score.names.self(engine.plan.part_of(index))) {
    self_ = engine.score.names.value(*self, engine.plan.names_of(index));
  }
}

void Client::open() {
  Engine& engine = desk_.engine;
  if (state_ != State::idle) return;  // interrupted before its turn
  state_ = State::connecting;
  retrying_ = false;
  ++attempts_;
  deadline_ = engine.now() + engine.options.timeout;
  desk_.watched.push_back(index_);
  error_code error;
  socket_.emplace(desk_.context);
  socket_->open(engine.target.protocol(), error);
  if (!error) socket_->non_blocking(true, error);
  if (!error) socket_->set_option(tcp::no_delay(true), error);
  if (!error && !bind_source(error)) return connected(error);
  if (error) return connected(error);
  socket_->async_connect(engine.target, [this, generation = generation_](const error_code& result) {
    if (generation == generation_ && state_ == State::connecting) connected(result);
  });
}

bool Client::bind_source(error_code& error) {
  const auto& sources = desk_.engine.sources;
  if (sources.empty()) return true;
#ifdef __linux__
  // Without it the system picks a port before it knows the destination, and runs out at 28,000 for all
  // sources.
  const int on = 1;
  setsockopt(socket_->native_handle(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
#endif
  socket_->bind(tcp::endpoint(sources[index_ % sources.size()], 0), error);
  return !error;
}

void Client::connected(const error_code& error) {
  Engine& engine = desk_.engine;
  engine.connector->settled();
  deadline_ = never_;
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
  connect_ = now - planned_;
  desk_.tally.connect.add(connect_);
  desk_.live.connected.fetch_add(1, std::memory_order_relaxed);
  state_ = State::open;
  performer_.begin();
  Link& link = engine.links[index_];
  link.handle = socket_->native_handle();
  link.sent.store(0, std::memory_order_relaxed);
  link.said_all.store(engine.score.parts[engine.plan.part_of(index_)].steps.size() < 2,
                      std::memory_order_relaxed);
  link.token.open(generation_);
  keep(EventKind::Opened, show_address(engine.options.target));
  engine.sender->notify({Notice::What::connected, index_, generation_, 0, now});
  if (engine.plan.trial && !engine.score.parts[engine.plan.part_of(index_)].becomes_ready) {
    return end(Outcome::Completed);  // it answers, and its recording has no login to try
  }
  listen();
}

// The server does not want this client: the connect itself failed, or a page's rule says "full".
void Client::refused(const std::string& what, const std::string& advice) {
  const bool retry = desk_.engine.options.on_refused == OnRefused::retry && !desk_.engine.plan.trial;
  retrying_ = retry && attempts_ < most_attempts;
  if (!retrying_) desk_.live.refused.fetch_add(1, std::memory_order_relaxed);
  if (state_ == State::connecting) keep(EventKind::Refused, what);
  end(Outcome::Refused, {what, advice});
}

void Client::listen() {
  socket_->async_wait(tcp::socket::wait_read, [this, generation = generation_](const error_code& error) {
    if (generation != generation_ || error == asio::error::operation_aborted) return;
    readable();
  });
}

// The worker's loop ends here most of the time: read what there is, look at it, wait again.
void Client::readable() {
  const std::uint32_t generation = generation_;
  std::string& buffer = desk_.read_buffer;
  for (int round = 0; round < 16; ++round) {  // then the others have their turn
    error_code error;
    const std::size_t size = socket_->read_some(asio::buffer(buffer), error);
    if (error == asio::error::would_block) break;
    if (error) return server_ended(error);
    hear({buffer.data(), size});
    if (generation != generation_ || state_ == State::closing) return;
    if (size < buffer.size()) break;
  }
  listen();
}

void Client::hear(protocol::Bytes bytes) {
  const Nanos now = desk_.engine.now();
  desk_.tally.bytes_in += bytes.size();
  if (desk_.engine.links[index_].kept && desk_.engine.trace != nullptr) {
    desk_.engine.trace->add({now, index_, EventKind::ToClient, bytes, std::nullopt});
  }
  note_awaited();
  performer_.feed(desk_.engine.score, desk_.engine.score.parts[desk_.engine.plan.part_of(index_)], self_,
                  bytes, now, *this);
}

void Client::note_awaited() {
  while (auto awaited = desk_.engine.links[index_].awaited.pop()) {
    if (performer_.awaited().size() < most_awaited) {
      performer_.await(*awaited);
    } else {
      leave_unanswered(*awaited);
    }
  }
}

// A message without its answer counts at its age.
void Client::leave_unanswered(const Awaited& awaited) {
  const KindId kind = desk_.engine.score.page.answers()[awaited.rule].to;
  ++desk_.tally.unanswered;
  ++desk_.tally.unanswered_by_kind[kind];
  desk_.tally.latency[kind].add(desk_.engine.now() - awaited.intended);
}

void Client::on_message(KindId kind) {
  Tally& tally = desk_.tally;
  ++tally.received;
  ++tally.received_by_kind[kind < tally.received_by_kind.size() ? kind : 0];
  desk_.live.received.fetch_add(1, std::memory_order_relaxed);
}

void Client::on_gate(std::uint16_t slot, Nanos now) {
  desk_.engine.sender->notify({Notice::What::gate, index_, generation_, slot, now});
}

void Client::on_ready(Nanos now) {
  ready_ = now - planned_;
  desk_.tally.ready.add(ready_);
  if (desk_.engine.plan.trial) end(Outcome::Completed);
}

void Client::on_answer(const Awaited& awaited, Nanos now) {
  const KindId kind = desk_.engine.score.page.answers()[awaited.rule].to;
  desk_.tally.latency[kind].add(now - awaited.intended);
  if (state_ == State::draining) settle();
}

void Client::on_failure(const protocol::FailureRule& rule, KindId kind, protocol::Bytes message) {
  const auto& page = desk_.engine.score.page;
  const std::string what = std::string(page.kind_name(kind)) + ": " + rule.means;
  std::string advice = rule.advice;
  if (const auto self = desk_.engine.score.names.self(desk_.engine.plan.part_of(index_))) {
    const std::string& recorded = desk_.engine.score.names[*self].recorded;
    for (auto at = advice.find("{user}"); at != std::string::npos; at = advice.find("{user}")) {
      advice.replace(at, 6, recorded);
    }
  }
  if (rule.refused) return refused(what, advice);
  end(Outcome::Failed, {what, advice}, show(page, kind, message));
}

void Client::on_broken(const char* why) {
  end(Outcome::Failed, {std::string("the server's bytes are no message of this protocol: ") + why,
                        "is --protocol right for this server?"});
}

// --- writing
// ---------------------------------------------------------------------------------------------------

void Client::on_reply(std::string bytes) {
  if (state_ != State::open && state_ != State::draining) return;
  ++desk_.tally.replies;
  if (!holding_) {
    switch (desk_.engine.links[index_].token.claim(generation_, Sender::most_queued)) {
      case Token::Claim::taken:
        holding_ = true;
        break;
      case Token::Claim::queued:
        ++own_queued_;
        break;  // the sender is at it and will find the count raised
      case Token::Claim::full:
      case Token::Claim::gone:
        return;
    }
  }
  keep(EventKind::ToServer, bytes);
  outbox_.push_back({std::move(bytes), Nanos{-1}});
  pump();
}

void Client::message_comes(std::uint32_t generation, Outgoing message) {
  if (generation != generation_) return;
  desk_.engine.links[index_].token.arrived();
  outbox_.push_back(std::move(message));
  pump();
}

void Client::token_comes(std::uint32_t generation, Outgoing rest, error_code error) {
  if (generation != generation_) return;
  holding_ = true;
  for (; own_queued_ > 0; --own_queued_) desk_.engine.links[index_].token.arrived();
  if (state_ == State::closing) return close_now();
  if (error) return write_failed(error);
  if (!rest.bytes.empty()) outbox_.insert(outbox_.begin(), std::move(rest));
  pump();
}

// A write that fails ends a client, but what the server said before it hung up is still there to be read.
void Client::write_failed(const error_code& error) {
  const std::uint32_t generation = generation_;
  std::string& buffer = desk_.read_buffer;
  for (;;) {
    error_code end;
    const std::size_t size = socket_->read_some(asio::buffer(buffer), end);
    if (end) break;
    hear({buffer.data(), size});
    if (generation != generation_ || state_ == State::closing) return;
  }
  server_ended(error);
}

// Writes what is queued, oldest first; the token goes back when nothing is left.
void Client::pump() {
  if (!holding_ || writing_ || state_ == State::closing) return;
  if (outbox_.empty()) {
    holding_ = !desk_.engine.links[index_].token.release_by_worker();
    return;
  }
  writing_ = true;
  in_flight_ = std::move(outbox_.front());
  outbox_.erase(outbox_.begin());
  asio::async_write(*socket_, asio::buffer(in_flight_.bytes),
                    [this, generation = generation_](const error_code& error, std::size_t) {
                      if (generation != generation_ || error == asio::error::operation_aborted) return;
                      writing_ = false;
                      if (error) return write_failed(error);
                      const Nanos attempted = in_flight_.attempted;
                      if (attempted.count() >= 0) desk_.tally.pushback.add(desk_.engine.now() - attempted);
                      pump();
                    });
}

// --- the end
// ---------------------------------------------------------------------------------------------------

void Client::finish(std::uint32_t generation) {
  if (generation != generation_ || state_ != State::open) return;
  state_ = State::draining;
  desk_.engine.links[index_].said_all.store(true, std::memory_order_relaxed);
  deadline_ = desk_.engine.now() + desk_.engine.options.drain;
  desk_.watched.push_back(index_);
  settle();
}

// Nothing more will be said: is everything here that the recording had?
void Client::settle() {
  note_awaited();
  if (owed() != nullptr) return;
  const Part& part = desk_.engine.score.parts[desk_.engine.plan.part_of(index_)];
  if (part.server_closes && desk_.engine.now() < deadline_) return;  // it is the server's turn to hang up
  end(desk_.engine.score.page.is_raw() ? Outcome::Unjudged : Outcome::Completed);
}

// The oldest answer that the recording had, the page requires, and that has not come.
const protocol::AnswerRule* Client::owed() const {
  for (const Awaited& awaited : performer_.awaited()) {
    const auto& rule = desk_.engine.score.page.answers()[awaited.rule];
    if (rule.required) return &rule;
  }
  return nullptr;
}

void Client::give_up(std::uint32_t generation, KindId gate) {
  if (generation != generation_ || (state_ != State::open && state_ != State::draining)) return;
  const std::string kind(desk_.engine.score.page.kind_name(gate));
  end(Outcome::Failed, {"no " + kind + " within " + show_duration(desk_.engine.options.timeout),
                        "the recording waited for it; a slow server needs a larger --timeout"});
}

bool Client::check(Nanos now) {
  if (deadline_ == never_) return false;
  if (now < deadline_) return true;
  if (state_ == State::connecting) {
    deadline_ = never_;
    error_code ignored;
    socket_->close(ignored);
    connected(asio::error::timed_out);
  } else if (state_ == State::draining) {
    note_awaited();
    if (const auto* rule = owed(); rule == nullptr) {
      settle();
    } else {
      end(Outcome::Failed, {"no answer to " + std::string(desk_.engine.score.page.kind_name(rule->to)) +
                                " within " + show_duration(desk_.engine.options.drain) + " of the end",
                            "the server lost it or is slow; a slow one needs a larger --drain"});
    }
  }
  return state_ == State::connecting || state_ == State::draining;
}

void Client::server_ended(const error_code& error) {
  if (state_ == State::closing || state_ == State::concluded) return;
  const auto& score = desk_.engine.score;
  const Link& link = desk_.engine.links[index_];
  const Part& part = score.parts[desk_.engine.plan.part_of(index_)];
  note_awaited();
  keep(error == asio::error::eof ? EventKind::ServerEnd : EventKind::ServerReset, words(error));
  const bool expected_end =
      link.said_all.load(std::memory_order_relaxed) &&
      (part.server_closes || state_ == State::draining || part.steps.back().wait <= hangs_up_together);
  if (expected_end && owed() == nullptr) {
    return end(score.page.is_raw() ? Outcome::Unjudged : Outcome::Completed);
  }
  if (!performer_.heard() && score.page.closed_unheard() != nullptr) {
    return refused(score.page.closed_unheard()->means, score.page.closed_unheard()->advice);
  }
  end(Outcome::Disconnected,
      {words(error), "look at the server's log: it ended what the recording kept open"}, words(error));
}

void Client::interrupt() {
  if (state_ == State::concluded || state_ == State::closing) return;
  end(Outcome::Unfinished);
}

// The client's fate is known; the connection goes as soon as nobody writes on it.
void Client::end(Outcome outcome, Reason reason, std::string got) {
  if (state_ == State::closing || state_ == State::concluded) return;
  outcome_ = outcome;
  note_awaited();
  if (!retrying_ && outcome != Outcome::Completed && outcome != Outcome::Unjudged &&
      outcome != Outcome::Unfinished) {
    // Who never got in is counted with all others that did not, whichever part was to be played.
    const std::uint32_t part = connect_.count() < 0 ? 0 : desk_.engine.plan.part_of(index_);
    stop_ = Stop{std::move(reason), part, desk_.engine.links[index_].sent.load(std::memory_order_relaxed)};
    diverge(expected(), got.empty() ? stop_->reason.what : std::move(got));
    if (outcome != Outcome::Refused) desk_.live.failed.fetch_add(1, std::memory_order_relaxed);
  }
  if (outcome != Outcome::Unfinished) {
    for (const Awaited& awaited : performer_.awaited()) {
      leave_unanswered(awaited);
    }
  }
  performer_.forget_awaited();
  const bool was_open = state_ == State::open || state_ == State::draining;
  state_ = State::closing;
  deadline_ = never_;
  if (!was_open || holding_ || desk_.engine.links[index_].token.begin_close()) {
    if (holding_) desk_.engine.links[index_].token.begin_close();
    close_now();
  }
}

void Client::close_now() {
  if (connect_.count() >= 0) keep(EventKind::Closed, stop_ ? stop_->reason.what : "");
  error_code ignored;
  if (socket_ && socket_->is_open()) {
    socket_->cancel(ignored);  // Windows: pending operations end with "aborted", not with an odd error
    socket_->close(ignored);
  }
  desk_.engine.sender->notify({Notice::What::gone, index_, generation_, 0, Nanos{}});
  desk_.engine.links[index_].token.end(++generation_);
  socket_.reset();
  holding_ = writing_ = false;
  own_queued_ = 0;
  outbox_.clear();
  if (retrying_) {
    state_ = State::idle;
    desk_.engine.connector->again(index_, attempts_);
    return;
  }
  conclude();
}

void Client::conclude() {
  state_ = State::concluded;
  desk_.live.concluded.fetch_add(1, std::memory_order_relaxed);
  if (desk_.engine.remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) desk_.engine.on_all_concluded();
}

// --- notes
// -----------------------------------------------------------------------------------------------------

std::string Client::expected() const {
  const Part& part = desk_.engine.score.parts[desk_.engine.plan.part_of(index_)];
  const std::size_t sent = desk_.engine.links[index_].sent.load(std::memory_order_relaxed);
  if (connect_.count() < 0) return "the server accepts the connection";
  if (sent < part.then.size() && !part.then[sent].empty()) return part.then[sent];
  return "the connection stays open";
}

void Client::diverge(std::string expected, std::string got) {
  Tally& tally = desk_.tally;
  ++tally.divergent;
  StopCount& count = tally.stops[*stop_];
  if (count.clients++ == 0) {
    count.expected = expected;
    count.got = got;
  }
  if (tally.divergences.size() < most_divergences) {
    tally.divergences.push_back(
        {index_, stop_->step, desk_.engine.now(), std::move(expected), std::move(got)});
  }
}

void Client::keep(EventKind kind, protocol::Bytes payload) {
  if (!desk_.engine.links[index_].kept || desk_.engine.trace == nullptr) return;
  desk_.engine.trace->add({desk_.engine.now(), index_, kind, payload, std::nullopt});
}

format::ClientRow Client::row() const {
  const Engine& engine = desk_.engine;
  format::ClientRow row;
  row.client = index_;
  row.copy = engine.plan.copy_of(index_);
  row.origin = engine.score.parts[engine.plan.part_of(index_)].origin;
  row.outcome = outcome_;
  row.steps = engine.links[index_].sent.load(std::memory_order_relaxed);
  row.connect_ns = connect_.count();
  row.ready_ns = ready_.count();
  row.kept = engine.links[index_].kept;
  return row;
}

}  // namespace chorus::replayer
