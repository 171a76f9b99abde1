// What a page says, compiled into what is looked up per kind. Filled by page_reader.cpp, used by page.cpp;
// the rest of the room sees Page only.
#pragma once

#include "traces/protocol/locator.h"
#include "traces/protocol/page.h"
#include "traces/protocol/value_template.h"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace chorus::protocol {

inline constexpr std::size_t longest_word = 48;  // bytes of a word that can be a kind
inline constexpr std::size_t most_kinds = 4096;  // kinds met beyond these stay unknown: input is not trusted

struct FieldRule {
  std::string name;
  Page::Field shape;  // span.at: of a place; span.size: of a fixed width
  bool own = false;
  Locator locator;
  char separator = 0;  // of a list of values; 0 = one value
};

// A message passes when its field has the value (or another one), or the pattern matches; with neither
// always.
struct Test {
  const FieldRule* field = nullptr;
  std::string equals;
  bool differs = false;
  std::optional<Pattern> pattern;
};

struct Failure {
  Test test;
  FailureRule rule;
};

// What is sent at once when the server's message comes.
struct Reply {
  struct Part {
    int group = -1;  // of the pattern; -1 = text, or a field
    const FieldRule* field = nullptr;
    std::string text;
  };
  std::optional<Pattern> pattern;
  std::vector<Part> parts;
};

struct Reach {
  std::optional<Pattern> pattern;
  FanOut fanout;
};

struct Writing {
  const FieldRule* field = nullptr;
  ValueTemplate value;
};

// What concerns one kind from one side; the pointers go into Page::Impl's own vectors.
struct KindRules {
  KindUse use;
  std::vector<const FieldRule*> fields;
  std::vector<const FieldRule*> own;
  std::vector<const Failure*> failures;
  std::vector<const Test*> ready;
  std::vector<const Reply*> replies;
  std::vector<const Reach*> reaches;
  std::vector<std::pair<std::uint16_t, const FieldRule*>> extracts;  // by variable
  std::vector<const Writing*> writings;
  std::uint16_t gate = no_gate;
  KindId delivers_as = unknown_kind;  // the first kind of the [[fanout]] whose copies these are
  Comparison comparison = Comparison::exact;
  std::vector<const Pattern*> masks;
  std::vector<const FieldRule*> masked_fields;
};

struct KindPlace {
  enum class By : std::uint8_t { number, word, element };
  By by = By::number;
  unsigned word = 1;  // the n-th word, from 1, of those that start with none of `skip`
  std::string skip;
  std::uint16_t at = 0;  // a number: `width` bytes at `at`, of which `mask` counts
  std::uint8_t width = 2;
  bool big_endian = false;
  std::uint64_t mask = ~std::uint64_t{0};
  std::vector<std::string> attributes, child_of;  // an element: its name, these attributes, its child's name
  std::string blank;                              // what has no element
};

struct WordHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view word) const noexcept { return std::hash<std::string_view>()(word); }
};

struct Page::Impl {
  std::string name, summary, text;
  std::vector<std::uint16_t> ports;
  Framing framing[2];  // by Side
  bool one_per_write = false;

  KindPlace place;
  std::vector<std::string> kind_names{"?"};
  std::size_t listed = 0;  // kinds 1 .. listed are named by the page, the others were learned
  std::unordered_map<std::string, KindId, WordHash, std::equal_to<>> by_word;
  std::unordered_map<std::uint64_t, KindId> by_number;
  std::vector<KindRules> rules[2];  // by Side, then by kind; learned kinds have none

  // One by one on the heap: the rules of the kinds point at them.
  std::vector<std::unique_ptr<FieldRule>> fields;
  std::vector<std::unique_ptr<Failure>> failures;
  std::vector<std::unique_ptr<Test>> ready;
  std::vector<std::unique_ptr<Reply>> replies;
  std::vector<std::unique_ptr<Reach>> reaches;
  std::vector<std::unique_ptr<Pattern>> masks;
  std::vector<std::unique_ptr<Writing>> writings;
  std::vector<AnswerRule> answers;
  std::vector<GateRule> gates;
  std::vector<std::string> variables;
  std::optional<Pattern> protect;
  std::optional<FailureRule> closed_unheard, closed;
  bool integer_names = false, one_room = false;
  std::string user_template = "u{client:07}", room_template = "{recorded}{cohort:05}";
  std::optional<Pattern> first_of[2];  // by Side: what the first message looks like

  KindRules& rules_of(Side side, KindId kind) {
    auto& all = rules[static_cast<std::size_t>(side)];
    if (all.size() <= kind) all.resize(kind + std::size_t{1});
    return all[kind];
  }
  const KindRules* find_rules(Side side, KindId kind) const noexcept {
    const auto& all = rules[static_cast<std::size_t>(side)];
    return kind < all.size() ? &all[kind] : nullptr;
  }
  KindId add_kind(std::string kind_name) {
    if (kind_names.size() >= most_kinds) return unknown_kind;
    kind_names.push_back(std::move(kind_name));
    return static_cast<KindId>(kind_names.size() - 1);
  }
  // The word's place in the message; size 0 = there is none.
  FieldSpan word_of(Side from, Bytes message) const noexcept;
  // The kind's word in capitals, at most longest_word bytes; empty = it has none.
  std::string_view kind_word(Side from, Bytes message, char (&room)[longest_word]) const noexcept;
  // Calls `see(field)` for every value of the rule in the message, until it returns true; true if it did.
  template <class See>
  bool each_value(const FieldRule& rule, Side from, Bytes message, See see) const;
  bool find(const FieldRule& rule, Side from, Bytes message, Page::Field& field) const;  // the first value
  bool passes(const Test& test, Side from, Bytes message) const;
};

std::uint64_t read_number(Bytes bytes, bool big_endian) noexcept;  // of at most 8 bytes
// ASCII letters only; a kind's word is compared in capitals.
char upper(char c) noexcept;

bool equals(const Page::Field& field, Bytes message, std::string_view value);

template <class See>
bool Page::Impl::each_value(const FieldRule& rule, Side from, Bytes message, See see) const {
  const Framing& way = framing[static_cast<std::size_t>(from)];
  Page::Field field = rule.shape;
  const std::size_t header = rule.locator.by == Locator::By::path ? header_size(way, message) : 0;
  const Bytes body = without_delimiter(way, message);
  if (!locate(rule.locator, field, body, header, field.big_endian)) return false;
  const std::string& without = rule.locator.without;  // a value with one of these in it is none
  const auto seen = [&] {
    const Bytes value = message.substr(field.span.at, field.span.size);
    return (without.empty() || value.find_first_of(without) == Bytes::npos) && see(field);
  };
  if (rule.locator.repeat) {
    do {
      if (seen()) return true;
    } while (locate_next(rule.locator, field, body));
    return false;
  }
  if (rule.separator == 0) return seen();
  Bytes rest = message.substr(field.span.at, field.span.size);
  while (true) {
    const auto end = rest.find(rule.separator);
    const Bytes one = rest.substr(0, end);
    field.span = {static_cast<std::size_t>(one.data() - message.data()), one.size()};
    if (!one.empty() && seen()) return true;
    if (end == Bytes::npos) return false;
    rest.remove_prefix(end + 1);
  }
}

}  // namespace chorus::protocol
