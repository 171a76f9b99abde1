// The second part of reading a page: where the parts of a message are, and how they are written.
#include "traces/protocol/page_reader.h"

#include <algorithm>
#include <charconv>

namespace chorus::protocol {
namespace {

const std::vector<std::string> lengths = {"u8", "u16", "u32", "varint"};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void PageReader::field(Section& section) {
  static const std::vector<std::string> froms = {"client", "server", "both"},
                                        roles = {"none", "user", "room", "text", "secret"};
  auto rule = std::make_unique<FieldRule>();
  const auto kinds = required_kinds(section, "kinds");
  section.require("name");
  rule->name = section.text("name").value_or("");
  const auto from = section.choice("from", froms).value_or(2);
  rule->shape.role = static_cast<Role>(section.choice("role", roles).value_or(0));
  rule->shape.declares = section.flag("declares", false);
  rule->own = rule->shape.own = section.flag("own", false);
  locator(section, *rule);
  encoding(section, *rule);
  cutting(section, *rule);

  const Role role = rule->shape.role;
  const bool names = role == Role::user || role == Role::room;
  if (rule->shape.declares && (!names || from == 1)) {
    section.wrong("declares", "is for a user or a room in a client's message");
  }
  if (rule->own && from == 0) section.wrong("own", "is for messages of the server");
  if (role == Role::text && (rule->shape.fixed || rule->shape.encoding == Encoding::integer)) {
    section.wrong("role", "text is for fields whose length may change");
  }
  if (names && rule->shape.encoding == Encoding::integer) page_.integer_names = true;
  for (const Side side : {Side::client, Side::server}) {
    if (from != 2 && from != static_cast<std::size_t>(side)) continue;
    for (const KindId kind : kinds) {
      KindRules& rules = page_.rules_of(side, kind);
      for (const FieldRule* other : rules.fields) {
        if (other->name == rule->name && other->locator.by == Locator::By::place &&
            rule->locator.by == Locator::By::place) {
          section.wrong("name", "is given to two fields of one kind: " + rule->name);
        }
      }
      rules.fields.push_back(rule.get());
      if (rule->own && side == Side::server) rules.own.push_back(rule.get());
    }
  }
  page_.fields.push_back(std::move(rule));
  section.finish();
}

void PageReader::locator(Section& section, FieldRule& rule) {
  using By = Locator::By;
  static const std::pair<const char*, By> ways[] = {
      {"at", By::place},       {"after", By::path},          {"word", By::word},
      {"lead", By::lead},      {"attribute", By::attribute}, {"element", By::element},
      {"pattern", By::pattern}};
  const auto given = std::count_if(std::begin(ways), std::end(ways),
                                   [&](const auto& way) { return section.has(way.first); });
  if (given != 1)
    section.wrong("",
                  "needs one of at, after, word, lead, attribute, element and pattern: where the field is");
  for (const auto& [key, by] : ways)
    if (section.has(key)) rule.locator.by = by;
  const By by = rule.locator.by;
  const auto only = [&](std::initializer_list<By> allowed, const char* key, const char* what) {
    if (section.has(key) && std::find(allowed.begin(), allowed.end(), by) == allowed.end())
      section.wrong(key, std::string("belongs to a field with ") + what);
  };
  only({By::place, By::path}, "size", "at or after");
  only({By::path}, "if", "after");
  only({By::path}, "repeat", "after");
  only({By::word}, "to_end", "word");
  only({By::word, By::pattern}, "separator", "word or pattern");

  if (const auto at = section.number("at", 0, 65535)) rule.shape.span.at = static_cast<std::size_t>(*at);
  if (by == By::path) path(section, rule);
  if (by == By::place || by == By::path) size(section, rule);
  rule.locator.word = static_cast<unsigned>(section.number("word", 1, 64).value_or(0));
  rule.locator.to_end = section.flag("to_end", false);
  rule.locator.skip = page_.place.skip.empty() ? ":@" : page_.place.skip;
  if (const auto lead = section.text("lead")) {
    rule.locator.lead = lead->front();
    if (lead->size() != 1 || rule.locator.skip.find(rule.locator.lead) == std::string::npos)
      section.wrong("lead", "must be one of the characters of kind.skip");
  }
  for (const char* key : {"attribute", "element"})
    if (const auto tag = section.text(key)) rule.locator.tag = *tag;
  rule.locator.pattern = pattern(section, "pattern");
  if (rule.locator.pattern && rule.locator.pattern->group_count() == 0) {
    section.wrong("pattern", "needs a group in parentheses: the field's value");
  }
  if (const auto separator = section.text("separator")) {
    rule.separator = separator->front();
    if (separator->size() != 1) section.wrong("separator", "must be a single character");
  }
}

// after = ["u16", "4", "u16 if 7.2"]
void PageReader::path(Section& section, FieldRule& rule) {
  for (const std::string& text : section.texts("after")) {
    const auto space = text.find(' ');
    const std::string what = text.substr(0, space);
    Locator::Step step;
    if (const auto found = std::find(lengths.begin(), lengths.end(), what); found != lengths.end()) {
      step.skip.what = static_cast<Skip::What>(1 + (found - lengths.begin()));
    } else if (is_number(what) && what.size() <= 4) {
      step.skip.bytes = static_cast<std::uint16_t>(std::stoul(what));
    } else {
      section.wrong("after", "must be numbers of bytes, u8, u16, u32 or varint, not " + what);
    }
    if (space != std::string::npos) {
      const std::string rest = text.substr(space + 1);
      if (!rest.starts_with("if "))
        section.wrong("after", "has \"" + rest + "\" where only \"if BYTE.BIT\" may stand");
      if (const auto when = condition(section, rest.substr(std::min<std::size_t>(3, rest.size()))))
        step.when = *when;
    }
    rule.locator.after.push_back(step);
  }
  if (const auto repeat = section.number("repeat", 0, 64))
    rule.locator.repeat = static_cast<std::uint16_t>(*repeat);
  if (const auto when = section.text("if")) {
    if (const auto parsed = condition(section, *when)) rule.locator.when = *parsed;
  }
}

// "7.2": bit 2 of byte 7 of what follows the header.
std::optional<Condition> PageReader::condition(Section& section, std::string_view text) {
  Condition condition;
  condition.any = false;
  const auto dot = text.find('.');
  const std::string_view byte = text.substr(0, dot),
                         bit = dot == std::string_view::npos ? "" : text.substr(dot + 1);
  if (!is_number(byte) || byte.size() > 4 || bit.size() != 1 || bit[0] < '0' || bit[0] > '7') {
    section.wrong(section.has("if") ? "if" : "after",
                  "has \"" + std::string(text) + "\"; a bit is written BYTE.BIT, as 7.2");
    return std::nullopt;
  }
  std::from_chars(byte.data(), byte.data() + byte.size(), condition.byte);
  condition.bit = static_cast<std::uint8_t>(bit[0] - '0');
  return condition;
}

void PageReader::size(Section& section, FieldRule& rule) {
  section.require("size");
  if (section.is_text("size")) {
    static const std::vector<std::string> sizes = {"rest", "u8", "u16", "u32", "varint"};
    const auto size = section.choice("size", sizes).value_or(0);
    if (size > 0)
      rule.shape.wrapping = static_cast<Wrapping>(static_cast<std::size_t>(Wrapping::u8) + size - 1);
  } else if (const auto size = section.number("size", 1, 65535)) {
    rule.shape.span.size = static_cast<std::size_t>(*size);
    rule.shape.fixed = true;
  }
}

void PageReader::encoding(Section& section, FieldRule& rule) {
  static const std::vector<std::string> encodings = {"plain", "nul", "integer", "base64"};
  Page::Field& shape = rule.shape;
  const auto chosen = section.choice("encoding", encodings).value_or(0);
  const bool base64 = chosen == 3;
  const bool placed = rule.locator.by == Locator::By::place || rule.locator.by == Locator::By::path;
  shape.encoding = base64 ? Encoding::plain : static_cast<Encoding>(chosen);
  if (chosen != 0 && !base64 && !placed)
    section.wrong("encoding", "must be plain or base64 for a field that is found in text");
  if (base64 && (shape.fixed || shape.wrapping != Wrapping::none))
    section.wrong("encoding",
                  "base64 is for fields whose length may change and that have no length of their own");
  if (base64) shape.wrapping = Wrapping::base64;
  if (section.has("inner") && !base64) section.wrong("inner", "belongs to encoding = \"base64\"");
  rule.locator.inner = pattern(section, "inner");
  if (rule.locator.inner && rule.locator.inner->group_count() == 0)
    section.wrong("inner", "needs a group in parentheses: the field's value");
  const bool integer = shape.encoding == Encoding::integer;
  const auto size = shape.span.size;
  if (integer && !(size == 1 || size == 2 || size == 4 || size == 8)) {
    section.wrong("size", "of an integer must be 1, 2, 4 or 8");
  }
  const bool counted = placed && (shape.wrapping != Wrapping::none || !rule.locator.after.empty());
  if (section.has("endian") && !integer && !counted)
    section.wrong("endian", "belongs to integers and to lengths");
  if (section.has("signed") && !integer) section.wrong("signed", "belongs to encoding = \"integer\"");
  if (const auto endian = section.choice("endian", {"little", "big"})) shape.big_endian = *endian == 1;
  shape.is_signed = section.flag("signed", false);
}

void PageReader::cutting(Section& section, FieldRule& rule) {
  for (const char* key : {"behind", "until"}) {
    if (section.has(key) &&
        (rule.shape.wrapping != Wrapping::none || rule.shape.fixed || rule.separator != 0))
      section.wrong(key, "is for single values of text that are not wrapped and have no fixed size");
  }
  rule.locator.behind = section.text("behind").value_or("");
  rule.locator.until = section.text("until").value_or("");
  rule.locator.without = section.text("without").value_or("");
}

}  // namespace chorus::protocol
