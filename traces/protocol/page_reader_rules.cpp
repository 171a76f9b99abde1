// The third part of reading a page: what its messages do.
#include "traces/format/quantity.h"
#include "traces/protocol/builtin_pages.h"
#include "traces/protocol/names.h"
#include "traces/protocol/page_reader.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace chorus::protocol {
namespace {

// "40 02 {packet}" as the text of a reply: bytes, with what stands in braces as it is.
std::optional<std::string> from_hex(std::string_view hex) {
  std::string text;
  for (std::size_t i = 0; i < hex.size();) {
    if (hex[i] == ' ') {
      ++i;
    } else if (hex[i] == '{') {
      const auto end = std::min(hex.find('}', i), hex.size() - 1);
      text += hex.substr(i, end + 1 - i);
      i = end + 1;
    } else {
      unsigned byte = 0;
      const auto read = std::from_chars(hex.data() + i, hex.data() + std::min(i + 2, hex.size()), byte, 16);
      if (read.ec != std::errc() || read.ptr != hex.data() + i + 2) return std::nullopt;
      const char c = static_cast<char>(byte);
      text.append(c == '{' || c == '}' ? 2 : 1, c);
      i += 2;
    }
  }
  return text;
}

}  // namespace

void PageReader::names(Section& section) {
  for (const char* key : {"user", "room"}) {
    const auto text = section.text(key);
    if (!text) continue;
    const auto parsed = ValueTemplate::parse(*text);
    const bool user = std::string_view(key) == "user";
    if (!parsed) {
      section.wrong(key, "is no template: " + parsed.error().what);
    } else if (user && !parsed->per_client()) {
      section.wrong(key, "must mention {client}, or two clients would have one name");
    } else if (!user && !parsed->per_client() && !parsed->per_copy() && !parsed->per_cohort()) {
      section.wrong(key, "must mention {cohort}, {copy} or {client}, or all cohorts would share one room");
    }
    (user ? page_.user_template : page_.room_template) = *text;
  }
  page_.protect = pattern(section, "protect");
  section.finish();
}

// Who is where: what a client says to come into a room, and to leave it (or all, when it names none).
void PageReader::rooms(Section& section) {
  for (const KindId kind : kinds_of(section, "enter")) page_.rules_of(Side::client, kind).use.enters = true;
  for (const KindId kind : kinds_of(section, "leave")) page_.rules_of(Side::client, kind).use.leaves = true;
  for (const KindId kind : kinds_of(section, "removed"))
    page_.rules_of(Side::server, kind).use.removes = true;
  page_.one_room = section.flag("one", false);
  section.finish();
}

// What a client says when it has said nothing for a while: on the wall's time, whatever the speed.
void PageReader::keepalive(Section& section) {
  for (const KindId kind : required_kinds(section, "kinds"))
    page_.rules_of(Side::client, kind).use.keeps_alive = true;
  section.finish();
}

const FieldRule* PageReader::field_named(Side side, KindId kind, std::string_view name) const {
  const KindRules* rules = page_.find_rules(side, kind);
  if (!rules) return nullptr;
  const auto found = std::find_if(rules->fields.begin(), rules->fields.end(),
                                  [&](const FieldRule* field) { return field->name == name; });
  return found == rules->fields.end() ? nullptr : *found;
}

std::vector<std::pair<KindId, Test>> PageReader::tests(Section& section, const std::vector<KindId>& kinds) {
  Test test;
  test.pattern = pattern(section, "pattern");
  const auto field = section.text("field");
  const auto equals = section.text("equals"), differs = section.text("differs");
  if (field.has_value() != (equals || differs) || (equals && differs))
    section.wrong(field    ? "field"
                  : equals ? "equals"
                           : "differs",
                  "needs field and one of equals and differs");
  if (field && section.has("pattern")) section.wrong("pattern", "cannot stand beside field");
  test.equals = equals ? *equals : differs.value_or("");
  test.differs = differs.has_value();
  std::vector<std::pair<KindId, Test>> all;
  for (const KindId kind : kinds) {
    if (field) {
      test.field = field_named(Side::server, kind, *field);
      if (!test.field)
        section.wrong("field", "names no field of " + page_.kind_names[kind] + " from the server: " + *field);
    }
    all.emplace_back(kind, test);
  }
  return all;
}

