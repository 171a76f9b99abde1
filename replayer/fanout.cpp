#include "replayer/fanout.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <tuple>

namespace chorus::replayer {
namespace {

// The audience of a private message is its receiver, who has slot 0. Other audiences are indices of rooms.
constexpr std::uint32_t private_audience = 0x80000000;

}  // namespace

void Fanout::count_room(std::uint32_t room, Copies copies) {
  if (copies.expected == 0) return;
  const bool listed = rooms.size() < most_rooms || rooms.contains(room);
  Copies& sum = listed ? rooms[room] : unlisted;
  sum.expected += copies.expected;
  sum.delivered += copies.delivered;
}

void Fanout::merge(const Fanout& other) {
  expected += other.expected;
  delivered += other.delivered;
  duplicated += other.duplicated;
  ambiguous += other.ambiguous;
  unexpected += other.unexpected;
  delivery.merge(other.delivery);
  for (const auto& [room, copies] : other.rooms) count_room(room, copies);
  unlisted.expected += other.unlisted.expected;
  unlisted.delivered += other.unlisted.delivered;
  most_pending += other.most_pending;
  gaps.insert(gaps.end(), other.gaps.begin(), other.gaps.end());
  std::stable_sort(gaps.begin(), gaps.end(), [](const Gap& a, const Gap& b) {
    return std::tie(a.intended, a.client) < std::tie(b.intended, b.client);
  });
  if (gaps.size() > most_gaps) gaps.resize(most_gaps);
}

// What heard() needs to know of a client as a member of one audience.
struct FanoutBook::Ear {
  std::uint32_t client;  // global
  std::uint32_t audience, slot;
  Nanos since;  // certain for what was sent later
  Nanos until;  // nothing sent later can come
};

FanoutBook::FanoutBook(std::uint32_t first, std::uint32_t last, Nanos patience, Nanos doubt)
    : first_(first),
      last_(last),
      patience_(patience),
      doubt_(doubt),
      audiences_(last - first, patience, everybody_room, private_room) {}

void FanoutBook::count_steps(std::span<const StepWindow> windows, std::span<StepTally> steps) {
  windows_ = windows;
  steps_ = steps;
}

StepTally* FanoutBook::step_of(Nanos intended) const noexcept {
  const auto step = step_at(windows_, intended);
  return step ? &steps_[*step] : nullptr;
}

void FanoutBook::said(const Said& what) {
  assert(what.sent >= last_sent_);
  last_sent_ = what.sent;
  const std::uint32_t client = what.client - first_;
  if (what.what != Said::What::message) {
    if (!ours(what.client)) return;
    if (what.what == Said::What::farewell) return audiences_.farewell(client, what.sent);
    if (what.what == Said::What::entering) return audiences_.entering(client, what.room, what.sent);
    if (what.room == no_room) return audiences_.leaving_rooms(client, what.sent);
    return audiences_.leaving(client, what.room, what.sent);
  }
  if (what.reaches == Said::Reaches::one) {
    for (const std::uint32_t to : {what.to, what.client}) {
      if (to == what.client && to != what.to && !what.echo) continue;
      if (!ours(to)) continue;
      const std::uint64_t waiting = audiences_.is_connected(to - first_) ? 1 : 0;
      say(what, Audiences::privately, private_audience | (to - first_), {&waiting, 1});
      if (to == what.client) break;
    }
    return;
  }
  const bool all = what.reaches == Said::Reaches::all;
  const std::uint32_t room = all ? Audiences::everybody : audiences_.room_index(what.room);
  waiting_ = audiences_.room(room).in;
  if (!what.echo && ours(what.client)) {
    std::uint32_t slot = client;
    if (!all) {
      const auto stays = audiences_.stays(client);
      const auto stay =
          std::find_if(stays.begin(), stays.end(), [&](const auto& s) { return s.room == room; });
      if (stay == stays.end()) return say(what, room, room, waiting_);
      slot = stay->slot;
    }
    waiting_[slot / 64] &= ~(std::uint64_t{1} << slot % 64);
  }
  say(what, room, room, waiting_);
}

void FanoutBook::say(const Said& what, std::uint32_t room, std::uint32_t audience,
                     std::span<const std::uint64_t> waiting) {
  static constexpr std::uint64_t nobody = 0;
  auto& message = pending_.push(what.key, audience, waiting.empty() ? std::span(&nobody, 1) : waiting);
  message.intended = what.intended;
  message.sent = what.sent;
  message.sender = what.client;
  message.spares_sender = !what.echo && what.reaches != Said::Reaches::one;
  ++audiences_.room(room).pending;
  result_.most_pending = std::max(result_.most_pending, pending_.size());
}

// A confirmation never counts for what was told before it, even if its time is the earlier one.
void FanoutBook::entered(std::uint32_t client, std::uint32_t room, Nanos now) {
  assert(ours(client));
  audiences_.entered(client - first_, room, std::max(now, last_sent_));
}

void FanoutBook::connected(std::uint32_t client, Nanos now) {
  assert(ours(client));
  audiences_.connected(client - first_, std::max(now, last_sent_));
}

void FanoutBook::removed(std::uint32_t client, std::uint32_t room, Nanos now) {
  assert(ours(client));
  audiences_.leaving(client - first_, room, now);
}

void FanoutBook::gone(std::uint32_t client, Nanos now) {
  assert(ours(client));
  audiences_.gone(client - first_, now);
}

void FanoutBook::heard(std::uint32_t client, std::uint64_t key, Nanos now) {
  assert(ours(client));
  const std::uint32_t here = client - first_;
  Match best;
  for (const Audiences::Stay& stay : audiences_.stays(here)) {
    if (audiences_.room(stay.room).pending == 0) continue;
    const Nanos until = stay.left == Audiences::never ? Audiences::never : stay.left + patience_;
    match(key, {client, stay.room, stay.slot, stay.since, until}, best);
  }
  const Nanos since = audiences_.connected_since(here);
  if (audiences_.room(Audiences::everybody).pending > 0) {
    match(key, {client, Audiences::everybody, here, since, Audiences::never}, best);
  }
  if (audiences_.room(Audiences::privately).pending > 0) {
    match(key, {client, private_audience | here, 0, since, Audiences::never}, best);
  }
  if (best.fit == Fit::none) {
    ++result_.unexpected;
    return;
  }
  if (best.fit == Fit::has_one) {
    ++result_.duplicated;
    return;
  }
  pending_.give(best.serial, best.slot);
  slowest_ = std::max(slowest_, now - pending_.at(best.serial).sent);
  if (best.fit != Fit::certain) {
    ++result_.ambiguous;
    return;
  }
  const auto& message = pending_.at(best.serial);
  const std::uint32_t audience = pending_.line_of(message).audience;
  auto& room = audiences_.room(audience & private_audience ? Audiences::privately : audience);
  ++room.expected;
  ++room.delivered;
  ++result_.expected;
  ++result_.delivered;
  result_.delivery.add(now - message.intended);
  if (StepTally* step = step_of(message.intended)) {
    ++step->expected;
    ++step->delivered;
    step->delivery.add(now - message.intended);
  }
}

void FanoutBook::match(std::uint64_t key, const Ear& ear, Match& best) {
  using Serial = PendingMessages::Serial;
  auto* line = pending_.find(key, ear.audience);
  if (!line) return;
  const auto offer = [&](Fit fit, Serial serial) {
    if (fit < best.fit || (fit == best.fit && serial > best.serial)) return;
    best = {fit, serial, ear.slot};
  };
  // What is not certain here now never will be: times of entering only grow, and bits are only taken. So
  // the line may remember how far this slot has come.
  if (ear.since != Audiences::never) {
    Serial passed = PendingMessages::no_message;
    for (Serial at = pending_.start(*line, ear.slot); at != PendingMessages::no_message;) {
      const auto& message = pending_.at(at);
      if (message.sent > ear.since && pending_.waits(message, ear.slot)) {
        offer(Fit::certain, at);
        break;
      }
      passed = at;
      at = message.next;
    }
    if (passed != PendingMessages::no_message) PendingMessages::pass(*line, ear.slot, passed);
    if (best.fit == Fit::certain) return;
  }
  for (Serial at = line->first; at != PendingMessages::no_message; at = pending_.at(at).next) {
    const auto& message = pending_.at(at);
    if (pending_.waits(message, ear.slot)) return offer(Fit::doubtful, at);
    if (pending_.has(message, ear.slot)) {
      offer(Fit::has_one, at);
      if (ear.since < message.sent) return;  // certain from here on, and no message waits: it has them all
    } else if (message.sent <= ear.until && !(message.spares_sender && message.sender == ear.client)) {
      offer(Fit::unasked, at);
    }
  }
}

void FanoutBook::sweep(Nanos now) {
  while (!pending_.empty() && now - pending_.front().sent >= patience_) settle();
  audiences_.expire(now);
}

void FanoutBook::settle() {
  const auto& message = pending_.front();
  const auto& line = pending_.line_of(message);
  const bool to_one = (line.audience & private_audience) != 0;
  const std::uint32_t index = to_one ? Audiences::privately : line.audience;
  auto& room = audiences_.room(index);
  const Nanos doubt = std::max(doubt_, slowest_);
  for (std::uint32_t word = 0; word < message.words; ++word) {
    for (std::uint64_t bits = pending_.waiting_word(message, word); bits != 0; bits &= bits - 1) {
      const std::uint32_t slot = 64 * word + static_cast<std::uint32_t>(std::countr_zero(bits));
      const std::uint32_t client = to_one                          ? line.audience & ~private_audience
                                   : index == Audiences::everybody ? slot
                                                                   : room.client[slot];
      const Nanos since = to_one ? audiences_.connected_since(client) : audiences_.since(index, slot);
      const bool stayed = to_one ? audiences_.stayed_connected(client, message.sent, doubt)
                                 : audiences_.stayed(index, slot, message.sent, doubt);
      if (message.sent <= since && !stayed) {
        ++result_.ambiguous;
        continue;
      }
      ++result_.expected;
      ++room.expected;
      if (StepTally* step = step_of(message.intended)) ++step->expected;
      if (result_.gaps.size() < Fanout::most_gaps) {
        result_.gaps.push_back({first_ + client, message.sender, room.number, line.key, message.intended});
      }
    }
  }
  pending_.pop();
  if (--room.pending > 0) return;
  close(index);
  audiences_.retire_if_idle(index);
}

// Moves a room's counts into the result.
void FanoutBook::close(std::uint32_t index) {
  auto& room = audiences_.room(index);
  result_.count_room(room.number, {room.expected, room.delivered});
  room.expected = room.delivered = 0;
}

void FanoutBook::finish(Nanos now) {
  while (!pending_.empty()) settle();
  audiences_.expire(now);
}

std::size_t FanoutBook::bytes() const noexcept {
  return pending_.bytes() + audiences_.bytes();
}

}  // namespace chorus::replayer
