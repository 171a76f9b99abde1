#include "replayer/score.h"

#include "replayer/score_part.h"
#include "traces/convert/printable.h"

#include <algorithm>

namespace chorus::replayer {
namespace {

using protocol::Conversation;
using protocol::Side;
using protocol::unknown_kind;

}  // namespace

std::string show(const protocol::Page& page, KindId kind, protocol::Bytes message) {
  constexpr std::size_t widest = 240;  // characters: an XMPP error stands at the end of its stanza
  const std::string text =
      convert::printable(protocol::without_delimiter(page.framing(Side::server), message), widest);
  return kind == unknown_kind ? text : std::string(page.kind_name(kind)) + " (" + text + ")";
}

Expected<Score> compile_score(protocol::Page page, const std::vector<Conversation>& recorded,
                              const protocol::NewNames& wanted) {
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

  auto names = protocol::Names::find(score.page, group, wanted);
  if (!names) return names.error();
  score.names = std::move(*names);

  const std::vector<Heard> heard = all_heard(score.page, group);
  const std::vector<Shown> shown = all_shown(score, group);
  Nanos start = group.front().opened, end = start;
  for (const auto& conversation : group) start = std::min(start, conversation.opened);
  for (const auto& conversation : group) {
    const auto member = static_cast<std::uint32_t>(score.parts.size());
    score.parts.push_back(PartCompiler(score, member, start, heard, shown[member]).compile(conversation));
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
  Nanos first = Nanos::max(), last{0};
  for (const Part& part : score.parts) {
    if (part.first_chat == part.farewell) continue;
    first = std::min(first, part.chat_begins);
    last = std::max(last, part.chat_ends);
  }
  constexpr Nanos shortest_round = std::chrono::milliseconds(1);
  if (first != Nanos::max()) score.round = std::max(last - first, shortest_round);
  return score;
}

}  // namespace chorus::replayer
