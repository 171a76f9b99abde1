// The words in which a page answers: kinds and what they are good for, fields, and the rules for answers,
// gates, failures and audiences. Filled by the page reader, read by everybody who uses a page.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace chorus::protocol {

enum class Side : std::uint8_t { client, server };  // who sends the message

using KindId = std::uint16_t;
inline constexpr KindId unknown_kind = 0;

// One part of a message: found by place, by word, by element or by pattern; see locator.h.
enum class Encoding : std::uint8_t {
  plain,   // text as it stands
  nul,     // text up to a NUL or the end of the field; a fixed-width field is padded with NULs
  integer  // a little- or big-endian integer, seen as its decimal digits
};
enum class Role : std::uint8_t {
  none,
  user,
  room,
  text,   // names occur in it
  secret  // a password: replaced only from --users, never shown, never compared
};

// What the bytes of a field are wrapped in, so that they can change in length.
enum class Wrapping : std::uint8_t {
  none,
  base64,
  u8,
  u16,
  u32,
  varint
};  // u8 .. varint: a length before it

struct FieldSpan {
  std::size_t at = 0, size = 0;  // within the message
};

// What stands in place of what: see names.h. A reply rule's text is {0} {1} ... from the pattern's groups.
struct AnswerRule {
  KindId to = unknown_kind;  // a client's kind
  std::vector<KindId> by;    // the server's kinds; the first own message of one of them is the answer
  bool required = false;     // a client is completed only when it got as many, of the kinds recorded
  std::string correlation;   // a field of both that must agree; "" = the oldest one that waits is answered
};
struct FailureRule {
  std::string means;     // "the nickname is already in use"
  std::string advice;    // "add --rename {user}=u{client:07}"; {user} is the recorded name
  bool refused = false;  // the server turns clients away (full, banned): outcome refused, not failed
};
// A client's next message waits for the server's; any of `kinds` opens the gate.
struct GateRule {
  std::vector<KindId> kinds;
  bool until_ready = false;  // gates only until `ready`
  std::chrono::nanoseconds proceed{
      0};  // goes on without it after so long, counted; 0 = the client has failed
};
inline constexpr std::uint16_t no_gate = 0xffff;
// Whom a client's message reaches.
struct FanOut {
  enum class Reaches : std::uint8_t { room, all, one };
  Reaches reaches = Reaches::room;
  bool echo = false;            // its sender gets a copy too
  std::vector<KindId> arrives;  // as what it arrives
  bool names_sender = false;    // a copy says whose it is
};

class ValueTemplate;  // value_template.h
struct FieldRule;     // page_rules.h

// How `chorus diff` compares a kind; see [compare] in a page.
enum class Comparison : std::uint8_t { exact, kind_only, ignored };

// What a server's or client's kind is good for, so that most messages need no further look.
struct KindUse {
  bool gates : 1 = false, answers : 1 = false, answered : 1 = false, may_fail : 1 = false,
               may_be_ready : 1 = false, replied : 1 = false, dropped : 1 = false, chat : 1 = false,
               extracts : 1 = false, enters : 1 = false, leaves : 1 = false, delivers : 1 = false,
               keeps_alive : 1 = false, removes : 1 = false;
};

}  // namespace chorus::protocol
