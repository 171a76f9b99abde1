// How a client ends: what it still waits for, what the end of its connection means, and the note of what went
// another way than the recording.
#include "replayer/client.h"
#include "replayer/connector.h"
#include "replayer/sender.h"

#include <utility>

namespace chorus::replayer {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using format::EventKind;
using format::Outcome;

constexpr std::size_t most_divergences = 1000;  // a worker; beyond it they are counted only

// When the recorded client closed this soon after its last words, a server that hangs up first is as
// recorded: the two ends race.
constexpr Nanos hangs_up_together = std::chrono::seconds(1);

// So long a client that is done waits for recorded answers that no page requires: the recorded client heard
// them before it hung up.
constexpr Nanos courtesy = std::chrono::seconds(1);

std::string words(const error_code& error) {
  if (error == asio::error::eof) return "closed by the server";
  if (error == asio::error::connection_reset || error == asio::error::broken_pipe)
    return "reset by the server";
  return error.message();
}

}  // namespace

void Client::finish(std::uint32_t generation) {
  if (generation != generation_ || state_ != State::open) return;
  state_ = State::draining;
  desk_.engine.link(index_).said_all.store(true, std::memory_order_relaxed);
  deadline_ = desk_.engine.now() + desk_.engine.options.drain;
  courtesy_ends_ = std::min(deadline_, desk_.engine.now() + courtesy);
  desk_.watched.push_back(index_);
  settle();
}

// Nothing more will be said: is everything here that the recording had?
void Client::settle() {
  note_awaited();
  if (owed() != nullptr) return;
  if (dismissed_) return end(Outcome::Unfinished);
  if (!performer_.awaited().empty() && desk_.engine.now() < courtesy_ends_) return;
  const Part& part = desk_.engine.score.parts[desk_.engine.plan.part_of(index_)];
  if (part.server_closes && desk_.engine.now() < deadline_) return;  // it is the server's turn to hang up
  end(desk_.engine.score.judged ? Outcome::Completed : Outcome::Unjudged);
}

// The oldest message whose answer the recording had, the page requires, and that has not come.
const Awaited* Client::owed() const {
  for (const Awaited& awaited : performer_.awaited()) {
    if (desk_.engine.score.page.answers()[awaited.rule].required) return &awaited;
  }
  return nullptr;
}

void Client::end_unanswered(const std::string& until, const std::string& why) {
  const Score& score = desk_.engine.score;
  const Awaited awaited = *owed();
  const std::string kind(score.page.kind_name(score.page.answers()[awaited.rule].to));
  expected_ = &score.parts[awaited.part].step(awaited.step).answer_text;
  end(Outcome::Failed, {"no answer to " + kind + until, why});
}

void Client::give_up(std::uint32_t generation, const std::string& missing) {
  if (generation != generation_ || (state_ != State::open && state_ != State::draining)) return;
  end(Outcome::Failed, {"no " + missing + " within " + show_duration(desk_.engine.options.timeout),
                        "the recording waited for it; a slow server needs a larger --timeout"});
}

void Client::cannot_carry(std::uint32_t generation) {
  if (generation != generation_ || (state_ != State::open && state_ != State::draining)) return;
  end(Outcome::Failed, {"a value that the server said does not fit into the message that carries it on",
                        "look at the page's [[extract]] and [[insert]]: is the field's width right?"});
}

bool Client::check(Nanos now) {
  weigh();
  if (deadline_ == never_) return restless_;
  if (now < deadline_) {
    if (state_ == State::draining && now >= courtesy_ends_) settle();
    return state_ != State::closing && state_ != State::concluded;
  }
  if (state_ == State::connecting) {
    deadline_ = never_;
    on_connected(asio::error::timed_out);
  } else if (state_ == State::draining) {
    note_awaited();
    if (owed() == nullptr) {
      settle();
    } else {
      end_unanswered(" within " + show_duration(desk_.engine.options.drain) + " of the end",
                     "the server lost it or is slow; a slow one needs a larger --drain");
    }
  }
  return state_ == State::connecting || state_ == State::draining || restless_;
}

