// Names: the recorded values that must differ from client to client (nicknames) or from cohort to cohort
// (rooms), and what stands for them in each copy. A copy's values are functions of its index alone, so that
// shards agree.
#pragma once

#include "traces/format/event.h"
#include "traces/protocol/conversation.h"
#include "traces/protocol/literals.h"
#include "traces/protocol/page.h"
#include "traces/protocol/value_template.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::protocol {

struct Region;  // layout.h

struct Rename {
  std::string recorded;
  std::string value;  // a ValueTemplate's text
};
Expected<Rename> parse_rename(std::string_view text);  // "alice=u{client:07}"

// What stands for recorded values, as the user wants it.
struct NewNames {
  std::span<const Rename> renames{};
  std::shared_ptr<const Users> users{};  // may be null
};

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
  // --rename. A rename of a literal that no client ever sent is a Trouble that lists what was found. With
  // --users a client's first user name is its row's "name" and a secret its "password", if it has them.
  static Expected<Names> find(const Page& page, std::span<const Conversation> group, const NewNames& wanted);
  static Expected<Names> find(const Page& page, std::span<const Conversation> group,
                              std::span<const Rename> renames) {
    return find(page, group, NewNames{renames, nullptr});
  }

  std::size_t size() const noexcept { return names_.size(); }
  const Name& operator[](std::size_t i) const { return names_[i]; }
  // The member's own user name: the last one that it gave itself before it was ready.
  std::optional<std::size_t> self(std::uint32_t member) const;
  std::vector<std::size_t> all_of(std::uint32_t member) const;  // every user name that it ever had
  // `member`: whose secret; two users may have the same in the recording.
  std::optional<std::size_t> find(Role role, std::string_view recorded, bool integer,
                                  std::uint32_t member = format::shared_by_all) const;
  std::string value(std::size_t i, CopyIndex index) const;
  void append_value(std::size_t i, CopyIndex index, std::string& out) const;
  const Literals& literals() const noexcept { return literals_; }  // all but integers and secrets, by index
  const Users* users() const noexcept { return users_.get(); }
  bool needs_users() const noexcept;  // a client without a row would have no name

  // Fails when two different names would have one value among `copies` copies, `per_cohort` of them to a
  // cohort (0 = all): which two, and where. Takes about 0.1 us for each name and copy.
  Expected<void> distinct(std::uint32_t copies, std::uint32_t members, std::uint32_t per_cohort = 1) const;

 private:
  friend class NameFinder;
  std::vector<Name> names_;
  std::vector<std::optional<std::size_t>> self_;  // by member
  Literals literals_;
  std::shared_ptr<const Users> users_;
};

// A recorded client's message with its names cut out. Compiled once, shared by every copy.
class MessageTemplate {
 public:
  // `member` sent it; its own user name becomes "self", which render() takes from the client that sends now.
  static MessageTemplate compile(const Page& page, const Names& names, std::uint32_t member, KindId kind,
                                 Bytes message);
  // Appends the message of client `member` of copy `index`, lengths made true. False when a value does not
  // fit (a fixed-width field, a length field, a number that is none): `why` says which. `moment`: when it is
  // sent; without it what is written anew stays empty.
  bool render(const Page& page, const Names& names, CopyIndex index, std::uint32_t member, std::string& out,
              std::string* why = nullptr, const Moment* moment = nullptr) const;
  KindId kind() const noexcept { return kind_; }
  bool constant() const noexcept;  // the same bytes for all
  bool has_inserts() const noexcept;
  bool has_secrets(const Names& names) const noexcept;

 private:
  struct Part {
    enum class What : std::uint8_t { bytes, name, self, insert, open, close };
    What what = What::bytes;
    std::uint32_t name = 0;                 // index into Names
    const ValueTemplate* insert = nullptr;  // the page's
    Page::Field field;                      // of a value: how it is encoded; open, close: how it is wrapped
    std::uint32_t width = 0;                // of a value: its recorded bytes
    std::string bytes;                      // of an insert: the recorded ones
  };
  void add_region(const Region& region, Bytes message, std::optional<std::size_t> self);
  void add_bytes(Bytes bytes);
  bool append_value(const Part& part, const Names& names, CopyIndex index, std::uint32_t member,
                    const Moment* moment, std::string& out, std::string* why) const;

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
  void restore(const Region& region, Bytes message, std::string& out) const;

  std::vector<std::pair<std::string, std::string>> own_to_recorded_;
  Literals all_, without_numbers_;  // own values, by index; the latter where names are numbers
};

// Of one copy, for a run's trace; secrets stay out of it.
std::vector<format::Binding> bindings(const Names& names, CopyIndex index);

}  // namespace chorus::protocol
