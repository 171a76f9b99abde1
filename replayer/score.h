// The score: a recording compiled once into flat, immutable steps that all clients share. A client only keeps
// its place in it. Pure: no clock, no socket.
//
// What a recording says and a score keeps:
//   - when a message goes out: after the previous one (gap) or after a message of the server (gate and think
//   time);
//   - which of its messages were answered, so that a replay can be held to it;
//   - where login ends, which messages are chat, and where the farewell begins.
#pragma once

#include "traces/protocol/names.h"

#include <cstdint>
#include <string>
#include <vector>

namespace chorus::replayer {

using format::Nanos;
using protocol::KindId;

inline constexpr std::uint16_t no_slot = 0xffff;

struct Step {
  enum class Do : std::uint8_t { send, close };
  Do action = Do::send;
  bool answered = false;         // the recording has an answer: a replay must have it too
  std::uint16_t rule = no_slot;  // index into page.answers(), with `answered`
  std::uint16_t gate = no_slot;  // index into Score::gate_kinds: what it waits for; no_slot = time alone
  std::uint32_t gate_count = 0;  // the n-th own message of that kind, from 1
  std::uint32_t message = 0;     // index into Score::messages, of a send
  Nanos wait{};                  // without a gate: since the previous intended time; with one: think time
};

// The script of one connection of the group.
struct Part {
  std::uint32_t origin = 0;       // the recording's connection id
  Nanos offset{};                 // opened this long after the group's first connection
  std::vector<Step> steps;        // the last one is a close
  bool becomes_ready = false;     // its login was seen to end
  std::uint32_t after_login = 0;  // first step that the recording sent after `ready`
  std::uint32_t first_chat = 0;   // first chat step, or steps.size()
  std::uint32_t farewell = 0;     // first step after the last chat message: what is said on leaving
  std::vector<std::string> then;  // then[k]: the server's first own message after k steps, for people to read
  std::vector<const protocol::FailureRule*> heard;  // failures of the recording itself: they end no client
  bool server_closes = false;                       // the server ended the stream before the client did
};

struct ChatLine {
  std::uint32_t part = 0, step = 0;
};

struct Score {
  protocol::Page page = protocol::Page::raw();
  protocol::Names names;
  std::vector<protocol::MessageTemplate> messages;
  std::vector<Part> parts;
  std::vector<KindId> gate_kinds;  // by gate slot
  std::vector<ChatLine> chat;      // every recorded chat message: what the random schedule draws from
  bool judged = false;             // the recording has a login or an answer that a replay can be held to
  Nanos duration{};                // first connection opened to last closed
  std::vector<std::string>
      remarks;  // what a user should know: refused connections left out, bytes not framed
};

// Fails when there is nothing to replay: no connection at all (a client that said nothing is fine).
Expected<Score> compile_score(protocol::Page page, const std::vector<protocol::Conversation>& group,
                              const std::vector<protocol::Rename>& renames);

// A message as a person reads it in one line: its kind and its printable bytes, cut to 100.
std::string show(const protocol::Page& page, KindId kind, protocol::Bytes message);

}  // namespace chorus::replayer
