// Whom a message should reach: told to the books of the workers that hear them (fanout.h).
#include "replayer/sender.h"
#include "replayer/worker.h"

namespace chorus::replayer {

// Before the message goes out.
void Sender::announce(const Ready& ready, const Step& step, Nanos attempted) {
  const Due& due = ready.due;
  const Score& score = engine_.score;
  const Plan& plan = engine_.plan;
  const std::uint32_t own_part = plan.part_of(due.client);
  Said said;
  said.client = due.client;
  said.intended = due.intended;
  said.sent = attempted;
  // The random schedule lends the line of another: it is said in the room where the speaker is.
  const std::uint32_t room_name =
      step.audience.room != no_name ? step.audience.room : score.parts[own_part].chat_room;
  if (room_name != no_name) said.room = plan.room_number(score.names, room_name, due.client);
  if (step.changes_rooms) {
    Said leaving = said;
    leaving.what = Said::What::leaving;
    leaving.room = no_room;
    tell(due.client, due.client + 1, leaving);
  }
  if (step.enters) {
    said.what = Said::What::entering;
    said.echo = !step.answered;  // nothing will confirm it: it counts from now on
    tell(due.client, due.client + 1, said);
    Said more = said;
    for (const std::uint32_t room : step.also) {
      more.room = plan.room_number(score.names, room, due.client);
      tell(due.client, due.client + 1, more);
    }
    said.echo = false;
  }
  if (const auto* fanout = step.audience.fanout) {
    said.what = Said::What::message;
    said.reaches = static_cast<Said::Reaches>(fanout->reaches);
    // Who enters or leaves hears of it as an answer; as a copy it would always be in doubt.
    said.echo = fanout->echo && !step.enters && !step.leaves;
    const std::uint32_t name =
        due.part == own_part ? step.audience.speaker : score.parts[own_part].public_name;
    name_.clear();
    if (name != no_name) score.names.append_value(name, plan.names_of(due.client), name_);
    said.key = score.page.delivery_key(*fanout, score.messages[step.message].kind(), ready.bytes, name_);
    Block audience = plan.mine;
    if (said.reaches == Said::Reaches::room) {
      if (room_name == no_name) return;
      audience = plan.members_of(score.names, room_name, due.client);
    } else if (said.reaches == Said::Reaches::one) {
      said.to = due.client - own_part + step.audience.to;
      audience = {said.to, said.to + 1};
      if (said.echo && engine_.worker_index(due.client) != engine_.worker_index(said.to))
        tell(due.client, due.client + 1, said);
    }
    const bool only_itself = audience.first == due.client && audience.last == due.client + 1;
    if (!only_itself || said.echo) tell(audience.first, audience.last, said);
  }
  if (step.leaves) {
    said.what = Said::What::leaving;
    if (step.leaves_all) said.room = no_room;
    tell(due.client, due.client + 1, said);
    for (const std::uint32_t room : step.also) {
      said.room = plan.room_number(score.names, room, due.client);
      tell(due.client, due.client + 1, said);
    }
  }
}

void Sender::tell(std::uint32_t first, std::uint32_t last, const Said& said) {
  for (std::size_t worker = engine_.worker_index(first); worker < engine_.plan.blocks.size(); ++worker) {
    if (engine_.plan.blocks[worker].first >= last) return;
    engine_.workers[worker]->tell(said);
  }
}

}  // namespace chorus::replayer
