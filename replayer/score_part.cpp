#include "replayer/score_part.h"

#include <algorithm>

namespace chorus::replayer {

using protocol::Conversation;
using protocol::Message;
using protocol::Role;
using protocol::Side;

std::vector<Heard> all_heard(const protocol::Page& page, std::span<const Conversation> group) {
  std::vector<Heard> all;
  std::vector<protocol::Page::Extracted> found;
  for (std::uint32_t part = 0; part < group.size(); ++part) {
    std::vector<std::uint32_t> count(page.variables().size());
    for (const Message& message : group[part].messages) {
      if (message.from != Side::server || !page.use(Side::server, message.kind).extracts) continue;
      found.clear();
      page.extract(message.kind, message.bytes, found);
      for (const auto& one : found) all.push_back({message.time, part, one.variable, ++count[one.variable]});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Heard& a, const Heard& b) { return a.time < b.time; });
  return all;
}

std::vector<Shown> all_shown(const Score& score, std::span<const Conversation> group) {
  std::vector<Shown> all(group.size());
  std::vector<protocol::Page::Field> fields;
  for (const Conversation& conversation : group) {
    for (const Message& message : conversation.messages) {
      if (message.from != Side::server || !score.page.use(Side::server, message.kind).delivers) continue;
      fields.clear();
      score.page.fields(Side::server, message.kind, message.bytes, fields);
      for (const auto& field : fields) {
        if (field.role != Role::user) continue;
        const auto name = score.names.find(Role::user, protocol::Page::value(field, message.bytes),
                                           field.encoding == protocol::Encoding::integer);
        if (!name || score.names[*name].member >= all.size()) continue;
        ++all[score.names[*name].member][{message.kind, static_cast<std::uint32_t>(*name)}];
      }
    }
  }
  return all;
}

PartCompiler::PartCompiler(Score& score, std::uint32_t member, Nanos group_start,
                           std::span<const Heard> heard, const Shown& shown)
    : score_(score),
      member_(member),
      group_start_(group_start),
      heard_(heard),
      shown_(shown),
      seen_(score.page.gates().size()) {
  for (const std::size_t name : score.names.all_of(member)) self_.push_back(score.names[name].recorded);
}

Part PartCompiler::compile(const Conversation& recorded) {
  part_.origin = recorded.connection;
  part_.offset = recorded.opened - group_start_;
  previous_ = last_own_ = recorded.opened;
  for (const Message& message : recorded.messages) {
    if (message.from == Side::client) {
      sent(message);
    } else {
      received(message);
    }
  }
  finish(recorded);
  return std::move(part_);
}

void PartCompiler::sent(const Message& message) {
  const auto use = score_.page.use(Side::client, message.kind);
  if (use.dropped) return;  // the reply rule will send it
  if (use.keeps_alive) return keep_alive(message);
  last_own_ = message.time;
  const auto index = static_cast<std::uint32_t>(part_.steps.size());
  if (use.chat && first_chat_ == no_name) {
    first_chat_ = index;
    if (rooms_.size() == 1) part_.chat_room = rooms_.front();
    part_.looped = seen_;  // for now: how often gates had opened before the chat
  }
  Step step;
  step.message = static_cast<std::uint32_t>(score_.messages.size());
  score_.messages.push_back(
      protocol::MessageTemplate::compile(score_.page, score_.names, member_, message.kind, message.bytes));
  place(step, message.time);
  needs(step, message);
  audience(step, message);
  if (use.answered) waiting_.push_back({index, message.kind, message.bytes});
  if (use.chat) {
    last_chat_ = index;
    score_.chat.push_back({member_, index});
  }
  said_at_.push_back(message.time);
  part_.steps.push_back(std::move(step));
}

// Its period is the longest silence before one: a client that sends them by a timer does so after shorter
// ones, too. Never shorter than a tenth of a second, whatever a recording has.
void PartCompiler::keep_alive(const Message& message) {
  constexpr std::uint32_t behind_the_end = no_name;
  constexpr Nanos shortest = std::chrono::milliseconds(100);
  const Nanos silence = std::max(message.time - last_own_, shortest);
  last_own_ = message.time;
  if (part_.keepalive) {
    part_.keepalive->wait = std::max(part_.keepalive->wait, silence);
    return;
  }
  Step& step = part_.keepalive.emplace();
  step.wait = silence;
  step.message = static_cast<std::uint32_t>(score_.messages.size());
  score_.messages.push_back(
      protocol::MessageTemplate::compile(score_.page, score_.names, member_, message.kind, message.bytes));
  if (score_.page.use(Side::client, message.kind).answered)
    waiting_.push_back({behind_the_end, message.kind, message.bytes});
}

// I_k = I_(k-1) + gap without a gate, max(G_k, I_(k-1)) + think with one (design.md, "What the words mean").
void PartCompiler::place(Step& step, Nanos time) {
  if (last_gate_ != no_slot) {
    step.gate = last_gate_;
    step.gate_count = seen_[last_gate_];
    step.wait = time - std::max(gate_time_, previous_);
    last_gate_ = no_slot;  // later steps follow this one
  } else {
    step.wait = time - previous_;
  }
  step.wait = std::max(step.wait, Nanos{0});
  previous_ = std::max(time, previous_);
}

// Each variable comes from where it was heard last: on this connection if ever, else on another of the group.
void PartCompiler::needs(Step& step, const Message& message) {
  std::vector<protocol::Page::Insert> inserts;
  score_.page.inserts(message.kind, message.bytes, inserts);
  for (const auto& insert : inserts) {
    for (const std::uint16_t variable : insert.value->variables()) {
      const Heard* source = nullptr;
      const auto later = std::upper_bound(heard_.begin(), heard_.end(), message.time,
                                          [](Nanos time, const Heard& heard) { return time < heard.time; });
      for (auto heard = later; heard != heard_.begin();) {
        if ((--heard)->variable != variable) continue;
        if (source == nullptr || heard->part == member_) source = &*heard;
        if (heard->part == member_) break;
      }
      if (source == nullptr) {
        score_.remarks.push_back("a " + std::string(score_.page.kind_name(message.kind)) + " carries {" +
                                 score_.page.variables()[variable] +
                                 "} before the server has said one; it is sent as recorded");
        continue;
      }
      step.needs.push_back({variable, static_cast<std::uint16_t>(source->part), source->count});
    }
  }
}

void PartCompiler::audience(Step& step, const Message& message) {
  const auto use = score_.page.use(Side::client, message.kind);
  note_new_name(message);
  step.audience.speaker = named_;
  step.audience.fanout = score_.page.fanout(message.kind, message.bytes);
  if (!use.enters && !use.leaves && step.audience.fanout == nullptr) return;
  fields_.clear();
  score_.page.fields(Side::client, message.kind, message.bytes, fields_);
  for (const auto& field : fields_) {
    const auto name = score_.names.find(field.role, protocol::Page::value(field, message.bytes),
                                        field.encoding == protocol::Encoding::integer);
    if (!name) continue;
    if (field.role == Role::room && step.audience.room == no_name) {
      step.audience.room = static_cast<std::uint32_t>(*name);
    } else if (field.role == Role::room && step.audience.room != *name) {
      step.also.push_back(static_cast<std::uint32_t>(*name));
    }
    const std::uint32_t owner = score_.names[*name].member;
    if (field.role == Role::user && owner != member_ && owner != format::shared_by_all)
      step.audience.to = owner;
  }
  if (use.enters && step.audience.room != no_name) {
    step.enters = true;
    step.changes_rooms = score_.page.one_room() && !rooms_.empty();
    if (step.changes_rooms) rooms_.clear();
    const auto enter = [&](std::uint32_t room) {
      if (std::find(rooms_.begin(), rooms_.end(), room) == rooms_.end()) rooms_.push_back(room);
    };
    enter(step.audience.room);
    for (const std::uint32_t room : step.also) enter(room);
  }
  if (use.leaves) {
    step.leaves = true;
    step.leaves_all = step.audience.room == no_name;
    if (step.leaves_all) {
      if (rooms_.size() == 1) step.audience.room = rooms_.front();  // whom its farewell reaches
      rooms_.clear();
    } else {
      std::erase(rooms_, step.audience.room);
      for (const std::uint32_t room : step.also) std::erase(rooms_, room);
    }
  }
  if (step.audience.fanout == nullptr) return;
  using Reaches = protocol::FanOut::Reaches;
  const bool in_one_room = step.audience.room != no_name || rooms_.size() == 1;
  if (step.audience.fanout->reaches == Reaches::room && !in_one_room) step.audience.fanout = nullptr;
  if (step.audience.fanout != nullptr && step.audience.fanout->reaches == Reaches::one &&
      step.audience.to == no_name)
    step.audience.fanout = nullptr;
  score_.counts_copies = score_.counts_copies || step.audience.fanout != nullptr;
}

void PartCompiler::note_new_name(const Message& message) {
  fields_.clear();
  score_.page.fields(Side::client, message.kind, message.bytes, fields_);
  for (const auto& field : fields_) {
    if (field.role != Role::user || !field.declares) continue;
    const auto name = score_.names.find(Role::user, protocol::Page::value(field, message.bytes),
                                        field.encoding == protocol::Encoding::integer);
    if (name) named_ = static_cast<std::uint32_t>(*name);
  }
}

void PartCompiler::received(const Message& message) {
  const protocol::Page& page = score_.page;
  const auto use = page.use(Side::server, message.kind);
  const bool own = page.is_own(message.kind, message.bytes, self_);
  part_.then.resize(part_.steps.size() + 1);
  if (own && part_.then.back().empty()) part_.then.back() = show(page, message.kind, message.bytes);
  if (use.gates && own) {
    const std::uint16_t slot = page.gate_of(message.kind);
    if (!(part_.becomes_ready && page.gates()[slot].until_ready)) gate(slot, message.time);
  }
  if (use.may_be_ready && !part_.becomes_ready && page.is_ready(message.kind, message.bytes)) {
    part_.becomes_ready = true;
    part_.after_login = static_cast<std::uint32_t>(part_.steps.size());
  }
  if (use.answers && own) answer(message);
  if (!use.may_fail) return;
  if (const auto* rule = page.failure(message.kind, message.bytes)) part_.heard.push_back(rule);
}

void PartCompiler::gate(std::uint16_t slot, Nanos time) {
  last_gate_ = slot;
  ++seen_[slot];
  gate_time_ = time;
}

// The message that waits for this has its answer: the oldest one, or the one it correlates with.
void PartCompiler::answer(const Message& message) {
  const auto& rules = score_.page.answers();
  for (auto waiting = waiting_.begin(); waiting != waiting_.end(); ++waiting) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const auto& rule = rules[i];
      if (rule.to != waiting->kind) continue;
      if (std::find(rule.by.begin(), rule.by.end(), message.kind) == rule.by.end()) continue;
      if (score_.page.correlation(rule, Side::client, waiting->kind, waiting->bytes) !=
          score_.page.correlation(rule, Side::server, message.kind, message.bytes))
        continue;
      Step& step = waiting->step < part_.steps.size() ? part_.steps[waiting->step] : *part_.keepalive;
      step.answered = true;
      step.rule = static_cast<std::uint16_t>(i);
      step.answer = message.kind;
      step.answer_text = show(score_.page, message.kind, message.bytes);
      waiting_.erase(waiting);
      return;
    }
  }
}