void Client::server_ended(const error_code& error) {
  if (state_ == State::closing || state_ == State::concluded) return;
  const auto& score = desk_.engine.score;
  const Link& link = desk_.engine.link(index_);
  const Part& part = score.parts[desk_.engine.plan.part_of(index_)];
  note_awaited();
  keep(error == asio::error::eof ? EventKind::ServerEnd : EventKind::ServerReset, words(error));
  const bool expected_end =
      !dismissed_ && link.said_all.load(std::memory_order_relaxed) &&
      (part.server_closes || state_ == State::draining || part.steps.back().wait <= hangs_up_together);
  if (expected_end && owed() == nullptr) {
    return end(score.judged ? Outcome::Completed : Outcome::Unjudged);
  }
  if (expected_end) {  // the server may hang up now, but it owes something
    return end_unanswered(" before the server hung up as recorded", "the server lost it");
  }
  if (!performer_.heard() && score.page.closed_unheard() != nullptr) {
    return refused(score.page.closed_unheard()->means, advice(*score.page.closed_unheard()), words(error));
  }
  if (const auto* rule = score.page.closed(); rule != nullptr && performer_.heard())
    return end(Outcome::Disconnected, {rule->means, advice(*rule)}, words(error));
  end(Outcome::Disconnected,
      {words(error), "look at the server's log: it ended what the recording kept open"}, words(error));
}

void Client::interrupt() {
  if (state_ == State::concluded) return;
  if (std::exchange(retrying_, false)) outcome_ = Outcome::Unfinished;  // there is no other attempt any more
  end(Outcome::Unfinished);
}

void Client::dismiss() {
  note_awaited();
  if (state_ == State::open && owed() != nullptr) {
    dismissed_ = true;
    state_ = State::draining;
    deadline_ = desk_.engine.now() + desk_.engine.options.drain;
    courtesy_ends_ = Nanos{0};
    desk_.watched.push_back(index_);
    return;
  }
  if (state_ != State::idle || !stop_) return interrupt();
  retrying_ = false;
  bump(desk_.live.refused);
  end(Outcome::Refused, Reason(stop_->reason));
}

// The client's fate is known; the connection goes as soon as nobody writes on it.
void Client::end(Outcome outcome, Reason reason, std::string got) {
  if (state_ == State::closing || state_ == State::concluded) return;
  outcome_ = outcome;
  note_awaited();
  const bool lost =
      outcome != Outcome::Completed && outcome != Outcome::Unjudged && outcome != Outcome::Unfinished;
  stop_.reset();
  if (lost) {
    // Who never got in is counted with all others that did not, whichever part was to be played.
    const std::uint32_t part = connect_.count() < 0 ? 0 : desk_.engine.plan.part_of(index_);
    stop_ = std::make_unique<Stop>(std::move(reason), part,
                                   desk_.engine.link(index_).sent.load(std::memory_order_relaxed));
  }
  if (lost && !retrying_) {
    diverge(expected(), got.empty() ? stop_->reason.what : std::move(got));
    if (outcome != Outcome::Refused) bump(desk_.live.failed);
  }
  if (outcome != Outcome::Unfinished) {
    for (const Awaited& awaited : performer_.awaited()) {
      leave_unanswered(awaited);
    }
  }
  note_settled(performer_.awaited().size());
  performer_.forget_awaited();
  performer_.stop();
  if (desk_.copies != nullptr) {
    desk_.copies->catch_up();
    desk_.copies->book.gone(index_, desk_.engine.now());
  }
  const bool was_open = state_ == State::open || state_ == State::draining;
  state_ = State::closing;
  deadline_ = never_;
  if (!was_open || holding_ || desk_.engine.link(index_).token.begin_close()) {
    if (holding_) desk_.engine.link(index_).token.begin_close();
    close_now();
  }
}

void Client::close_now() {
  // What the sender had on its way when the end came.
  while (const auto awaited = desk_.engine.link(index_).awaited.pop()) {
    if (outcome_ != Outcome::Unfinished) leave_unanswered(*awaited);
    note_settled(1);
  }
  if (connect_.count() >= 0) keep(EventKind::Closed, stop_ ? stop_->reason.what : "");
  connection_.close();
  desk_.engine.sender->notify({Notice::What::gone, index_, generation_, 0, Nanos{}});
  desk_.engine.link(index_).token.end(++generation_);
  note_unwritten();
  holding_ = writing_ = false;
  own_queued_ = 0;
  weigh();
  if (retrying_) {
    state_ = State::idle;
    desk_.engine.connector->again(index_, attempts_);
    return;
  }
  conclude();
}

void Client::conclude() {
  state_ = State::concluded;
  bump(desk_.live.concluded);
  if (desk_.engine.remaining.fetch_sub(1, std::memory_order_acq_rel) == 1) desk_.engine.on_all_concluded();
}

std::string Client::expected() const {
  const Part& part = desk_.engine.score.parts[desk_.engine.plan.part_of(index_)];
  const std::size_t sent = desk_.engine.link(index_).sent.load(std::memory_order_relaxed);
  if (connect_.count() < 0) return "the server accepts the connection";
  if (expected_ != nullptr && !expected_->empty()) return *expected_;
  for (std::size_t after = sent; after < part.then.size(); ++after)  // what the server said next
    if (!part.then[after].empty()) return part.then[after];
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

}  // namespace chorus::replayer
