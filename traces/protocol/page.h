// A page: everything that is known of one protocol, read from TOML (schema/protocols/*.toml, or the user's
// own).
//
// No code knows a protocol's name or the name of one of its kinds; what differs between protocols stands in
// pages. A page is mutable only while recordings are read (kinds that it does not list get numbers); during a
// run it is const and shared by all threads. Every mistake in a page is a Trouble that names file, line and
// key.
#pragma once

#include "traces/format/trouble.h"
#include "traces/protocol/framing.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::protocol {

enum class Side : std::uint8_t { client, server };  // who sends the message

using KindId = std::uint16_t;
inline constexpr KindId unknown_kind = 0;

// One part of a message: bytes at an offset, or what a pattern's first group matches.
enum class Encoding : std::uint8_t {
  plain,   // text as it stands
  nul,     // text up to a NUL or the end of the field; a fixed-width field is padded with NULs
  integer  // a little- or big-endian integer, seen as its decimal digits
};
enum class Role : std::uint8_t { none, user, room, text };

struct FieldSpan {
  std::size_t at = 0, size = 0;  // within the message
};

// What stands in place of what: see names.h. A reply rule's text is {0} {1} ... from the pattern's groups.
struct AnswerRule {
  KindId to = unknown_kind;  // a client's kind
  std::vector<KindId> by;    // the server's kinds; the first own message of one of them is the answer
  bool required = false;     // a client is completed only when it got as many as were recorded
};
struct FailureRule {
  std::string means;     // "the nickname is already in use"
  std::string advice;    // "add --rename {user}=u{client:07}"; {user} is the recorded name
  bool refused = false;  // the server turns clients away (full, banned): outcome refused, not failed
};
struct ReplyRule {
  KindId on = unknown_kind;     // the server's message
  KindId drops = unknown_kind;  // the client's recorded counterpart, left out of the script
};
// Whom a client's message reaches.
struct FanOut {
  enum class Reaches : std::uint8_t { room, all, one };
  Reaches reaches = Reaches::room;
  bool echo = false;  // its sender gets a copy too
};

// How `chorus diff` compares a kind; see [compare] in a page.
enum class Comparison : std::uint8_t { exact, kind_only, ignored };

// What a server's or client's kind is good for, so that most messages need no further look.
struct KindUse {
  bool gates : 1 = false, answers : 1 = false, answered : 1 = false, may_fail : 1 = false,
               may_be_ready : 1 = false, replied : 1 = false, dropped : 1 = false, chat : 1 = false;
};

class Page {
 public:
  // `file` is for messages. The text is kept: a run's trace carries its page.
  static Expected<Page> parse(std::string_view text, std::string_view file);
  // A built-in name, or a path (anything with '/' or ending in .toml).
  static Expected<Page> find(std::string_view name_or_path);
  static Page raw();  // no framing, no kinds: what is left when nothing is recognised

  Page(Page&&) noexcept;
  Page& operator=(Page&&) noexcept;
  ~Page();

  std::string_view name() const noexcept;
  std::string_view summary() const noexcept;
  std::string_view text() const noexcept;
  bool is_raw() const noexcept;                           // nothing can be judged
  std::span<const std::uint16_t> ports() const noexcept;  // where its servers usually listen: a hint
  const Framing& framing(Side side) const noexcept;

  // Kinds. kind_of() answers unknown_kind for what has no number; learn_kind() gives it one.
  KindId kind_of(Side from, Bytes message) const noexcept;
  KindId learn_kind(Side from, Bytes message);
  std::string_view kind_name(KindId kind) const noexcept;  // "?" for unknown_kind
  std::size_t kinds() const noexcept;                      // all KindIds are below this
  KindUse use(Side from, KindId kind) const noexcept;
  // Where the word stands that names the kind; size 0 where kinds are numbers. No name is ever replaced
  // there.
  FieldSpan kind_span(Side from, Bytes message) const noexcept;

  // Fields with a role, in the order of the page.
  struct Field {
    Role role = Role::none;
    Encoding encoding = Encoding::plain;
    FieldSpan span;         // where it is in this message
    bool fixed = false;     // its width may not change
    bool declares = false;  // a recorded client that sends it makes its value a name (see names.h)
    bool big_endian = false;
    bool is_signed = false;
  };
  // Appends the fields of `message` to `out`; those that do not fit or match are left out.
  void fields(Side from, KindId kind, Bytes message, std::vector<Field>& out) const;
  static std::string value(const Field& field, Bytes message);  // decoded: text without padding, digits
  bool integer_names() const noexcept;  // a user or a room is a number here: digits in text are no names

  // Whether the server's message is about `self` (its page's `own` field equals it). Kinds without `own`
  // always are.
  bool is_own(KindId kind, Bytes message, std::string_view self) const;

  const std::vector<AnswerRule>& answers() const noexcept;
  // The rule that `message` (from the server) breaks; nullptr = none.
  const FailureRule* failure(KindId kind, Bytes message) const;
  // What closing before the first message of the server means; nullptr = nothing special.
  const FailureRule* closed_unheard() const noexcept;
  bool is_ready(KindId kind, Bytes message) const;  // login done
  bool has_ready() const noexcept;
  bool gates_until_ready() const noexcept;  // kinds gate only until `ready`
  // The reply that is due at once; appended to `out`. False when no rule matches.
  bool reply(KindId kind, Bytes message, std::string& out) const;

  // Whom the client's message reaches; nullptr = the page does not say.
  const FanOut* fanout(KindId kind, Bytes message) const;

  // What of a message is not compared: all of it, by kind, or parts of it. masked() appends to `out`, in
  // order.
  Comparison comparison(Side from, KindId kind) const noexcept;
  void masked(Side from, KindId kind, Bytes message, std::vector<FieldSpan>& out) const;

  // Value templates for names nobody renamed: "u{client:07}", "{recorded}{cohort:05}".
  std::string_view user_template() const noexcept;
  std::string_view room_template() const noexcept;

  // How likely these first messages of one connection are of this protocol, in [0, 1]; 0 = no.
  double recognises(Bytes first_from_client, Bytes first_from_server) const;

  struct Impl;  // page_rules.h: what only this room's files look into

 private:
  explicit Page(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus::protocol
