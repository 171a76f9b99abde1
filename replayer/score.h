// The score: a recording compiled once into flat, immutable steps that all clients share. A client only keeps
// its place in it. Pure: no clock, no socket.
//
// What a recording says and a score keeps:
//   - when a message goes out: after the previous one (gap) or after a message of the server (gate and think
//   time);
//   - which of its messages were answered, and as what, so that a replay can be held to it;
//   - which values of the server a message carries on (variables), and which connection of the group heard
//   them;
//   - whom a message reaches: a room, everybody, one user;
//   - where login ends, which messages are chat, and where the farewell begins.
#pragma once

#include "traces/protocol/names.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace chorus::replayer {

using format::Nanos;
using protocol::KindId;

inline constexpr std::uint16_t no_slot = 0xffff;

inline constexpr std::uint32_t no_name = 0xffffffff;

// A value that must have been heard before a message can carry it on.
struct Need {
  std::uint16_t variable = 0;  // of the page
  std::uint16_t part = 0;      // the connection of the copy that hears it
  std::uint32_t count = 0;     // the n-th time, from 1
};

// Whom a message reaches.
struct Audience {
  const protocol::FanOut* fanout = nullptr;  // the page's; nullptr = nobody that is known
  std::uint32_t room = no_name;              // a name; no_name with `room` = the one the sender is in
  std::uint32_t to = no_name;                // part of the copy; for `one`
  std::uint32_t speaker = no_name;           // the sender's name that copies carry
};

struct Step {
  enum class Do : std::uint8_t { send, close };
  Do action = Do::send;
  bool answered = false;                           // the recording has an answer: a replay must have it too
  bool enters = false, leaves = false;             // a room: audience.room
  bool leaves_all = false, changes_rooms = false;  // changes: it leaves all others first
  std::uint16_t rule = no_slot;                    // index into page.answers(), with `answered`
  KindId answer = protocol::unknown_kind;          // as what it was answered
  std::uint16_t gate = no_slot;  // index into page.gates(): what it waits for; no_slot = time alone
  std::uint32_t gate_count = 0;  // the n-th own message that opens it, from 1
  std::uint32_t message = 0;     // index into Score::messages, of a send
  Nanos wait{};                  // without a gate: since the previous intended time; with one: think time
  Audience audience;
  std::vector<std::uint32_t> also;  // more rooms that the message enters or leaves
  std::vector<Need> needs;
  std::string answer_text;  // the recorded answer, for people to read
};

// The script of one connection of the group.
struct Part {
  std::uint32_t origin = 0;  // the recording's connection id
  Nanos offset{};            // opened this long after the group's first connection
  std::vector<Step> steps;   // the last one is a close
  // Said whenever nothing was for `wait`, by the wall's clock at any speed; it is no step of the script.
  std::optional<Step> keepalive;
  bool becomes_ready = false;        // its login was seen to end
  std::uint32_t last_waiting = 0;    // behind the last step that waits for the server
  std::uint32_t after_login = 0;     // first step that the recording sent after `ready`
  std::uint32_t first_chat = 0;      // first chat step, or steps.size()
  std::uint32_t farewell = 0;        // first step after the last chat message: what is said on leaving
  Nanos chat_begins{}, chat_ends{};  // when those two were said, since the group began
  std::vector<std::string> then;  // then[k]: the server's first own message after k steps, for people to read
  std::vector<const protocol::FailureRule*> heard;  // failures of the recording itself: they end no client
  bool server_closes = false;                       // the server ended the stream before the client did
  std::uint32_t chat_room = no_name;    // the one room it is in while it chats; no_name = none or several
  std::uint32_t public_name = no_name;  // which of its names the server shows to others
  // A step of the script, or behind its end the keep-alive.
  const Step& step(std::uint32_t index) const { return index < steps.size() ? steps[index] : *keepalive; }
  std::vector<std::uint32_t> looped;  // by gate: how often it opens during one round of --loop
};

struct ChatLine {
  std::uint32_t part = 0, step = 0;
};

struct Score {
  protocol::Page page = protocol::Page::raw();
  protocol::Names names;
  std::vector<protocol::MessageTemplate> messages;
  std::vector<Part> parts;
  std::vector<ChatLine> chat;  // every recorded chat message: what the random schedule draws from
  bool counts_copies = false;  // some message has an audience
  bool judged = false;         // the recording has a login or an answer that a replay can be held to
  Nanos round{};               // of --loop: from the first chat message of the group to the last farewell
  Nanos duration{};            // first connection opened to last closed
  std::vector<std::string>
      remarks;  // what a user should know: refused connections left out, bytes not framed
};

// Fails when there is nothing to replay: no connection at all (a client that said nothing is fine).
Expected<Score> compile_score(protocol::Page page, const std::vector<protocol::Conversation>& group,
                              const protocol::NewNames& wanted);

// A message as a person reads it in one line: its kind and its printable bytes, cut to 240.
std::string show(const protocol::Page& page, KindId kind, protocol::Bytes message);

}  // namespace chorus::replayer