void PageReader::login(Section& section) {
  for (Section& ready : section.sections("ready")) {
    for (auto& [kind, test] : tests(ready, required_kinds(ready, "kinds"))) {
      KindRules& rules = page_.rules_of(Side::server, kind);
      rules.use.may_be_ready = true;
      page_.ready.push_back(std::make_unique<Test>(std::move(test)));
      rules.ready.push_back(page_.ready.back().get());
    }
    ready.finish();
  }
  const auto until = section.choice("gates_until", {"ready", "end"});
  const bool until_ready = until ? *until == 0 : !page_.ready.empty();
  if (until_ready && section.has("gates_until") && !section.has("ready"))
    section.wrong("gates_until", "is \"ready\", but login.ready is missing");
  for (const KindId kind : kinds_of(section, "gates")) add_gate(section, {{kind}, until_ready}, "gates");
  section.finish();
}

std::uint16_t PageReader::add_gate(Section& section, GateRule rule, std::string_view key) {
  const auto index = static_cast<std::uint16_t>(page_.gates.size());
  for (const KindId kind : rule.kinds) {
    KindRules& rules = page_.rules_of(Side::server, kind);
    if (rules.gate != no_gate)
      section.wrong(key, "names a kind that opens a gate already: " + page_.kind_names[kind]);
    rules.use.gates = true;
    rules.gate = index;
  }
  page_.gates.push_back(std::move(rule));
  return index;
}

// A gate that several kinds open, or that a client waits for only so long.
void PageReader::gate(Section& section) {
  GateRule rule;
  rule.kinds = required_kinds(section, "kinds");
  if (const auto patience = section.text("proceed_after")) {
    const auto duration = parse_duration(*patience);
    if (!duration) section.wrong("proceed_after", "is " + duration.error().what);
    if (duration) rule.proceed = *duration;
  }
  rule.until_ready = section.choice("until", {"ready", "end"}).value_or(1) == 0;
  add_gate(section, std::move(rule), "kinds");
  section.finish();
}

void PageReader::extract(Section& section) {
  section.require("variable");
  const std::string name = section.text("variable").value_or("");
  auto& variables = page_.variables;
  auto found = std::find(variables.begin(), variables.end(), name);
  if (found == variables.end()) found = variables.insert(variables.end(), name);
  const auto index = static_cast<std::uint16_t>(found - variables.begin());
  section.require("field");
  const auto field = section.text("field").value_or("");
  for (const KindId kind : required_kinds(section, "kinds")) {
    const FieldRule* rule = field_named(Side::server, kind, field);
    if (rule == nullptr) {
      section.wrong("field", "names no field of " + page_.kind_names[kind] + " from the server: " + field);
      continue;
    }
    KindRules& rules = page_.rules_of(Side::server, kind);
    rules.use.extracts = true;
    rules.extracts.emplace_back(index, rule);
  }
  section.finish();
}

void PageReader::insert(Section& section) {
  section.require("field");
  section.require("value");
  const auto field = section.text("field").value_or("");
  auto value = ValueTemplate::parse(section.text("value").value_or("?"), {nullptr, page_.variables});
  if (!value) section.wrong("value", "is no template: " + value.error().what);
  for (const KindId kind : required_kinds(section, "kinds")) {
    const FieldRule* rule = field_named(Side::client, kind, field);
    if (rule == nullptr)
      section.wrong("field", "names no field of " + page_.kind_names[kind] + " from the client: " + field);
    if (rule == nullptr || !value) continue;
    page_.writings.push_back(std::make_unique<Writing>(Writing{rule, *value}));
    page_.rules_of(Side::client, kind).writings.push_back(page_.writings.back().get());
  }
  section.finish();
}

