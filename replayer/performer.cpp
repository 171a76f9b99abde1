#include "replayer/performer.h"

#include <algorithm>

namespace chorus::replayer {

using protocol::Bytes;
using protocol::Frame;
using protocol::Side;

void Performer::begin() noexcept {
  partial_.clear();
  scan_ = {};
  awaited_.clear();
  heard_ = ready_ = dead_ = false;
}

void Performer::feed(const Score& score, const Part& part, std::span<const std::string> self, Bytes bytes,
                     Nanos now, Stage& stage) {
  if (dead_) return;
  const auto& framing = score.page.framing(Side::server);
  const bool whole = partial_.empty();  // the usual case: look at the worker's buffer, copy nothing
  if (!whole) partial_.append(bytes);
  Bytes rest = whole ? bytes : Bytes(partial_);
  while (!rest.empty()) {
    const Frame frame = protocol::next_frame(framing, rest, scan_);
    if (frame.is == Frame::Is::more) break;
    if (frame.is == Frame::Is::broken) {
      dead_ = true;
      stage.on_broken(frame.why);
      return;
    }
    const Bytes one = rest.substr(0, frame.size);
    if (!message(score, part, self, score.page.kind_of(Side::server, one), one, now, stage) || dead_) return;
    rest.remove_prefix(frame.size);
  }
  if (whole) {
    partial_.assign(rest);
  } else {
    partial_.erase(0, partial_.size() - rest.size());
  }
  if (partial_.empty() && partial_.capacity() > 256) std::string().swap(partial_);
}

bool Performer::message(const Score& score, const Part& part, std::span<const std::string> self, KindId kind,
                        Bytes bytes, Nanos now, Stage& stage) {
  heard_ = true;
  stage.on_message(kind);
  const auto use = score.page.use(Side::server, kind);
  if (use.may_fail) {
    const auto* rule = score.page.failure(kind, bytes);
    if (rule != nullptr && std::find(part.heard.begin(), part.heard.end(), rule) == part.heard.end()) {
      dead_ = true;
      stage.on_failure(*rule, kind, bytes);
      return false;
    }
  }
  if (use.replied) {
    std::string reply;
    if (score.page.reply(kind, bytes, reply)) stage.on_reply(std::move(reply));
  }
  const bool own = (use.gates || use.answers) && score.page.is_own(kind, bytes, self);
  if (use.extracts) {
    std::vector<protocol::Page::Extracted> found;
    score.page.extract(kind, bytes, found);
    for (const auto& one : found)
      stage.on_variable(one.variable, protocol::Page::value(one.field, bytes), now);
  }
  if (use.gates && own) {
    const std::uint16_t slot = score.page.gate_of(kind);
    if (!(ready_ && score.page.gates()[slot].until_ready)) stage.on_gate(slot, now);
  }
  if (use.removes && score.counts_copies) removed(score, self, kind, bytes, stage);
  if (use.delivers && score.counts_copies) stage.on_delivery(score.page.delivery_key(kind, bytes), now);
  if (use.answers && own) answer(score, kind, bytes, now, stage);
  if (use.may_be_ready && !ready_ && score.page.is_ready(kind, bytes)) {
    ready_ = true;
    stage.on_ready(now);
  }
  return true;
}

// The user who is put out is not the one who does it.
void Performer::removed(const Score& score, std::span<const std::string> self, KindId kind, Bytes bytes,
                        Stage& stage) {
  std::vector<protocol::Page::Field> fields;
  score.page.fields(Side::server, kind, bytes, fields);
  std::string room;
  bool ours = false;
  for (const auto& field : fields) {
    const std::string value = protocol::Page::value(field, bytes);
    if (field.role == protocol::Role::room) room = value;
    if (field.role == protocol::Role::user && !field.own)
      ours = ours || std::find(self.begin(), self.end(), value) != self.end();
  }
  if (ours && !room.empty()) stage.on_removed(room);
}

void Performer::answer(const Score& score, KindId kind, Bytes bytes, Nanos now, Stage& stage) {
  for (auto awaited = awaited_.begin(); awaited != awaited_.end(); ++awaited) {
    const auto& rule = score.page.answers()[awaited->rule];
    if (std::find(rule.by.begin(), rule.by.end(), kind) == rule.by.end()) continue;
    if (score.page.correlation(rule, Side::server, kind, bytes) != awaited->correlation) continue;
    const Awaited answered = *awaited;
    awaited_.erase(awaited);
    stage.on_answer(answered, kind, now);
    return;
  }
}

}  // namespace chorus::replayer
