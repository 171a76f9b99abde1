#include "replayer/canary.h"

#include <algorithm>

#include <boost/asio/post.hpp>

namespace chorus::replayer {
namespace {

Options as_recorded(Options options) {
  options.speed = 1;
  options.loop = false;
  options.schedule = ScheduleKind::recorded;
  options.climb.reset();
  options.workers = 1;
  options.pace = {};
  options.coalesce = Nanos{0};
  options.on_refused = OnRefused::give_up;
  return options;
}

}  // namespace

bool CanarySession::completed(bool judged) const noexcept {
  const auto wanted = judged ? format::Outcome::Completed : format::Outcome::Unjudged;
  return std::all_of(performance.clients.begin(), performance.clients.end(),
                     [&](const format::ClientRow& row) { return row.outcome == wanted; });
}

Canaries::Canaries(const Score& score, const Plan& crowd, const Options& options, const Addresses& addresses,
                   format::Writer* trace, std::chrono::steady_clock::time_point start,
                   boost::asio::io_context& stage, std::function<void()> over)
    : score_(score),
      crowd_(crowd),
      options_(as_recorded(options)),
      addresses_(addresses),
      trace_(trace),
      start_(start),
      stage_(stage),
      over_(std::move(over)) {}

void Canaries::start() {
  play(false);
}

void Canaries::play(bool joins_late) {
  auto playing = std::make_unique<Playing>();
  const Nanos now = std::chrono::steady_clock::now() - start_;
  playing->session.joined_late = joins_late;
  playing->session.begins = now;
  playing->session.plan = make_canary(score_, crowd_, sessions_++, now);
  playing->live = std::make_unique<LiveBoard>(1, 1);
  playing->troupe = std::make_unique<Troupe>(
      score_, playing->session.plan, options_, addresses_, trace_, playing->live->share(0), start_,
      [this, it = playing.get()] { boost::asio::post(stage_, [this, it] { has_left(it); }); });
  playing->troupe->start();
  playing_.push_back(std::move(playing));
}

void Canaries::has_left(const Playing* who) {
  const auto at = std::find_if(playing_.begin(), playing_.end(),
                               [&](const auto& playing) { return playing.get() == who; });
  auto playing = std::move(*at);
  playing_.erase(at);
  CanarySession& session = playing->session;
  session.performance = playing->troupe->join();
  session.ends = std::chrono::steady_clock::now() - start_;
  session.interrupted = interrupted_;
  const bool again = !session.joined_late && !complete_ && !left_ && !interrupted_ &&
                     session.completed(score_.judged) && sessions_ + 1 < most_sessions;
  done_.push_back(std::move(session));
  if (again) return play(false);
  over_();
}

void Canaries::crowd_is_complete() {
  complete_ = true;
  if (!left_ && !interrupted_) play(true);
}

void Canaries::crowd_has_left() {
  left_ = true;
  if (!options_.duration) return;
  for (const auto& playing : playing_) playing->troupe->curtain();
}

void Canaries::interrupt() {
  interrupted_ = true;
  for (const auto& playing : playing_) playing->troupe->interrupt();
}

}  // namespace chorus::replayer