void PageReader::answer(Section& section) {
  const auto to = required_kinds(section, "to");
  const auto by = required_kinds(section, "by");
  const bool required = section.flag("required", false);
  const std::string correlation = section.text("correlation").value_or("");
  const auto has_it = [&](Side side, const std::vector<KindId>& kinds) {
    return correlation.empty() || std::all_of(kinds.begin(), kinds.end(), [&](KindId kind) {
             return field_named(side, kind, correlation) != nullptr;
           });
  };
  if (!has_it(Side::client, to) || !has_it(Side::server, by))
    section.wrong("correlation",
                  "must be a field of every kind in to (client) and by (server): " + correlation);
  for (const KindId kind : by) page_.rules_of(Side::server, kind).use.answers = true;
  for (const KindId kind : to) {
    page_.rules_of(Side::client, kind).use.answered = true;
    page_.answers.push_back({kind, by, required, correlation});
  }
  section.finish();
}

void PageReader::reply(Section& section) {
  const auto on = required_kinds(section, "on");
  for (const KindId kind : kinds_of(section, "drops")) page_.rules_of(Side::client, kind).use.dropped = true;
  auto matched = pattern(section, "pattern");
  if (section.has("text") == section.has("hex"))
    section.wrong("text", "or hex must say what is sent, one of both");
  std::string text = section.text("text").value_or("");
  if (const auto hex = section.text("hex")) {
    auto bytes = from_hex(*hex);
    if (!bytes)
      section.wrong("hex", "must be pairs of hexadecimal digits and {field}, as \"40 02 {packet}\"");
    if (bytes) text = std::move(*bytes);
  }
  for (const KindId kind : on) {
    auto parts = reply_parts(text, matched ? matched->group_count() : 0, kind);
    if (!parts) {
      section.wrong(section.has("hex") ? "hex" : "text", parts.error().what);
      break;
    }
    page_.replies.push_back(std::make_unique<Reply>(Reply{matched, std::move(*parts)}));
    KindRules& rules = page_.rules_of(Side::server, kind);
    rules.use.replied = true;
    rules.replies.push_back(page_.replies.back().get());
  }
  section.finish();
}

FailureRule PageReader::meaning(Section& section) {
  FailureRule rule;
  section.require("means");
  rule.means = section.text("means").value_or("");
  rule.advice = section.text("advice").value_or("");
  rule.refused = section.flag("refused", false);
  return rule;
}

void PageReader::failure(Section& section) {
  const FailureRule rule = meaning(section);
  for (auto& [kind, test] : tests(section, required_kinds(section, "kinds"))) {
    page_.failures.push_back(std::make_unique<Failure>(Failure{std::move(test), rule}));
    KindRules& rules = page_.rules_of(Side::server, kind);
    rules.use.may_fail = true;
    rules.failures.push_back(page_.failures.back().get());
  }
  section.finish();
}

void PageReader::closed(Section& section, std::optional<FailureRule>& rule) {
  rule = meaning(section);
  section.finish();
}

void PageReader::chat(Section& section) {
  for (const KindId kind : required_kinds(section, "kinds")) {
    for (const Side side : {Side::client, Side::server}) page_.rules_of(side, kind).use.chat = true;
  }
  section.finish();
}

void PageReader::fanout(Section& section) {
  auto reach = std::make_unique<Reach>();
  const auto kinds = required_kinds(section, "kinds");
  reach->pattern = pattern(section, "pattern");
  section.require("reaches");
  reach->fanout.reaches =
      static_cast<FanOut::Reaches>(section.choice("reaches", {"room", "all", "one"}).value_or(0));
  section.require("echo");
  reach->fanout.echo = section.flag("echo", false);
  auto arrives = section.has("arrives") ? kinds_of(section, "arrives") : kinds;
  for (const KindId kind : arrives) {
    KindRules& rules = page_.rules_of(Side::server, kind);
    rules.use.delivers = true;
    if (rules.delivers_as == unknown_kind) rules.delivers_as = arrives.front();
    if (rules.delivers_as != arrives.front())
      section.wrong("arrives", "begins with another kind than an earlier [[fanout]] that has " +
                                   page_.kind_names[kind] + ", and nothing would tell their copies apart");
    reach->fanout.names_sender = reach->fanout.names_sender || !rules.own.empty();
  }
  reach->fanout.arrives = std::move(arrives);
  for (const KindId kind : kinds) page_.rules_of(Side::client, kind).reaches.push_back(reach.get());
  page_.reaches.push_back(std::move(reach));
  section.finish();
}

