// The first half of reading a page: framing, kinds and fields. The rules stand in page_reader_rules.cpp.
#include "traces/protocol/page_reader.h"

#include <algorithm>
#include <charconv>

namespace chorus::protocol {
namespace {

const std::vector<std::string> endians = {"little", "big"};

std::string in_capitals(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), upper);
  return word;
}

bool is_kind_word(std::string_view word) {
  return word.size() <= longest_word &&
         std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

void PageReader::read() {
  identity();
  framing();
  kinds();
  for (Section& section : root_.sections("field")) field(section);
  if (auto section = root_.section("names")) names(*section);
  if (auto section = root_.section("login")) login(*section);
  for (Section& section : root_.sections("answer")) answer(section);
  for (Section& section : root_.sections("reply")) reply(section);
  for (Section& section : root_.sections("failure")) failure(section);
  if (auto section = root_.section("closed_unheard")) closed_unheard(*section);
  if (auto section = root_.section("chat")) chat(*section);
  for (Section& section : root_.sections("fanout")) fanout(section);
  if (auto section = root_.section("compare")) compare(*section);
  if (auto section = root_.section("recognise")) recognise(*section);
  root_.finish();
}

void PageReader::identity() {
  root_.require("name");
  page_.name = root_.text("name").value_or("");
  if (page_.name.find_first_of(" /\\\t\r\n") != std::string::npos)
    root_.wrong("name", "must be one word without slashes");
  page_.summary = root_.text("summary").value_or("");
  for (const auto port : root_.numbers("ports", 1, 65535))
    page_.ports.push_back(static_cast<std::uint16_t>(port));
}

void PageReader::framing() {
  root_.require("framing");
  auto section = root_.section("framing");
  if (!section) return;
  framing_keys(*section, page_.framing[0]);
  page_.framing[1] = page_.framing[0];
  int side = 0;
  for (const char* key : {"client", "server"}) {
    if (auto inner = section->section(key)) {
      framing_keys(*inner, page_.framing[side]);
      inner->finish();
    }
    ++side;
  }
  const auto raw = [](const Framing& framing) { return framing.type == Framing::Type::raw; };
  if (raw(page_.framing[0]) != raw(page_.framing[1])) {
    section->wrong("type", "must be raw for both sides or for none");
  }
  section->finish();
}

void PageReader::framing_keys(Section& section, Framing& framing) {
  static const std::vector<std::string> types = {"raw", "line", "length"};
  if (section.path() == "framing") section.require("type");
  if (const auto type = section.choice("type", types)) framing.type = static_cast<Framing::Type>(*type);
  if (const auto most = section.number("max_message", 1, 16 << 20))
    framing.max_message = static_cast<std::uint32_t>(*most);
  const char* of_length[] = {"offset", "width", "header", "endian", "includes_header"};
  if (framing.type != Framing::Type::length) {
    for (const char* key : of_length) {
      if (section.has(key)) section.wrong(key, "belongs to type = \"length\"");
    }
  }
  if (const auto offset = section.number("offset", 0, 64))
    framing.offset = static_cast<std::uint8_t>(*offset);
  if (const auto width = section.number("width", 1, 8)) framing.width = static_cast<std::uint8_t>(*width);
  if (const auto header = section.number("header", 1, 4096))
    framing.header = static_cast<std::uint16_t>(*header);
  if (const auto endian = section.choice("endian", endians)) framing.big_endian = *endian == 1;
  framing.includes_header = section.flag("includes_header", framing.includes_header);
  if (framing.type == Framing::Type::length && framing.offset + framing.width > framing.header) {
    section.wrong(section.has("header") ? "header" : "width",
                  "leaves the length field outside of the header: offset " + std::to_string(framing.offset) +
                      " and width " + std::to_string(framing.width) + " need a header of " +
                      std::to_string(framing.offset + framing.width));
  }
}

void PageReader::kinds() {
  const bool raw = page_.framing[0].type == Framing::Type::raw;
  if (!raw) root_.require("kind");
  auto section = root_.section("kind");
  if (!section) return;
  if (raw) root_.wrong("kind", "is of no use: raw bytes have no kinds");
  KindPlace& place = page_.place;
  place.by_word = section->has("word") || !section->has("at");
  if (place.by_word) {
    if (!section->has("word")) section->wrong("word", "or at must say where the kind stands");
    for (const char* key : {"at", "width", "endian"}) {
      if (section->has(key)) section->wrong(key, "belongs to kinds that are numbers, and this page has word");
    }
    place.word = static_cast<unsigned>(section->number("word", 1, 16).value_or(1));
    for (const auto& skip : section->texts("skip")) {
      if (skip.size() != 1) section->wrong("skip", "must have single characters only");
      place.skip += skip.front();
    }
  } else if (section->has("skip")) {
    section->wrong("skip", "belongs to kinds that are words, and this page has at");
  }
  if (const auto at = section->number("at", 0, 4096)) place.at = static_cast<std::uint16_t>(*at);
  if (const auto width = section->number("width", 1, 8)) place.width = static_cast<std::uint8_t>(*width);
  if (const auto endian = section->choice("endian", endians)) place.big_endian = *endian == 1;
  kind_names(*section);
  section->finish();
}

void PageReader::kind_names(Section& section) {
  if (page_.place.by_word) {
    for (auto& name : section.texts("names")) {
      name = in_capitals(name);
      if (!is_kind_word(name)) section.wrong("names", "must have words of at most 32 characters");
      if (page_.by_word.count(name) != 0) {
        section.wrong("names", "has " + name + " twice");
      } else {
        page_.by_word.emplace(name, page_.add_kind(name));
      }
      only_listed_ = true;
    }
    page_.listed = page_.kind_names.size() - 1;
    return;
  }
  only_listed_ = true;
  section.require("names");
  auto names = section.section("names");
  if (!names) return;
  names->allow_any();
  for (const auto& [key, node] : names->table()) {
    const std::string_view digits = key.str();
    std::uint64_t number = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const unsigned bits = 8u * page_.place.width;
    if (end.ec != std::errc() || end.ptr != digits.data() + digits.size() ||
        (bits < 64 && number >> bits != 0)) {
      names->wrong(digits, "must be a number of at most " + std::to_string(page_.place.width) + " bytes");
    }
    const auto name = names->text(digits);
    if (!name) continue;
    const bool taken =
        std::find(page_.kind_names.begin(), page_.kind_names.end(), *name) != page_.kind_names.end();
    if (taken || page_.by_number.count(number) != 0)
      names->wrong(digits, "names a kind that already has a name or number");
    page_.by_number.emplace(number, page_.add_kind(*name));
  }
  page_.listed = page_.kind_names.size() - 1;
}

std::vector<KindId> PageReader::kinds_of(Section& section, std::string_view key) {
  std::vector<KindId> kinds;
  for (auto& name : section.texts(key)) {
    if (page_.place.by_word) name = in_capitals(name);
    const auto found = std::find(page_.kind_names.begin() + 1, page_.kind_names.end(), name);
    if (found != page_.kind_names.end()) {
      kinds.push_back(static_cast<KindId>(found - page_.kind_names.begin()));
    } else if (only_listed_) {
      section.wrong(key, "names a kind that kind.names does not list: " + name);
    } else if (!is_kind_word(name)) {
      section.wrong(key, "must be words of at most 32 characters");
    } else {
      kinds.push_back(page_.add_kind(name));
      page_.by_word.emplace(name, kinds.back());
      page_.listed = page_.kind_names.size() - 1;
    }
  }
  return kinds;
}

std::vector<KindId> PageReader::required_kinds(Section& section, std::string_view key) {
  section.require(key);
  return kinds_of(section, key);
}

std::optional<Pattern> PageReader::pattern(Section& section, std::string_view key) {
  const auto text = section.text(key);
  if (!text) return std::nullopt;
  auto compiled = Pattern::compile(*text);
  if (compiled) return *compiled;
  section.wrong(key, "is " + compiled.error().what);
  return std::nullopt;
}

void PageReader::field(Section& section) {
  static const std::vector<std::string> froms = {"client", "server", "both"},
                                        roles = {"none", "user", "room", "text"};
  auto rule = std::make_unique<FieldRule>();
  const auto kinds = required_kinds(section, "kinds");
  section.require("name");
  rule->name = section.text("name").value_or("");
  const auto from = section.choice("from", froms).value_or(2);
  rule->shape.role = static_cast<Role>(section.choice("role", roles).value_or(0));
  rule->shape.declares = section.flag("declares", false);
  rule->own = section.flag("own", false);
  if (section.has("at") == section.has("pattern"))
    section.wrong("at", "or pattern must say where the field is, one of both");
  section.has("pattern") ? matched_field(section, *rule) : placed_field(section, *rule);

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
        if (other->name == rule->name && !other->pattern && !rule->pattern) {
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

void PageReader::placed_field(Section& section, FieldRule& rule) {
  static const std::vector<std::string> encodings = {"plain", "nul", "integer"};
  Page::Field& shape = rule.shape;
  if (section.has("separator")) section.wrong("separator", "belongs to a field with a pattern");
  if (const auto at = section.number("at", 0, 65535)) shape.span.at = static_cast<std::size_t>(*at);
  section.require("size");
  if (section.is_text("size")) {
    section.choice("size", {"rest"});
  } else if (const auto size = section.number("size", 1, 65535)) {
    shape.span.size = static_cast<std::size_t>(*size);
    shape.fixed = true;
  }
  shape.encoding = static_cast<Encoding>(section.choice("encoding", encodings).value_or(0));
  const bool integer = shape.encoding == Encoding::integer;
  const auto size = shape.span.size;
  if (integer && !(size == 1 || size == 2 || size == 4 || size == 8)) {
    section.wrong("size", "of an integer must be 1, 2, 4 or 8");
  }
  for (const char* key : {"endian", "signed"}) {
    if (section.has(key) && !integer) section.wrong(key, "belongs to encoding = \"integer\"");
  }
  if (const auto endian = section.choice("endian", endians)) shape.big_endian = *endian == 1;
  shape.is_signed = section.flag("signed", false);
}

void PageReader::matched_field(Section& section, FieldRule& rule) {
  for (const char* key : {"size", "endian", "signed", "encoding"}) {
    if (section.has(key))
      section.wrong(key, "belongs to a field with at; what a pattern matches is plain text");
  }
  rule.pattern = pattern(section, "pattern");
  if (rule.pattern && rule.pattern->group_count() == 0) {
    section.wrong("pattern", "needs a group in parentheses: the field's value");
  }
  if (const auto separator = section.text("separator")) {
    rule.separator = separator->front();
    if (separator->size() != 1) section.wrong("separator", "must be a single character");
  }
}

}  // namespace chorus::protocol
