// Names: the recorded values that must differ from client to client (nicknames) or from cohort to cohort
// (rooms), and what stands for them in each copy. A copy's values are functions of its index alone, so that
// shards agree.
#pragma once

#include "traces/format/event.h"
#include "traces/protocol/conversation.h"
#include "traces/protocol/literals.h"
#include "traces/protocol/page.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::protocol {

// Which copy a value is for.
struct CopyIndex {
  std::uint32_t copy = 0;
  std::uint32_t cohort = 0;
  std::uint32_t members = 1;  // clients in a copy; the global index of member m is copy * members + m
};

// "u{client:07}", "{recorded}{cohort:05}", "{copy}": literal text and fields, each with an optional
// zero-padded minimum width. {{ is a brace.
class ValueTemplate {
 public:
  static Expected<ValueTemplate> parse(std::string_view text);
  void append(std::string& out, CopyIndex index, std::uint32_t member, std::string_view recorded) const;
  bool per_client() const noexcept;                      // mentions {client}: no two clients get the same
  bool per_copy() const noexcept;                        // mentions {copy}
  bool per_cohort() const noexcept;                      // mentions {cohort}
  static std::string escaped(std::string_view literal);  // as template text
  const std::string& text() const noexcept { return text_; }

 private:
  enum class What : std::uint8_t { text, client, copy, cohort, member, recorded };
  struct Part {
    What what = What::text;
    std::uint8_t width = 0;
    std::string text;
  };
  std::string text_;
  std::vector<Part> parts_;
};

struct Rename {
  std::string recorded;
  std::string value;  // a ValueTemplate's text
};
Expected<Rename> parse_rename(std::string_view text);  // "alice=u{client:07}"

struct Name {
  std::string recorded;
  Role role = Role::user;
  std::uint32_t member = format::shared_by_all;  // position of the connection whose name it is
  ValueTemplate value;
  bool integer = false;  // stands in integer fields only; its values have no leading zeros
};

class Names {
 public:
  // Every value of a field that the page says declares a name (the user in NICK, the room in JOIN), and every
  // --rename. A rename of a literal that no client ever sent is a Trouble that lists what was found.
  static Expected<Names> find(const Page& page, std::span<const Conversation> group,
                              std::span<const Rename> renames);

  std::size_t size() const noexcept { return names_.size(); }
  const Name& operator[](std::size_t i) const { return names_[i]; }
  // The member's own user name: the last one that it gave itself before it was ready.
  std::optional<std::size_t> self(std::uint32_t member) const;
  std::optional<std::size_t> find(Role role, std::string_view recorded, bool integer) const;
  std::string value(std::size_t i, CopyIndex index) const;
  void append_value(std::size_t i, CopyIndex index, std::string& out) const;
  const Literals& literals() const noexcept { return literals_; }  // all but the integers, by index

  // Fails when two different names would have one value among `copies` copies, `per_cohort` of them to a
  // cohort (0 = all): which two, and where. Takes about 0.1 us for each name and copy.
  Expected<void> distinct(std::uint32_t copies, std::uint32_t members, std::uint32_t per_cohort = 1) const;

 private:
  friend class NameFinder;
  std::vector<Name> names_;
  std::vector<std::optional<std::size_t>> self_;  // by member
  Literals literals_;
};

// A recorded client's message with its names cut out. Compiled once, shared by every copy.
class MessageTemplate {
 public:
  // `member` sent it; its own user name becomes "self", which render() takes from the client that sends now.
  static MessageTemplate compile(const Page& page, const Names& names, std::uint32_t member, KindId kind,
                                 Bytes message);
  // Appends the message of client `member` of copy `index`, lengths made true. False when a value does not
  // fit (a fixed-width field, a length field, a number that is none): `why` says which.
  bool render(const Page& page, const Names& names, CopyIndex index, std::uint32_t member, std::string& out,
              std::string* why = nullptr) const;
  KindId kind() const noexcept { return kind_; }
  bool constant() const noexcept;  // has no names: the same bytes for all

 private:
  struct Part {
    std::int32_t name = -1;  // index into Names; -1 = bytes, -2 = self
    Encoding encoding = Encoding::plain;
    bool fixed = false, big_endian = false, is_signed = false;
    std::uint16_t width = 0;  // of a fixed or integer field
    std::string bytes;
  };
  KindId kind_ = unknown_kind;
  std::vector<Part> parts_;
};

// Inverse substitution: a copy's own values back to the recorded ones, inside fields and, bounded by
// non-alphanumerics, inside text. What diff and explanations compare.
class Normaliser {
 public:
  Normaliser() = default;
  explicit Normaliser(std::span<const format::Binding> bindings);  // of one copy
  std::string operator()(const Page& page, Side from, KindId kind, Bytes message) const;

 private:
  std::vector<std::pair<std::string, std::string>> own_to_recorded_;
  Literals all_, without_numbers_;  // own values, by index; the latter where names are numbers
};

std::vector<format::Binding> bindings(const Names& names, CopyIndex index);

}  // namespace chorus::protocol
