#include "replayer/score.h"

#include "traces/convert/printable.h"

#include <algorithm>
#include <map>

namespace chorus::replayer {
namespace {

using protocol::Conversation;
using protocol::Message;
using protocol::Side;
using protocol::unknown_kind;

constexpr std::uint32_t none = 0xffffffff;

// Plays one recorded conversation and notes what its steps depend on.
class PartCompiler {
 public:
  PartCompiler(Score& score, std::uint32_t member, Nanos group_start)
      : score_(score), member_(member), group_start_(group_start) {
    if (const auto self = score.names.self(member)) self_ = score.names[*self].recorded;
  }

  Part compile(const Conversation& recorded) {
    part_.origin = recorded.connection;
    part_.offset = recorded.opened - group_start_;
    previous_ = recorded.opened;
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

 private:
  void sent(const Message& message) {
    const auto use = score_.page.use(Side::client, message.kind);
    if (use.dropped) return;  // the reply rule will send it
    Step step;
    step.message = static_cast<std::uint32_t>(score_.messages.size());
    score_.messages.push_back(
        protocol::MessageTemplate::compile(score_.page, score_.names, member_, message.kind, message.bytes));
    place(step, message.time);
    const auto index = static_cast<std::uint32_t>(part_.steps.size());
    if (use.answered) waiting_.push_back(index);
    if (use.chat) {
      if (first_chat_ == none) first_chat_ = index;
      last_chat_ = index;
      score_.chat.push_back({member_, index});
    }
    kinds_.push_back(message.kind);
    part_.steps.push_back(step);
  }

  // I_k = I_(k-1) + gap without a gate, max(G_k, I_(k-1)) + think with one (design.md, "What the words
  // mean").
  void place(Step& step, Nanos time) {
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

  void received(const Message& message) {
    const auto use = score_.page.use(Side::server, message.kind);
    const bool own = score_.page.is_own(message.kind, message.bytes, self_);
    part_.then.resize(part_.steps.size() + 1);
    if (own && part_.then.back().empty()) part_.then.back() = show(score_.page, message.kind, message.bytes);
    if (use.gates && own && !(part_.becomes_ready && score_.page.gates_until_ready())) gate(message);
    if (use.may_be_ready && !part_.becomes_ready && score_.page.is_ready(message.kind, message.bytes)) {
      part_.becomes_ready = true;
      part_.after_login = static_cast<std::uint32_t>(part_.steps.size());
    }
    if (use.answers && own) answer(message.kind);
    if (!use.may_fail) return;
    if (const auto* rule = score_.page.failure(message.kind, message.bytes)) part_.heard.push_back(rule);
  }

  void gate(const Message& message) {
    auto& kinds = score_.gate_kinds;
    const auto found = std::find(kinds.begin(), kinds.end(), message.kind);
    last_gate_ = static_cast<std::uint16_t>(found - kinds.begin());
    if (found == kinds.end()) kinds.push_back(message.kind);
    ++seen_[last_gate_];
    gate_time_ = message.time;
  }

  // The oldest message that waits for this kind has its answer.
  void answer(KindId kind) {
    const auto& rules = score_.page.answers();
    for (auto waiting = waiting_.begin(); waiting != waiting_.end(); ++waiting) {
      for (std::size_t rule = 0; rule < rules.size(); ++rule) {
        if (rules[rule].to != kinds_[*waiting]) continue;
        if (std::find(rules[rule].by.begin(), rules[rule].by.end(), kind) == rules[rule].by.end()) continue;
        part_.steps[*waiting].answered = true;
        part_.steps[*waiting].rule = static_cast<std::uint16_t>(rule);
        waiting_.erase(waiting);
        return;
      }
    }
  }

  void finish(const Conversation& recorded) {
    const auto count = static_cast<std::uint32_t>(part_.steps.size());
    part_.first_chat = first_chat_ == none ? count : first_chat_;
    part_.farewell = last_chat_ == none ? count : last_chat_ + 1;
    if (!part_.becomes_ready) part_.after_login = std::min(part_.first_chat, count);
    const Nanos last = recorded.messages.empty() ? recorded.opened : recorded.messages.back().time;
    part_.server_closes =
        recorded.server_end && (!recorded.client_end || *recorded.server_end <= *recorded.client_end);
    Step close;
    close.action = Step::Do::close;
    place(close, recorded.client_end.value_or(recorded.server_end.value_or(recorded.closed.value_or(last))));
    part_.steps.push_back(close);
    part_.then.resize(part_.steps.size() + 1);
  }

  Score& score_;
  std::uint32_t member_;
  Nanos group_start_;
  std::string self_;
  Part part_;
  Nanos previous_{};
  std::vector<KindId> kinds_;                    // of the steps so far
  std::vector<std::uint32_t> waiting_;           // steps without an answer yet
  std::map<std::uint16_t, std::uint32_t> seen_;  // gate slot -> how many so far
  std::uint16_t last_gate_ = no_slot;            // opened since the last step
  Nanos gate_time_{};
  std::uint32_t first_chat_ = none, last_chat_ = none;
};

}  // namespace

std::string show(const protocol::Page& page, KindId kind, protocol::Bytes message) {
  constexpr std::size_t widest = 100;  // characters
  const std::string text =
      convert::printable(protocol::without_delimiter(page.framing(Side::server), message), widest);
  return kind == unknown_kind ? text : std::string(page.kind_name(kind)) + " (" + text + ")";
}

Expected<Score> compile_score(protocol::Page page, const std::vector<Conversation>& recorded,
                              const std::vector<protocol::Rename>& renames) {
  Score score;
  score.page = std::move(page);
  std::vector<Conversation> group;
  for (const Conversation& conversation : recorded) {
    const std::string who = "connection " + std::to_string(conversation.connection);
    if (conversation.refused) {
      score.remarks.push_back(who + " was refused when it was recorded and is left out");
      continue;
    }
    if (!conversation.broken.empty()) {
      score.remarks.push_back(who + ": " + conversation.broken + "; what follows there is not replayed");
    }
    const auto cut = conversation.unfinished[static_cast<std::size_t>(Side::client)];
    if (cut > 0)
      score.remarks.push_back(who + ": " + std::to_string(cut) +
                              " bytes of an unfinished message are not sent");
    group.push_back({});
    group.back().connection = conversation.connection;
    group.back().opened = conversation.opened;
    group.back().messages = conversation.messages;
    group.back().client_end = conversation.client_end;
    group.back().server_end = conversation.server_end;
    group.back().closed = conversation.closed;
  }
  if (group.empty()) return Trouble{"the recording has no connection that could be replayed"};

  auto names = protocol::Names::find(score.page, group, renames);
  if (!names) return names.error();
  score.names = std::move(*names);

  Nanos start = group.front().opened, end = start;
  for (const auto& conversation : group) start = std::min(start, conversation.opened);
  for (const auto& conversation : group) {
    const auto member = static_cast<std::uint32_t>(score.parts.size());
    score.parts.push_back(PartCompiler(score, member, start).compile(conversation));
    Nanos length = score.parts.back().offset;
    for (const Step& step : score.parts.back().steps) length += step.wait;
    end = std::max({end, start + length, conversation.closed.value_or(start)});
  }
  for (const Part& part : score.parts) {
    const bool answered =
        std::any_of(part.steps.begin(), part.steps.end(), [](const Step& step) { return step.answered; });
    score.judged = score.judged || part.becomes_ready || answered;
  }
  score.duration = end - start;
  return score;
}

}  // namespace chorus::replayer
