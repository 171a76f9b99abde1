#include "traces/protocol/toml_section.h"

#include <algorithm>

namespace chorus::protocol {
namespace {

std::string list(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

void Mistakes::add(std::uint32_t line, std::string_view what) {
  if (first_ && line_ <= line) return;
  line_ = line;
  first_ = Trouble{file_ + ":" + std::to_string(line) + ": " + std::string(what)};
}

Section::Section(const toml::table& table, std::string path, Mistakes& mistakes)
    : table_(&table), path_(std::move(path)), mistakes_(&mistakes) {}

const toml::node* Section::ask(std::string_view key) {
  if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
  return table_->get(key);
}

void Section::wrong(std::string_view key, std::string_view what) {
  const toml::node* node = ask(key);
  const auto line = (node ? node->source() : table_->source()).begin.line;
  const std::string place = path_.empty() ? std::string(key)
                            : key.empty() ? path_
                                          : path_ + "." + std::string(key);
  mistakes_->add(line == 0 ? 1 : line, place + " " + std::string(what));
}

void Section::wrong_type(std::string_view key, std::string_view expected) {
  std::string found;
  switch (table_->get(key)->type()) {
    case toml::node_type::string:
      found = "a text";
      break;
    case toml::node_type::integer:
      found = "an integer";
      break;
    case toml::node_type::boolean:
      found = "true or false";
      break;
    case toml::node_type::array:
      found = "an array";
      break;
    case toml::node_type::table:
      found = "a table";
      break;
    default:
      found = "of another type";
      break;
  }
  wrong(key, "must be " + std::string(expected) + " and is " + found);
}

void Section::require(std::string_view key) {
  if (!ask(key)) wrong(key, "is missing");
}

std::optional<std::string> Section::text(std::string_view key) {
  const toml::node* node = ask(key);
  if (!node) return std::nullopt;
  const auto* value = node->as_string();
  if (!value) {
    wrong_type(key, "a text");
    return std::nullopt;
  }
  if (value->get().empty()) {
    wrong(key, "must not be empty");
    return std::nullopt;
  }
  return value->get();
}

std::optional<std::int64_t> Section::number(std::string_view key, std::int64_t least, std::int64_t most) {
  const toml::node* node = ask(key);
  if (!node) return std::nullopt;
  const auto* value = node->as_integer();
  if (!value) {
    wrong_type(key, "an integer");
    return std::nullopt;
  }
  if (value->get() < least || value->get() > most) {
    wrong(key, "must be from " + std::to_string(least) + " to " + std::to_string(most) + " and is " +
                   std::to_string(value->get()));
    return std::nullopt;
  }
  return value->get();
}

std::vector<std::int64_t> Section::numbers(std::string_view key, std::int64_t least, std::int64_t most) {
  const toml::node* node = ask(key);
  std::vector<std::int64_t> all;
  if (!node) return all;
  const toml::array* array = node->as_array();
  if (!array) {
    wrong_type(key, "an array of integers");
    return all;
  }
  for (const toml::node& element : *array) {
    const auto value = element.value_exact<std::int64_t>();
    if (value && *value >= least && *value <= most) {
      all.push_back(*value);
    } else {
      wrong(key,
            "must have integers from " + std::to_string(least) + " to " + std::to_string(most) + " only");
    }
  }
  return all;
}

bool Section::flag(std::string_view key, bool otherwise) {
  const toml::node* node = ask(key);
  if (!node) return otherwise;
  const auto* value = node->as_boolean();
  if (value) return value->get();
  wrong_type(key, "true or false");
  return otherwise;
}

std::vector<std::string> Section::texts(std::string_view key) {
  const toml::node* node = ask(key);
  if (!node) return {};
  if (node->is_string()) {
    auto one = text(key);
    return one ? std::vector<std::string>{std::move(*one)} : std::vector<std::string>{};
  }
  const toml::array* array = node->as_array();
  if (!array || array->empty()) {
    wrong_type(key, "a text or an array of texts with at least one");
    return {};
  }
  std::vector<std::string> all;
  for (const toml::node& element : *array) {
    const auto* value = element.as_string();
    if (value && !value->get().empty()) {
      all.push_back(value->get());
    } else {
      wrong(key, "must have texts only, none of them empty");
    }
  }
  return all;
}

std::optional<Section> Section::section(std::string_view key) {
  const toml::node* node = ask(key);
  if (!node) return std::nullopt;
  if (const auto* inner = node->as_table()) {
    return Section(*inner, path_.empty() ? std::string(key) : path_ + "." + std::string(key), *mistakes_);
  }
  wrong_type(key, "a table");
  return std::nullopt;
}

std::vector<Section> Section::sections(std::string_view key) {
  const toml::node* node = ask(key);
  if (!node) return {};
  std::vector<Section> all;
  const toml::array* array = node->as_array();
  if (!array) {
    if (auto one = section(key)) all.push_back(std::move(*one));
    return all;
  }
  for (const toml::node& element : *array) {
    if (const auto* inner = element.as_table()) {
      all.emplace_back(*inner, path_.empty() ? std::string(key) : path_ + "." + std::string(key), *mistakes_);
    } else {
      wrong(key, "must be a table or an array of tables");
    }
  }
  return all;
}

std::optional<std::size_t> Section::choice(std::string_view key, const std::vector<std::string>& choices) {
  const auto value = text(key);
  if (!value) return std::nullopt;
  const auto found = std::find(choices.begin(), choices.end(), *value);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  wrong(key, "must be one of " + list(choices) + " and is \"" + *value + "\"");
  return std::nullopt;
}

void Section::finish() {
  if (open_) return;
  for (const auto& [key, node] : *table_) {
    if (std::find(asked_.begin(), asked_.end(), key.str()) == asked_.end()) {
      const std::string place = path_.empty() ? std::string(key.str()) : path_ + "." + std::string(key.str());
      auto known = asked_;
      std::sort(known.begin(), known.end());
      mistakes_->add(key.source().begin.line, place + " is unknown; known here: " + list(known));
    }
  }
}

std::uint32_t line_of_stray_byte(std::string_view toml) noexcept {
  std::uint32_t line = 1;
  std::string_view closing;  // of the text or comment that is open; empty = none
  for (std::size_t i = 0; i < toml.size(); ++i) {
    const char c = toml[i];
    if (c == '\n') ++line;
    if (closing.empty()) {
      const std::string_view three = toml.substr(i, 3);
      if (static_cast<unsigned char>(c) >= 0x80) return line;
      if (c == '#') closing = "\n";
      if (c == '"' || c == '\'') {
        closing = three == "\"\"\"" || three == "\'\'\'" ? three : toml.substr(i, 1);
        i += closing.size() - 1;
      }
    } else if (c == '\\' && closing.front() == '"') {
      ++i;
    } else if (toml.substr(i, closing.size()) == closing || (c == '\n' && closing.size() == 1)) {
      i += closing.size() - 1;
      closing = {};
    }
  }
  return 0;
}

}  // namespace chorus::protocol
