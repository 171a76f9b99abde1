// The second half of reading a page: what its messages do. The parts of a message stand in page_reader.cpp.
#include "traces/protocol/builtin_pages.h"
#include "traces/protocol/names.h"
#include "traces/protocol/page_reader.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace chorus::protocol {

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
  section.finish();
}

const FieldRule* PageReader::field_named(KindId kind, std::string_view name) const {
  const KindRules* rules = page_.find_rules(Side::server, kind);
  if (!rules) return nullptr;
  const auto found = std::find_if(rules->fields.begin(), rules->fields.end(),
                                  [&](const FieldRule* field) { return field->name == name; });
  return found == rules->fields.end() ? nullptr : *found;
}

std::vector<std::pair<KindId, Test>> PageReader::tests(Section& section, const std::vector<KindId>& kinds) {
  Test test;
  test.pattern = pattern(section, "pattern");
  const auto field = section.text("field");
  const auto equals = section.text("equals");
  if (field.has_value() != equals.has_value())
    section.wrong(field ? "field" : "equals", "needs both field and equals");
  if (field && section.has("pattern")) section.wrong("pattern", "cannot stand beside field");
  test.equals = equals.value_or("");
  std::vector<std::pair<KindId, Test>> all;
  for (const KindId kind : kinds) {
    if (field) {
      test.field = field_named(kind, *field);
      if (!test.field)
        section.wrong("field", "names no field of " + page_.kind_names[kind] + " from the server: " + *field);
    }
    all.emplace_back(kind, test);
  }
  return all;
}

void PageReader::login(Section& section) {
  for (const KindId kind : kinds_of(section, "gates")) page_.rules_of(Side::server, kind).use.gates = true;
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
  page_.until_ready = until ? *until == 0 : !page_.ready.empty();
  if (page_.until_ready && !section.has("ready"))
    section.wrong("gates_until", "is \"ready\", but login.ready is missing");
  section.finish();
}

void PageReader::answer(Section& section) {
  const auto to = required_kinds(section, "to");
  const auto by = required_kinds(section, "by");
  const bool required = section.flag("required", false);
  for (const KindId kind : by) page_.rules_of(Side::server, kind).use.answers = true;
  for (const KindId kind : to) {
    page_.rules_of(Side::client, kind).use.answered = true;
    page_.answers.push_back({kind, by, required});
  }
  section.finish();
}

void PageReader::reply(Section& section) {
  auto reply = std::make_unique<Reply>();
  const auto on = required_kinds(section, "on");
  const auto drops = kinds_of(section, "drops");
  if (drops.size() > 1) section.wrong("drops", "must be one kind");
  reply->pattern = pattern(section, "pattern");
  section.require("text");
  if (const auto text = section.text("text")) {
    auto parts = parse_reply(*text, reply->pattern ? reply->pattern->group_count() : 0);
    if (parts) {
      reply->parts = std::move(*parts);
    } else {
      section.wrong("text", parts.error().what);
    }
  }
  if (!drops.empty()) {
    reply->rule.drops = drops.front();
    page_.rules_of(Side::client, drops.front()).use.dropped = true;
  }
  for (const KindId kind : on) {
    reply->rule.on = kind;
    KindRules& rules = page_.rules_of(Side::server, kind);
    rules.use.replied = true;
    rules.replies.push_back(reply.get());
  }
  page_.replies.push_back(std::move(reply));
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

void PageReader::closed_unheard(Section& section) {
  page_.closed_unheard = meaning(section);
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
  for (const KindId kind : kinds) page_.rules_of(Side::client, kind).reaches.push_back(reach.get());
  page_.reaches.push_back(std::move(reach));
  section.finish();
}

void PageReader::recognise(Section& section) {
  page_.first_of[0] = pattern(section, "client");
  page_.first_of[1] = pattern(section, "server");
  section.finish();
}

Expected<std::vector<Reply::Part>> parse_reply(std::string_view text, std::size_t groups) {
  std::vector<Reply::Part> parts;
  const auto add = [&](char c) {
    if (parts.empty() || parts.back().group >= 0) parts.push_back({});
    parts.back().text += c;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c != '{' && c != '}') {
      add(c);
    } else if (i + 1 < text.size() && text[i + 1] == c) {
      add(c);
      ++i;
    } else {
      const auto end = text.find('}', i);
      const bool number = c == '{' && end != std::string_view::npos && end - i == 2 && text[i + 1] >= '0' &&
                          text[i + 1] <= '9';
      if (!number) return Trouble{"has a brace that is neither {0} .. {9} nor doubled: {{ or }}"};
      const int group = text[i + 1] - '0';
      if (static_cast<std::size_t>(group) > groups) {
        return Trouble{"mentions {" + std::to_string(group) + "}, but the pattern has " +
                       std::to_string(groups) + " groups"};
      }
      parts.push_back({group, {}});
      i = end;
    }
  }
  return parts;
}

Expected<Page> Page::parse(std::string_view text, std::string_view file) {
  auto impl = std::make_unique<Impl>();
  impl->text = text;
  Mistakes mistakes(file);
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
