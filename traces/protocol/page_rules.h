// What a page says, compiled into what is looked up per kind. Filled by page_reader.cpp, used by page.cpp;
// the rest of the room sees Page only.
#pragma once

#include "traces/protocol/page.h"
#include "traces/protocol/pattern.h"

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace chorus::protocol {

inline constexpr std::size_t longest_word = 32;  // bytes of a word that can be a kind
inline constexpr std::size_t most_kinds = 4096;  // kinds met beyond these stay unknown: input is not trusted

struct FieldRule {
  std::string name;
  Page::Field shape;  // span.at and span.size (0 = to the end) without a pattern
  bool own = false;
  std::optional<Pattern> pattern;
  char separator = 0;  // of a list of values; 0 = one value
};

// A message passes when its field has the value, or the pattern matches; with neither always.
struct Test {
  const FieldRule* field = nullptr;
  std::string equals;
  std::optional<Pattern> pattern;
};

struct Failure {
  Test test;
  FailureRule rule;
};

struct Reply {
  struct Part {
    int group = -1;  // -1 = text
    std::string text;
  };
  ReplyRule rule;
  std::optional<Pattern> pattern;
  std::vector<Part> parts;
};

struct Reach {
  std::optional<Pattern> pattern;
  FanOut fanout;
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
  Comparison comparison = Comparison::exact;
  std::vector<const Pattern*> masks;
};

struct KindPlace {
  bool by_word = false;
  unsigned word = 1;  // the n-th word, from 1, of those that start with none of `skip`
  std::string skip;
  std::uint16_t at = 0;  // a number: `width` bytes at `at`
  std::uint8_t width = 2;
  bool big_endian = false;
};

struct WordHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view word) const noexcept { return std::hash<std::string_view>()(word); }
};

struct Page::Impl {
  std::string name, summary, text;
  std::vector<std::uint16_t> ports;
  Framing framing[2];  // by Side

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
  std::vector<AnswerRule> answers;
  std::optional<FailureRule> closed_unheard;
  bool until_ready = false, integer_names = false;
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
};

// "PONG {1}\r\n" into parts; {{ and }} are braces.
Expected<std::vector<Reply::Part>> parse_reply(std::string_view text, std::size_t groups);
std::uint64_t read_number(Bytes bytes, bool big_endian) noexcept;  // of at most 8 bytes
// ASCII letters only; a kind's word is compared in capitals.
char upper(char c) noexcept;

}  // namespace chorus::protocol