void PageReader::recognise(Section& section) {
  page_.first_of[0] = pattern(section, "client");
  page_.first_of[1] = pattern(section, "server");
  section.finish();
}

Expected<std::vector<Reply::Part>> PageReader::reply_parts(std::string_view text, std::size_t groups,
                                                           KindId kind) const {
  std::vector<Reply::Part> parts;
  const auto add = [&](char c) {
    if (parts.empty() || parts.back().group >= 0 || parts.back().field != nullptr) parts.push_back({});
    parts.back().text += c;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      add(c);
      continue;
    }
    if (i + 1 < text.size() && text[i + 1] == c) {
      add(c);
      ++i;
      continue;
    }
    const auto end = text.find('}', i);
    const std::string inside(c == '{' && end != std::string_view::npos ? text.substr(i + 1, end - i - 1)
                                                                       : "");
    Reply::Part part;
    if (inside.size() == 1 && inside[0] >= '0' && inside[0] <= '9') {
      part.group = inside[0] - '0';
      if (static_cast<std::size_t>(part.group) > groups) {
        return Trouble{"mentions {" + inside + "}, but the pattern has " + std::to_string(groups) +
                       " groups"};
      }
    } else {
      part.field = inside.empty() ? nullptr : field_named(Side::server, kind, inside);
      if (part.field == nullptr)
        return Trouble{"has a brace that is neither {0} .. {9}, nor a field of " + page_.kind_names[kind] +
                       " from the server, nor doubled: {{ or }}"};
    }
    parts.push_back(std::move(part));
    i = end;
  }
  return parts;
}

Expected<Page> Page::parse(std::string_view text, std::string_view file) {
  auto impl = std::make_unique<Impl>();
  impl->text = text;
  Mistakes mistakes(file);
  if (const auto line = line_of_stray_byte(text); line != 0) {
    mistakes.add(line, "not TOML: only ASCII may stand outside of texts and comments");
    return *mistakes.first();
  }
  try {
    const toml::table table = toml::parse(text, file);
    PageReader(*impl, Section(table, "", mistakes)).read();
  } catch (const toml::parse_error& error) {
    mistakes.add(error.source().begin.line, "not TOML: " + std::string(error.description()));
  }
  if (mistakes.first()) return *mistakes.first();
  return Page(std::move(impl));
}

Page Page::raw() {
  auto page = parse(
      "name = \"raw\"\nsummary = \"bytes as they come: nothing is framed, named or judged\"\n"
      "[framing]\ntype = \"raw\"\nmax_message = 16777216\n",
      "raw");
  return std::move(*page);
}

Expected<Page> Page::find(std::string_view name_or_path) {
  const bool path =
      name_or_path.find_first_of("/\\") != std::string_view::npos || name_or_path.ends_with(".toml");
  if (path) {
    std::error_code error;
    std::ifstream file{std::string(name_or_path), std::ios::binary};
    if (!file || std::filesystem::is_directory(std::string(name_or_path), error)) {
      return Trouble{"cannot read the page " + std::string(name_or_path) + "; it should be a TOML file"};
    }
    std::stringstream text;
    text << file.rdbuf();
    return parse(text.str(), name_or_path);
  }
  if (name_or_path == "raw") return raw();
  std::string known;
  for (const BuiltinPage& page : builtin_pages()) {
    if (page.name == name_or_path) return parse(page.text, std::string(page.name) + ".toml (built in)");
    known += std::string(page.name) + ", ";
  }
  return Trouble{"no protocol is called \"" + std::string(name_or_path) + "\"; built in are " + known +
                 "raw; a page of your own is given by its path (./mygame.toml)"};
}

}  // namespace chorus::protocol
