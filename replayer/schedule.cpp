#include "replayer/schedule.h"

#include <algorithm>

namespace chorus::replayer {

Schedule::Schedule(const Score& score, const Plan& plan, const Options& options)
    : score_(score),
      plan_(plan),
      options_(options),
      slots_(score.page.gates().size() + score.page.variables().size()),
      cues_(plan.mine.size()),
      seen_(cues_.size() * slots_),
      random_(plan.seed_of(options)) {}

Nanos Schedule::think(Nanos recorded) const {
  if (options_.speed == 1) return recorded;
  return Nanos(static_cast<std::int64_t>(static_cast<double>(recorded.count()) / options_.speed));
}

void Schedule::connected(std::uint32_t client, std::uint32_t generation, Nanos now) {
  Cue& cue = cue_of(client);
  cue.generation = generation;
  // The first intended time is the planned start; a second connection (a retry) starts when it is there.
  cue.intended = cue.on ? now : plan_.start_of(client, score_, options_);
  cue.connected = now;
  cue.step = 0;
  cue.on = true;
  cue.leaving = false;
  cue.closed = false;
  cue.said = now;
  cue.lost = curtain_;  // who comes after the curtain fell has nothing to say any more
  for (std::size_t slot = 0; slot < slots_; ++slot) seen(client, slot) = {};
  watch_silence(client, now);
  arm(client, now);
}

void Schedule::watch_silence(std::uint32_t client, Nanos from) {
  if (!part(client).keepalive || plan_.trial) return;
  silences_.push({from + part(client).keepalive->wait, client, cue_of(client).generation});
}

// A keep-alive is due, if nothing was said since it was planned.
std::optional<Due> Schedule::break_silence() {
  const Entry entry = silences_.top();
  silences_.pop();
  Cue& cue = cue_of(entry.client);
  const Part& script = part(entry.client);
  if (cue.generation != entry.serial || cue.closed) return std::nullopt;
  const bool logged_in = cue.step >= script.after_login;
  if (!logged_in || entry.time - cue.said < script.keepalive->wait) {
    watch_silence(entry.client, logged_in ? cue.said : entry.time);
    return std::nullopt;
  }
  cue.said = entry.time;
  watch_silence(entry.client, entry.time);
  Due due;
  due.client = entry.client;
  due.generation = cue.generation;
  due.part = plan_.part_of(entry.client);
  due.step = static_cast<std::uint32_t>(script.steps.size());
  due.intended = due.possible = entry.time;
  return due;
}

void Schedule::gate(std::uint32_t client, std::uint32_t generation, std::uint16_t gate, Nanos arrival) {
  opened(client, generation, gate, arrival);
}

void Schedule::variable(std::uint32_t client, std::uint32_t generation, std::uint16_t variable,
                        Nanos arrival) {
  opened(client, generation, score_.page.gates().size() + variable, arrival);
}

void Schedule::opened(std::uint32_t client, std::uint32_t generation, std::size_t slot, Nanos arrival) {
  Cue& cue = cue_of(client);
  if (cue.generation != generation || !cue.on) return;
  Seen& here = seen(client, slot);
  ++here.count;
  here.at = arrival;
  if (cue.waiting) arm(client, arrival);
  if (slot < score_.page.gates().size()) return;
  // Another connection of the copy may carry the value on.
  for (std::uint32_t part = 0; part < plan_.members; ++part) {
    const std::uint32_t other = fellow(client, part);
    if (other != client && cue_of(other).waiting) arm(other, arrival);
  }
}

bool Schedule::is_open(std::uint32_t client, const Step& step, Nanos& base) const {
  if (step.gate != no_slot) {
    const Seen& here = seen(client, step.gate);
    if (here.count < step.gate_count) return false;
    base = std::max(base, here.at);
  }
  for (const Need& need : step.needs) {
    const Seen& there = seen(fellow(client, need.part), slot_of(need));
    if (there.count < need.count) return false;
    if (need.part != plan_.part_of(client)) base = std::max(base, there.at);
  }
  return true;
}

void Schedule::wait_for(std::uint32_t client, const Step& step, Nanos now) {
  Cue& cue = cue_of(client);
  if (cue.waiting) return;  // as long as it said when it began to
  cue.waiting = true;
  Nanos patience = options_.timeout;
  if (step.gate != no_slot && score_.page.gates()[step.gate].proceed > Nanos{0} &&
      seen(client, step.gate).count < step.gate_count)
    patience = score_.page.gates()[step.gate].proceed;
  push(client, now + patience);
}

std::string Schedule::missing(const Due& due) const {
  const Step& step = score_.parts[due.part].steps[due.step];
  if (step.gate != no_slot && seen(due.client, step.gate).count < step.gate_count) {
    std::string kinds;
    for (const KindId kind : score_.page.gates()[step.gate].kinds)
      kinds += (kinds.empty() ? "" : " or ") + std::string(score_.page.kind_name(kind));
    return kinds;
  }
  for (const Need& need : step.needs) {
    if (seen(fellow(due.client, need.part), slot_of(need)).count < need.count)
      return "value for {" + score_.page.variables()[need.variable] + "}";
  }
  return "message";
}

void Schedule::gone(std::uint32_t client, std::uint32_t generation) {
  Cue& cue = cue_of(client);
  if (cue.generation != generation) return;
  ++cue.serial;
  cue.waiting = false;
  cue.generation = none;
  step_off_stage(client);
}

// Plans the client's next step. I_k = I_(k-1) + gap, or max(G_k, I_(k-1)) + think behind a gate.
void Schedule::arm(std::uint32_t client, Nanos now) {
  Cue& cue = cue_of(client);
  const Part& script = part(client);
  if (!curtain_ && !plan_.trial && options_.schedule == ScheduleKind::random &&
      cue.step == script.first_chat) {
    step_on_stage(client, now);
    return;
  }
  bool new_round = false;
  if (!curtain_ && options_.loop && cue.step == script.farewell && script.first_chat < script.farewell) {
    cue.step = script.first_chat;
    // All of a group begin their rounds together, so that who answers whom stays as it was.
    cue.intended = std::max(cue.intended, cue.round + think(score_.round));
    new_round = true;
    // What this round's gates have used up must come again.
    for (std::size_t slot = 0; slot < script.looped.size(); ++slot)
      seen(client, slot).count -= std::min(seen(client, slot).count, script.looped[slot]);
  }
  if (cue.lost) return push(client, now);
  const Step& step = script.steps[cue.step];
  Nanos base = cue.intended;
  if (!cue.leaving && !is_open(client, step, base)) return wait_for(client, step, now);
  cue.waiting = false;
  push(client, new_round ? base : base + think(step.wait));
}

void Schedule::push(std::uint32_t client, Nanos time) {
  heap_.push({time, client, ++cue_of(client).serial});
}

void Schedule::skip_stale() {
  while (!heap_.empty() && cue_of(heap_.top().client).serial != heap_.top().serial) heap_.pop();
}

Nanos Schedule::next() const noexcept {
  const_cast<Schedule*>(this)->skip_stale();  // stale entries are no content
  const Nanos silence = silences_.empty() ? never : silences_.top().time;
  return std::min({draw_at_, silence, heap_.empty() ? never : heap_.top().time});
}

std::optional<Due> Schedule::take(Nanos now) {
  for (;;) {
    skip_stale();
    const Nanos first = heap_.empty() ? never : heap_.top().time;
    const Nanos silence = silences_.empty() ? never : silences_.top().time;
    if (std::min({first, draw_at_, silence}) > now) return std::nullopt;
    if (silence <= std::min(first, draw_at_)) {
      if (auto due = break_silence()) return due;
      continue;
    }
    if (draw_at_ <= first) {
      if (auto due = draw(now)) return due;
      continue;
    }
    const Entry entry = heap_.top();
    heap_.pop();
    if (auto due = perform(entry.client, entry.time)) return due;
  }
}

std::optional<Due> Schedule::perform(std::uint32_t client, Nanos time) {
  Cue& cue = cue_of(client);
  const Part& script = part(client);
  Due due;
  due.client = client;
  due.generation = cue.generation;
  due.part = plan_.part_of(client);
  due.step = cue.step;
  due.intended = time;
  due.possible = std::max(time, cue.connected);
  if (cue.lost) {
    due.action = Due::Do::leave;
    return due;
  }
  if (cue.waiting) {  // its gate did not open in time
    const std::uint16_t gate = script.steps[cue.step].gate;
    if (gate != no_slot && score_.page.gates()[gate].proceed > Nanos{0} &&
        seen(client, gate).count < script.steps[cue.step].gate_count) {
      ++proceeded_;
      seen(client, gate) = {time, script.steps[cue.step].gate_count};
      cue.waiting = false;
      arm(client, time);
      return std::nullopt;
    }
    due.action = Due::Do::give_up;
    return due;
  }
  cue.intended = time;
  if (script.steps[cue.step].action == Step::Do::close) {
    due.action = Due::Do::close;
    cue.closed = true;
    return due;
  }
  const bool repeats = options_.loop && !curtain_ && cue.step + 1 == script.farewell;
  cue.said = time;
  if (cue.step == script.first_chat) cue.round = time;
  due.last_words = cue.step + 2 == script.steps.size() && !repeats;
  ++cue.step;
  arm(client, time);
  return due;
}

void Schedule::step_on_stage(std::uint32_t client, Nanos now) {
  Cue& cue = cue_of(client);
  if (cue.talker != none || score_.chat.empty()) return;
  cue.talker = static_cast<std::uint32_t>(talkers_.size());
  talkers_.push_back(client);
  if (draw_at_ != never) return;
  // The grid is absolute from the first talker on; ticks at which nobody was there were never scheduled.
  if (drawn_ == 0) drawn_from_ = now;
  const Nanos every = options_.send_every;
  drawn_ = std::max<std::uint64_t>(drawn_ + 1, static_cast<std::uint64_t>((now - drawn_from_) / every) + 1);
  draw_at_ = drawn_from_ + every * static_cast<std::int64_t>(drawn_);
}

void Schedule::step_off_stage(std::uint32_t client) {
  Cue& cue = cue_of(client);
  if (cue.talker == none) return;
  talkers_[cue.talker] = talkers_.back();
  cue_of(talkers_.back()).talker = cue.talker;
  talkers_.pop_back();
  cue.talker = none;
}

std::optional<Due> Schedule::draw(Nanos now) {
  // Further behind than this, the machine cannot keep the rate: what is overdue is dropped and counted.
  constexpr Nanos hopelessly_late = std::chrono::seconds(1);
  if (now - draw_at_ > hopelessly_late) {
    const auto overdue = static_cast<std::uint64_t>((now - draw_at_) / options_.send_every);
    dropped_ += overdue;
    drawn_ += overdue;
    draw_at_ += options_.send_every * static_cast<std::int64_t>(overdue);
  }

  if (talkers_.empty()) {
    draw_at_ = never;
    return std::nullopt;
  }
  const std::uint32_t client = talkers_[random_() % talkers_.size()];
  const ChatLine& line = score_.chat[random_() % score_.chat.size()];
  Due due;
  due.client = client;
  due.generation = cue_of(client).generation;
  due.part = line.part;
  due.step = line.step;
  due.intended = draw_at_;
  due.possible = std::max(draw_at_, cue_of(client).connected);
  cue_of(client).said = draw_at_;
  draw_at_ = drawn_from_ + options_.send_every * static_cast<std::int64_t>(++drawn_);
  return due;
}

void Schedule::curtain(Nanos now, Nanos spread) {
  curtain_ = true;
  draw_at_ = never;
  std::int64_t place = 0;
  for (std::uint32_t client = plan_.mine.first; client < plan_.mine.last; ++client) {
    Cue& cue = cue_of(client);
    step_off_stage(client);
    if (!cue.on || cue.generation == none || cue.step > part(client).farewell) continue;
    // Nobody says goodbye who has not come in: the farewell was recorded after the login and the joins.
    const Part& script = part(client);
    const std::uint32_t came_in =
        script.first_chat < script.farewell ? script.first_chat : script.after_login;
    cue.lost = cue.step < came_in || (cue.step == came_in && cue.waiting);
    cue.step = part(client).farewell;
    cue.leaving = true;
    cue.intended = now + spread * place++;
    arm(client, now);
  }
}

std::uint64_t Schedule::drop_due(Nanos now) {
  std::uint64_t dropped = 0;
  while (const auto due = take(now)) dropped += due->action == Due::Do::send;
  return dropped;
}

}  // namespace chorus::replayer
