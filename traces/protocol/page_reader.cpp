// The first part of reading a page: framing and kinds. Fields stand in page_reader_fields.cpp, rules in
// page_reader_rules.cpp.
#include "traces/protocol/page_reader.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace chorus::protocol {
namespace {

const std::vector<std::string> endians = {"little", "big"};

std::string in_capitals(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), upper);
  return word;
}

bool is_kind_word(std::string_view word) {
  return word.size() < longest_word &&
         std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

void PageReader::read() {
  identity();
  framing();
  kinds();
  for (Section& section : root_.sections("field")) field(section);
  special_sizes();
  if (auto section = root_.section("names")) names(*section);
  if (auto section = root_.section("rooms")) rooms(*section);
  if (auto section = root_.section("keepalive")) keepalive(*section);
  if (auto section = root_.section("login")) login(*section);
  for (Section& section : root_.sections("gate")) gate(section);
  for (Section& section : root_.sections("extract")) extract(section);
  for (Section& section : root_.sections("insert")) insert(section);
  for (Section& section : root_.sections("answer")) answer(section);
  for (Section& section : root_.sections("reply")) reply(section);
  for (Section& section : root_.sections("failure")) failure(section);
  if (auto section = root_.section("closed_unheard")) closed(*section, page_.closed_unheard);
  if (auto section = root_.section("closed")) closed(*section, page_.closed);
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
  section->sections("special");  // read after the kinds
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
  page_.one_per_write = section->flag("one_per_write", false);
  if (page_.one_per_write && raw(page_.framing[0]))
    section->wrong("one_per_write", "needs a framing that finds messages, not raw bytes");
  section->finish();
}

void PageReader::framing_keys(Section& section, Framing& framing) {
  static const std::vector<std::string> types = {"raw", "line", "length", "varint", "xml"};
  if (section.path() == "framing") section.require("type");
  if (const auto type = section.choice("type", types)) framing.type = static_cast<Framing::Type>(*type);
  if (const auto most = section.number("max_message", 1, 16 << 20))
    framing.max_message = static_cast<std::uint32_t>(*most);
  length_keys(section, framing);
  if (section.has("root") && framing.type != Framing::Type::xml)
    section.wrong("root", "belongs to type = \"xml\"");
  if (const auto root = section.text("root")) framing.root = *root;
}

void PageReader::length_keys(Section& section, Framing& framing) {
  const bool length = framing.type == Framing::Type::length, varint = framing.type == Framing::Type::varint;
  for (const char* key : {"offset", "width"}) {
    if (section.has(key) && !length && !varint)
      section.wrong(key, "belongs to type = \"length\" or \"varint\"");
  }
  for (const char* key : {"header", "endian", "includes_header", "special"}) {
    if (section.has(key) && !length) section.wrong(key, "belongs to type = \"length\"");
  }
  if (varint && !section.has("offset") && section.path() == "framing") framing.offset = 1, framing.width = 4;
  if (const auto offset = section.number("offset", 0, 64))
    framing.offset = static_cast<std::uint8_t>(*offset);
  if (const auto width = section.number("width", 1, varint ? 4 : 8))
    framing.width = static_cast<std::uint8_t>(*width);
  if (const auto header = section.number("header", 1, 4096))
    framing.header = static_cast<std::uint16_t>(*header);
  if (const auto endian = section.choice("endian", endians)) framing.big_endian = *endian == 1;
  framing.includes_header = section.flag("includes_header", framing.includes_header);
  if (length && framing.offset + framing.width > framing.header) {
    section.wrong(section.has("header") ? "header" : "width",
                  "leaves the length field outside of the header: offset " + std::to_string(framing.offset) +
                      " and width " + std::to_string(framing.width) + " need a header of " +
                      std::to_string(framing.offset + framing.width));
  }
}

// Read after the kinds, whose names it uses.
void PageReader::special_sizes() {
  auto section = root_.section("framing");
  if (!section || page_.framing[0].type != Framing::Type::length) return;
  for (Section& special : section->sections("special")) {
    Framing::Special rule;
    if (special.has("size") == special.has("add"))
      special.wrong("size", "or add must say how long such messages are, one of both");
    if (const auto size = special.number("size", 1, 1 << 20)) rule.size = static_cast<std::uint32_t>(*size);
    if (const auto add = special.number("add", -4096, 4096)) rule.add = static_cast<std::int32_t>(*add);
    const auto side = special.choice("from", {"client", "server", "both"}).value_or(2);
    for (const KindId kind : required_kinds(special, "kinds")) {
      const auto number = std::find_if(page_.by_number.begin(), page_.by_number.end(),
                                       [&](const auto& entry) { return entry.second == kind; });
      if (number == page_.by_number.end()) {
        special.wrong("kinds", "needs kinds that are numbers");
        continue;
      }
      rule.kind = number->first;
      for (std::size_t i = 0; i < 2; ++i)
        if (side == 2 || side == i) page_.framing[i].specials.push_back(rule);
    }
    special.finish();
  }
  for (Framing& framing : page_.framing) {
    framing.kind_at = page_.place.at;
    framing.kind_width = page_.place.width;
    framing.kind_big_endian = page_.place.big_endian;
  }
}

void PageReader::kinds() {
  const bool raw = page_.framing[0].type == Framing::Type::raw;
  if (!raw) root_.require("kind");
  auto section = root_.section("kind");
  if (!section) return;
  if (raw) root_.wrong("kind", "is of no use: raw bytes have no kinds");
  kind_place(*section);
  page_.place.by == KindPlace::By::number ? kind_numbers(*section) : kind_words(*section);
  page_.listed = page_.kind_names.size() - 1;
  section->finish();
}

void PageReader::kind_place(Section& section) {
  using By = KindPlace::By;
  KindPlace& place = page_.place;
  const bool element = section.flag("element", false);
  place.by = element ? By::element : section.has("word") || !section.has("at") ? By::word : By::number;
  if (!element && !section.has("word") && !section.has("at"))
    section.wrong("word", ", at or element = true must say where the kind stands");
  const auto only = [&](By by, std::initializer_list<const char*> keys, const char* what) {
    for (const char* key : keys)
      if (section.has(key) && place.by != by)
        section.wrong(key, std::string("belongs to kinds that are ") + what);
  };
  only(By::number, {"at", "width", "endian", "mask"}, "numbers");
  only(By::word, {"word", "skip"}, "words");
  only(By::element, {"attributes", "child_of", "blank"}, "elements");
  place.word = static_cast<unsigned>(section.number("word", 1, 16).value_or(1));
  for (const auto& skip : section.texts("skip")) {
    if (skip.size() != 1) section.wrong("skip", "must have single characters only");
    place.skip += skip.front();
  }
  place.attributes = section.texts("attributes");
  place.child_of = section.texts("child_of");
  place.blank = in_capitals(section.text("blank").value_or(""));
  if (const auto at = section.number("at", 0, 4096)) place.at = static_cast<std::uint16_t>(*at);
  if (const auto width = section.number("width", 1, 8)) place.width = static_cast<std::uint8_t>(*width);
  if (const auto endian = section.choice("endian", endians)) place.big_endian = *endian == 1;
  if (const auto mask = section.number("mask", 1, std::numeric_limits<std::int64_t>::max()))
    place.mask = static_cast<std::uint64_t>(*mask);
}

void PageReader::kind_words(Section& section) {
  for (auto& name : section.texts("names")) {
    name = in_capitals(name);
    if (!is_kind_word(name)) section.wrong("names", "must have words of at most 47 characters");
    if (page_.by_word.count(name) != 0) {
      section.wrong("names", "has " + name + " twice");
    } else {
      page_.by_word.emplace(name, page_.add_kind(name));
    }
    only_listed_ = true;
  }
}

void PageReader::kind_numbers(Section& section) {
  only_listed_ = true;
  section.require("names");
  auto names = section.section("names");
  if (!names) return;
  names->allow_any();
  for (const auto& [key, node] : names->table()) {
    const std::string_view digits = key.str();
    const bool hex = digits.starts_with("0x");
    std::uint64_t number = 0;
    const auto end =
        std::from_chars(digits.data() + (hex ? 2 : 0), digits.data() + digits.size(), number, hex ? 16 : 10);
    const unsigned bits = 8u * page_.place.width;
    if (end.ec != std::errc() || end.ptr != digits.data() + digits.size() ||
        (bits < 64 && number >> bits != 0)) {
      names->wrong(digits, "must be a number of at most " + std::to_string(page_.place.width) + " bytes");
    } else if ((number & page_.place.mask) != number) {
      names->wrong(digits, "has bits that kind.mask leaves out");
    }
    const auto name = names->text(digits);
    if (!name) continue;
    const bool taken =
        std::find(page_.kind_names.begin(), page_.kind_names.end(), *name) != page_.kind_names.end();
    if (taken || page_.by_number.count(number) != 0)
      names->wrong(digits, "names a kind that already has a name or number");
    page_.by_number.emplace(number, page_.add_kind(*name));
  }
}

std::vector<KindId> PageReader::kinds_of(Section& section, std::string_view key) {
  std::vector<KindId> kinds;
  for (auto& name : section.texts(key)) {
    if (page_.place.by != KindPlace::By::number) name = in_capitals(name);
    const auto found = std::find(page_.kind_names.begin() + 1, page_.kind_names.end(), name);
    if (found != page_.kind_names.end()) {
      kinds.push_back(static_cast<KindId>(found - page_.kind_names.begin()));
    } else if (only_listed_) {
      section.wrong(key, "names a kind that kind.names does not list: " + name);
    } else if (!is_kind_word(name)) {
      section.wrong(key, "must be words of at most 47 characters");
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

}  // namespace chorus::protocol
