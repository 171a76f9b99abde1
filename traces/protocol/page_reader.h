// Reads a page from TOML into Page::Impl and finds every mistake in it: what is unknown, of the wrong type or
// out of range, no regular expression, or a kind or field that the page does not define. What the keys mean
// stands at the top of schema/protocols/packet-chat.toml.
#pragma once

#include "traces/protocol/page_rules.h"
#include "traces/protocol/toml_section.h"

namespace chorus::protocol {

class PageReader {
 public:
  PageReader(Page::Impl& page, Section root) : page_(page), root_(std::move(root)) {}
  void read();

 private:
  // page_reader.cpp: what a message is
  void identity();
  void framing();
  void framing_keys(Section& section, Framing& framing);
  void length_keys(Section& section, Framing& framing);
  void special_sizes();
  void kinds();
  void kind_place(Section& section);
  void kind_words(Section& section);
  void kind_numbers(Section& section);

  // page_reader_fields.cpp: its parts
  void field(Section& section);
  void locator(Section& section, FieldRule& rule);
  void path(Section& section, FieldRule& rule);
  void size(Section& section, FieldRule& rule);
  void encoding(Section& section, FieldRule& rule);
  void cutting(Section& section, FieldRule& rule);
  std::optional<Condition> condition(Section& section, std::string_view text);

  // page_reader_rules.cpp: what messages do
  void names(Section& section);
  void rooms(Section& section);
  void keepalive(Section& section);
  void login(Section& section);
  void gate(Section& section);
  std::uint16_t add_gate(Section& section, GateRule rule, std::string_view key);
  void extract(Section& section);
  void insert(Section& section);
  void answer(Section& section);
  void reply(Section& section);
  void failure(Section& section);
  void closed(Section& section, std::optional<FailureRule>& rule);
  void chat(Section& section);
  void fanout(Section& section);
  void recognise(Section& section);
  void compare(Section& section);  // comparison.cpp

  // The kinds named by a key; a kind that the page does not define is a mistake.
  std::vector<KindId> kinds_of(Section& section, std::string_view key);
  std::vector<KindId> required_kinds(Section& section, std::string_view key);
  std::optional<Pattern> pattern(Section& section, std::string_view key);
  FailureRule meaning(Section& section);
  // pattern = ..., or field = ... with equals = ..., of a message of `kinds` from the server.
  std::vector<std::pair<KindId, Test>> tests(Section& section, const std::vector<KindId>& kinds);
  const FieldRule* field_named(Side side, KindId kind, std::string_view name) const;
  // "PONG {1}\r\n" into parts: {0} .. {9} are groups of the pattern, {packet} is a field of `kind`.
  Expected<std::vector<Reply::Part>> reply_parts(std::string_view text, std::size_t groups,
                                                 KindId kind) const;

  Page::Impl& page_;
  Section root_;
  bool only_listed_ = false;  // the page lists its kinds: others are mistakes
};

}  // namespace chorus::protocol
