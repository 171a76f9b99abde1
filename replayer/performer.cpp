#include "replayer/performer.h"

#include <algorithm>

namespace chorus::replayer {

using protocol::Bytes;
using protocol::Frame;
using protocol::Side;

void Performer::begin() noexcept {
  partial_.clear();
  awaited_.clear();
  heard_ = ready_ = dead_ = false;
}

void Performer::feed(const Score& score, const Part& part, std::string_view self, Bytes bytes, Nanos now,
                     Stage& stage) {
  if (dead_) return;
  const auto& framing = score.page.framing(Side::server);
  std::size_t scanned = partial_.size();
  const bool whole = partial_.empty();  // the usual case: look at the worker's buffer, copy nothing
  if (!whole) partial_.append(bytes);
  Bytes rest = whole ? bytes : Bytes(partial_);
  while (!rest.empty()) {
    const Frame frame = protocol::next_frame(framing, rest, scanned);
    scanned = 0;
    if (frame.is == Frame::Is::more) break;
    if (frame.is == Frame::Is::broken) {
      dead_ = true;
      stage.on_broken(frame.why);
      return;
    }
    const Bytes one = rest.substr(0, frame.size);
    if (!message(score, part, self, score.page.kind_of(Side::server, one), one, now, stage)) return;
    rest.remove_prefix(frame.size);
  }
  if (whole) {
    partial_.assign(rest);
  } else {
    partial_.erase(0, partial_.size() - rest.size());
  }
  if (partial_.empty() && partial_.capacity() > 256) std::string().swap(partial_);
}

bool Performer::message(const Score& score, const Part& part, std::string_view self, KindId kind, Bytes bytes,
                        Nanos now, Stage& stage) {
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
  if (use.gates && own && !(ready_ && score.page.gates_until_ready())) {
    const auto slot = std::find(score.gate_kinds.begin(), score.gate_kinds.end(), kind);
    if (slot != score.gate_kinds.end()) {
      stage.on_gate(static_cast<std::uint16_t>(slot - score.gate_kinds.begin()), now);
    }
  }
  if (use.answers && own) answer(score, kind, now, stage);
  if (use.may_be_ready && !ready_ && score.page.is_ready(kind, bytes)) {
    ready_ = true;
    stage.on_ready(now);
  }
  return true;
}

void Performer::answer(const Score& score, KindId kind, Nanos now, Stage& stage) {
  for (auto awaited = awaited_.begin(); awaited != awaited_.end(); ++awaited) {
    const auto& by = score.page.answers()[awaited->rule].by;
    if (std::find(by.begin(), by.end(), kind) == by.end()) continue;
    const Awaited answered = *awaited;
    awaited_.erase(awaited);
    stage.on_answer(answered, now);
    return;
  }
}

}  // namespace chorus::replayer
