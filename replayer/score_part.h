// Compiles one recorded connection into a Part: plays it once and notes what its steps depend on.
#pragma once

#include "replayer/score.h"

#include <map>
#include <span>
#include <vector>

namespace chorus::replayer {

// A value that the recording's server handed out.
struct Heard {
  Nanos time{};
  std::uint32_t part = 0;
  std::uint16_t variable = 0;
  std::uint32_t count = 0;  // the n-th time on that connection, from 1
};
std::vector<Heard> all_heard(const protocol::Page& page, std::span<const protocol::Conversation> group);

// Under which of its names the server showed a client, by kind of message, and how often; one entry a member.
// A client may have several (an account, nicknames, one after the other); copies of what it says carry one.
using Shown = std::map<std::pair<KindId, std::uint32_t>, unsigned>;
std::vector<Shown> all_shown(const Score& score, std::span<const protocol::Conversation> group);

class PartCompiler {
 public:
  PartCompiler(Score& score, std::uint32_t member, Nanos group_start, std::span<const Heard> heard,
               const Shown& shown);
  Part compile(const protocol::Conversation& recorded);

 private:
  void sent(const protocol::Message& message);
  void received(const protocol::Message& message);
  void place(Step& step, Nanos time);
  void keep_alive(const protocol::Message& message);
  void needs(Step& step, const protocol::Message& message);
  void audience(Step& step, const protocol::Message& message);
  void gate(std::uint16_t slot, Nanos time);
  void answer(const protocol::Message& message);
  void note_new_name(const protocol::Message& message);
  void name_speakers();
  void finish(const protocol::Conversation& recorded);

  Score& score_;
  std::uint32_t member_;
  Nanos group_start_;
  std::span<const Heard> heard_;
  const Shown& shown_;
  std::vector<std::string> self_;
  Part part_;
  Nanos previous_{}, last_own_{};
  struct Waiting {
    std::uint32_t step = 0;
    KindId kind = protocol::unknown_kind;
    protocol::Bytes bytes{};
  };
  std::vector<Waiting> waiting_;       // steps without an answer yet, oldest first
  std::vector<std::uint32_t> seen_;    // by gate: how often it opened so far
  std::uint16_t last_gate_ = no_slot;  // opened since the last step
  Nanos gate_time_{};
  std::vector<Nanos> said_at_;  // by step
  std::uint32_t first_chat_ = no_name, last_chat_ = no_name;
  std::vector<std::uint32_t> rooms_;  // where it is now
  std::uint32_t named_ = no_name;     // the name it gave itself last
  std::vector<protocol::Page::Field> fields_;
};

}  // namespace chorus::replayer