// Copies carry the name that the client gave itself last, if the server ever showed that one in such a kind
// of message, else the one that it showed most.
void PartCompiler::name_speakers() {
  const auto most_shown = [&](const std::vector<KindId>& kinds) {
    std::map<std::uint32_t, unsigned> sums;
    for (const auto& [shown, times] : shown_)
      if (kinds.empty() || std::find(kinds.begin(), kinds.end(), shown.first) != kinds.end())
        sums[shown.second] += times;
    return sums;
  };
  const auto most_of = [](const std::map<std::uint32_t, unsigned>& sums, std::uint32_t otherwise) {
    unsigned most = 0;
    for (const auto& [name, times] : sums)
      if (times > most) most = times, otherwise = name;
    return otherwise;
  };
  part_.public_name = most_of(most_shown({}), part_.public_name);
  for (Step& step : part_.steps) {
    if (step.audience.fanout == nullptr) continue;
    const auto sums = most_shown(step.audience.fanout->arrives);
    const bool unknown = step.audience.speaker == no_name;
    if (unknown || (!sums.empty() && !sums.contains(step.audience.speaker)))
      step.audience.speaker = most_of(sums, part_.public_name);
  }
}

void PartCompiler::finish(const Conversation& recorded) {
  const auto count = static_cast<std::uint32_t>(part_.steps.size());
  part_.first_chat = first_chat_ == no_name ? count : first_chat_;
  part_.farewell = last_chat_ == no_name ? count : last_chat_ + 1;
  if (!part_.becomes_ready) part_.after_login = std::min(part_.first_chat, count);
  const Nanos last = recorded.messages.empty() ? recorded.opened : recorded.messages.back().time;
  part_.server_closes =
      recorded.server_end && (!recorded.client_end || *recorded.server_end <= *recorded.client_end);
  Step close;
  close.action = Step::Do::close;
  const Nanos end =
      recorded.client_end.value_or(recorded.server_end.value_or(recorded.closed.value_or(last)));
  place(close, end);
  said_at_.push_back(end);
  part_.chat_begins = said_at_[part_.first_chat] - group_start_;
  part_.chat_ends = said_at_[part_.farewell] - group_start_;
  part_.steps.push_back(std::move(close));
  part_.then.resize(part_.steps.size() + 1);

  if (const auto self = score_.names.self(member_)) part_.public_name = static_cast<std::uint32_t>(*self);
  name_speakers();
  for (std::size_t i = 0; i < part_.steps.size(); ++i) {
    const Step& step = part_.steps[i];
    if (step.gate != no_slot || !step.needs.empty()) part_.last_waiting = static_cast<std::uint32_t>(i) + 1;
  }
  // What the chat's own steps waited for comes again in each round.
  part_.looped.resize(seen_.size());
  std::vector<std::uint32_t> before = part_.looped;
  for (std::uint32_t i = part_.first_chat; i < part_.farewell; ++i) {
    const Step& step = part_.steps[i];
    if (step.gate != no_slot) part_.looped[step.gate] = std::max(part_.looped[step.gate], step.gate_count);
  }
  for (std::size_t i = 0; i < before.size(); ++i) part_.looped[i] -= before[i];
}

}  // namespace chorus::replayer
