// What stands for a recorded value in each client: "u{client:07}", "{recorded}{cohort:05}", "{user.name}".
// Names are functions of a client's index alone, so that shards agree; only what is written into a message at
// the moment it goes out (a page's [[insert]]) may use that moment.
#pragma once

#include "traces/format/trouble.h"
#include "traces/protocol/users.h"

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::protocol {

// Which copy a value is for.
struct CopyIndex {
  std::uint32_t copy = 0;
  std::uint32_t cohort = 0;
  std::uint32_t members = 1;    // clients in a copy; the global index of member m is copy * members + m
  std::int64_t started_ms = 0;  // when the run began, since 1970: {time} of a name
};

// The moment a message goes out.
struct Moment {
  std::int64_t wall_ms = 0;   // since 1970
  std::uint64_t counter = 0;  // messages of this client before this one
  std::mt19937_64* random = nullptr;
  std::span<const std::string> variables;  // of this client, by index; "" = not heard yet
  bool hides_secrets = false;              // for a trace: passwords stay as they were recorded
};

// Literal text and fields; numbers may have a zero-padded width ({client:07}). {{ is a brace.
//   {client} {index}   the client's global number          {copy} {cohort} {member}   and the others
//   {recorded}         the recorded value                  {user.COLUMN}              of --users, row =
//   client {random:8}         so many random digits               {counter}                  messages before
//   this one; of a {time} {time_ms}   seconds, milliseconds since 1970       name: the client's number {NAME}
//   a page's variable, in [[insert]]
class ValueTemplate {
 public:
  struct Known {
    const Users* users = nullptr;
    std::span<const std::string> variables{};
  };
  static Expected<ValueTemplate> parse(std::string_view text, const Known& known);
  static Expected<ValueTemplate> parse(std::string_view text) { return parse(text, Known{}); }

  void append(std::string& out, CopyIndex index, std::uint32_t member, std::string_view recorded,
              const Users* users = nullptr, const Moment* moment = nullptr) const;
  bool per_client() const noexcept;              // no two clients get the same, or at least should not
  bool per_copy() const noexcept;                // mentions {copy}
  bool per_cohort() const noexcept;              // mentions {cohort}
  bool of_users() const noexcept;                // mentions {user.COLUMN}
  std::vector<std::uint16_t> variables() const;  // that it mentions
  static std::string escaped(std::string_view literal);  // as template text
  const std::string& text() const noexcept { return text_; }

 private:
  enum class What : std::uint8_t {
    text,
    client,
    copy,
    cohort,
    member,
    recorded,
    random,
    counter,
    time,
    time_ms,
    user,
    variable
  };
  struct Part {
    What what = What::text;
    std::uint8_t width = 0;
    std::uint16_t index = 0;  // of a column or a variable
    std::string text;
  };
  static Expected<Part> field(std::string_view text, const Known& known);
  bool mentions(What what) const noexcept;

  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace chorus::protocol
