// "u{client:07}" and friends: what stands for a recorded name in each copy.
#include "traces/protocol/names.h"

#include <algorithm>
#include <charconv>

namespace chorus::protocol {
namespace {

constexpr std::size_t most_digits = 20;  // of a 64-bit number

void append_number(std::string& out, std::uint64_t number, std::uint8_t width) {
  char digits[most_digits];
  const auto end = std::to_chars(digits, digits + most_digits, number).ptr;
  const auto size = static_cast<std::size_t>(end - digits);
  if (size < width) out.append(width - size, '0');
  out.append(digits, size);
}

}  // namespace

Expected<ValueTemplate> ValueTemplate::parse(std::string_view text) {
  ValueTemplate result;
  result.text_ = text;
  const auto add_text = [&](char c) {
    if (result.parts_.empty() || result.parts_.back().what != What::text) result.parts_.push_back({});
    result.parts_.back().text += c;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      add_text(c);
      ++i;
      continue;
    }
    if (c == '}') return Trouble{"\"" + std::string(text) + "\" has a } without its {; write }} for a brace"};
    if (c != '{') {
      add_text(c);
      continue;
    }
    const auto end = text.find('}', i);
    if (end == std::string_view::npos) return Trouble{"\"" + std::string(text) + "\" has a { without its }"};
    const std::string_view field = text.substr(i + 1, end - i - 1);
    const std::string_view name = field.substr(0, field.find(':'));
    static constexpr std::string_view known[] = {"client", "copy", "cohort", "member", "recorded"};
    const auto found = std::find(std::begin(known), std::end(known), name);
    if (found == std::end(known)) {
      return Trouble{"\"" + std::string(text) + "\" mentions {" + std::string(field) +
                     "}; known are {client}, {copy}, {cohort}, {member} and {recorded}"};
    }
    Part part;
    part.what = static_cast<What>(1 + (found - std::begin(known)));
    if (name.size() < field.size()) {
      const std::string_view width = field.substr(name.size() + 1);
      const auto read = std::from_chars(width.data(), width.data() + width.size(), part.width);
      const bool number =
          read.ec == std::errc() && read.ptr == width.data() + width.size() && part.width <= most_digits;
      if (!number || part.what == What::recorded) {
        return Trouble{"\"" + std::string(text) + "\" has {" + std::string(field) +
                       "}; a number may have a width of up to 20, as in {client:07}"};
      }
    }
    result.parts_.push_back(std::move(part));
    i = end;
  }
  if (result.parts_.empty()) return Trouble{"a name must not be empty"};
  return result;
}

void ValueTemplate::append(std::string& out, CopyIndex index, std::uint32_t member,
                           std::string_view recorded) const {
  for (const Part& part : parts_) {
    switch (part.what) {
      case What::text:
        out += part.text;
        break;
      case What::client:
        append_number(out, std::uint64_t{index.copy} * index.members + member, part.width);
        break;
      case What::copy:
        append_number(out, index.copy, part.width);
        break;
      case What::cohort:
        append_number(out, index.cohort, part.width);
        break;
      case What::member:
        append_number(out, member, part.width);
        break;
      case What::recorded:
        out += recorded;
        break;
    }
  }
}

bool ValueTemplate::per_client() const noexcept {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.what == What::client; });
}

bool ValueTemplate::per_copy() const noexcept {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.what == What::copy; });
}

bool ValueTemplate::per_cohort() const noexcept {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.what == What::cohort; });
}

std::string ValueTemplate::escaped(std::string_view literal) {
  std::string text;
  for (const char c : literal) text.append(c == '{' || c == '}' ? 2 : 1, c);
  return text;
}

Expected<Rename> parse_rename(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Trouble{"--rename " + std::string(text) + " must be RECORDED=NEW, as in alice=u{client:07}"};
  }
  auto value = ValueTemplate::parse(text.substr(equals + 1));
  if (!value) return Trouble{"--rename " + std::string(text) + ": " + value.error().what};
  return Rename{std::string(text.substr(0, equals)), value->text()};
}

}  // namespace chorus::protocol
