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
#include "traces/protocol/rules.h"

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::protocol {

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
  bool one_per_write() const noexcept;  // the server takes what one receive brings for one message

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
    Wrapping wrapping = Wrapping::none;
    FieldSpan span;           // where it is in this message; of a wrapped one all of the text that is wrapped
    FieldSpan inner;          // base64: where it is in the decoded text
    std::uint8_t prefix = 0;  // bytes of the length before it
    bool fixed = false;       // its width may not change
    bool own = false;         // the message belongs to who is named here
    bool declares = false;    // a recorded client that sends it makes its value a name (see names.h)
    bool big_endian = false;
    bool is_signed = false;
  };
  // Appends the fields of `message` to `out`; those that do not fit or match are left out.
  void fields(Side from, KindId kind, Bytes message, std::vector<Field>& out) const;
  bool has_secrets(Side from) const noexcept;  // whether any message of this side has a field of that role
  // Of that kind: found by their place, which a message of another version has elsewhere.
  bool has_placed_secrets(Side from, KindId kind) const noexcept;
  static std::string value(const Field& field, Bytes message);  // decoded: text without padding, digits
  bool integer_names() const noexcept;  // a user or a room is a number here: digits in text are no names

  // Whether the server's message is about `self` (its page's `own` field equals it). Kinds without `own`
  // always are.
  // `self`: all the names that the client has given itself.
  bool is_own(KindId kind, Bytes message, std::span<const std::string> self) const;

  const std::vector<AnswerRule>& answers() const noexcept;
  // A hash of the field that joins a message with its answer; 0 = the rule has none, or it is not there.
  std::uint64_t correlation(const AnswerRule& rule, Side from, KindId kind, Bytes message) const;
  // The rule that `message` (from the server) breaks; nullptr = none.
  const FailureRule* failure(KindId kind, Bytes message) const;
  // What closing before the first message of the server means; nullptr = nothing special.
  const FailureRule* closed_unheard() const noexcept;
  const FailureRule* closed() const noexcept;  // the same for a later end that the recording did not have
  bool is_ready(KindId kind, Bytes message) const;  // login done
  bool has_ready() const noexcept;
  const std::vector<GateRule>& gates() const noexcept;
  std::uint16_t gate_of(KindId kind) const noexcept;  // index into gates(); no_gate
  // The reply that is due at once; appended to `out`. False when no rule matches.
  bool reply(KindId kind, Bytes message, std::string& out) const;

  // Whom the client's message reaches; nullptr = the page does not say.
  const FanOut* fanout(KindId kind, Bytes message) const;
  // What the copies of one message have in common, as a hash: as what it arrives, whose it is, its text.
  // `sender`: of a message that goes out; of one that arrives it is read from it.
  std::uint64_t delivery_key(const FanOut& fanout, KindId kind, Bytes message, std::string_view sender) const;
  std::uint64_t delivery_key(KindId kind, Bytes message) const;  // of the server's, use().delivers

  // Values that the server's messages bring and the client's messages carry on (tokens, numbers of packets).
  std::span<const std::string> variables() const noexcept;
  struct Extracted {
    std::uint16_t variable = 0;
    Field field;
  };
  void extract(KindId kind, Bytes message, std::vector<Extracted>& out) const;
  // Parts of a client's message that are written anew each time.
  struct Insert {
    Field field;
    const ValueTemplate* value = nullptr;
  };
  void inserts(KindId kind, Bytes message, std::vector<Insert>& out) const;

  // What of a message is not compared: all of it, by kind, or parts of it. masked() appends to `out`, in
  // order.
  Comparison comparison(Side from, KindId kind) const noexcept;
  void masked(Side from, KindId kind, Bytes message, std::vector<FieldSpan>& out) const;

  // Where no name is ever looked for, as the names of elements; in order.
  bool one_room() const noexcept;  // who enters a room has left all others
  void protect(Bytes message, std::vector<FieldSpan>& out) const;

  // Value templates for names nobody renamed: "u{client:07}", "{recorded}{cohort:05}".
  std::string_view user_template() const noexcept;
  std::string_view room_template() const noexcept;

  // Whether a connection's first message of a side may be this one: true where the page does not say.
  bool may_begin(Side from, Bytes message) const;
  // How likely these first messages of one connection are of this protocol, in [0, 1]; 0 = no.
  double recognises(Bytes first_from_client, Bytes first_from_server) const;

  struct Impl;  // page_rules.h: what only this room's files look into

 private:
  void mask_field(const FieldRule& rule, Side from, Bytes message, std::vector<FieldSpan>& out) const;
  std::uint64_t text_hash(Side from, KindId kind, Bytes message, std::uint64_t seed) const;
  explicit Page(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus::protocol
