#include "traces/protocol/value_template.h"

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

// SplitMix64 (Steele, Lea, Flood 2014): a name's random digits are a function of the client's number.
std::uint64_t scramble(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

void append_random(std::string& out, std::uint64_t seed, std::mt19937_64* random, std::uint8_t width) {
  constexpr std::uint8_t usual = 8;
  for (std::uint8_t i = 0; i < (width == 0 ? usual : width); ++i) {
    seed = random != nullptr ? (*random)() : scramble(seed);
    out += static_cast<char>('0' + seed % 10);
  }
}

std::string list(const std::vector<std::string>& columns) {
  std::string text;
  for (const std::string& column : columns) text += (text.empty() ? "" : ", ") + column;
  return text;
}

}  // namespace

Expected<ValueTemplate::Part> ValueTemplate::field(std::string_view text, const Known& known) {
  static constexpr std::string_view names[] = {"client", "copy",    "cohort", "member", "recorded",
                                               "random", "counter", "time",   "time_ms"};
  const std::string_view name = text.substr(0, text.find(':'));
  const std::string shown = "mentions {" + std::string(text) + "}";
  Part part;
  if (const auto found = std::find(std::begin(names), std::end(names), name); found != std::end(names)) {
    part.what = static_cast<What>(1 + (found - std::begin(names)));
  } else if (name == "index") {
    part.what = What::client;
  } else if (name.starts_with("user.")) {
    if (known.users == nullptr) return Trouble{shown + ", a column of --users; give the file"};
    const auto column = known.users->column(name.substr(5));
    if (!column) return Trouble{shown + "; --users has the columns " + list(known.users->columns())};
    part.what = What::user;
    part.index = static_cast<std::uint16_t>(*column);
  } else if (const auto variable = std::find(known.variables.begin(), known.variables.end(), name);
             variable != known.variables.end()) {
    part.what = What::variable;
    part.index = static_cast<std::uint16_t>(variable - known.variables.begin());
  } else {
    return Trouble{shown +
                   "; known are {client}, {copy}, {cohort}, {member}, {recorded}, {random}, {counter}, "
                   "{time}, {time_ms} and {user.COLUMN}"};
  }
  if (name.size() == text.size()) return part;
  const std::string_view width = text.substr(name.size() + 1);
  const auto read = std::from_chars(width.data(), width.data() + width.size(), part.width);
  const bool number =
      read.ec == std::errc() && read.ptr == width.data() + width.size() && part.width <= most_digits;
  const bool of_text = part.what == What::recorded || part.what == What::user || part.what == What::variable;
  if (!number || of_text)
    return Trouble{"has {" + std::string(text) +
                   "}; a number may have a width of up to 20, as in {client:07}"};
  return part;
}

Expected<ValueTemplate> ValueTemplate::parse(std::string_view text, const Known& known) {
  ValueTemplate result;
  result.text_ = text;
  const std::string quoted = "\"" + std::string(text) + "\" ";
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
    if (c == '}') return Trouble{quoted + "has a } without its {; write }} for a brace"};
    if (c != '{') {
      add_text(c);
      continue;
    }
    const auto end = text.find('}', i);
    if (end == std::string_view::npos) return Trouble{quoted + "has a { without its }"};
    auto part = field(text.substr(i + 1, end - i - 1), known);
    if (!part) return Trouble{quoted + part.error().what};
    result.parts_.push_back(std::move(*part));
    i = end;
  }
  if (result.parts_.empty()) return Trouble{"a name must not be empty"};
  return result;
}

void ValueTemplate::append(std::string& out, CopyIndex index, std::uint32_t member, std::string_view recorded,
                           const Users* users, const Moment* moment) const {
  const std::uint64_t client = std::uint64_t{index.copy} * index.members + member;
  for (const Part& part : parts_) {
    switch (part.what) {
      case What::text:
        out += part.text;
        break;
      case What::client:
        append_number(out, client, part.width);
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
      case What::random:
        append_random(out, client, moment != nullptr ? moment->random : nullptr, part.width);
        break;
      case What::counter:
        append_number(out, moment != nullptr ? moment->counter : client, part.width);
        break;
      case What::time:
      case What::time_ms: {
        const std::int64_t ms = moment != nullptr ? moment->wall_ms : index.started_ms;
        append_number(out, static_cast<std::uint64_t>(part.what == What::time ? ms / 1000 : ms), part.width);
        break;
      }
      case What::user:
        if (users != nullptr) out += users->value(client, part.index);
        break;
      case What::variable:
        // Nothing heard yet, nor to be waited for: as recorded.
        if (moment != nullptr && part.index < moment->variables.size() &&
            !moment->variables[part.index].empty()) {
          out += moment->variables[part.index];
        } else {
          out += recorded;
        }
        break;
    }
  }
}

bool ValueTemplate::mentions(What what) const noexcept {
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) { return part.what == what; });
}

bool ValueTemplate::per_client() const noexcept {
  return mentions(What::client) || mentions(What::user) || mentions(What::random) || mentions(What::counter);
}

bool ValueTemplate::per_copy() const noexcept {
  return mentions(What::copy);
}

bool ValueTemplate::per_cohort() const noexcept {
  return mentions(What::cohort);
}

bool ValueTemplate::of_users() const noexcept {
  return mentions(What::user);
}

std::vector<std::uint16_t> ValueTemplate::variables() const {
  std::vector<std::uint16_t> all;
  for (const Part& part : parts_)
    if (part.what == What::variable) all.push_back(part.index);
  return all;
}

std::string ValueTemplate::escaped(std::string_view literal) {
  std::string text;
  for (const char c : literal) text.append(c == '{' || c == '}' ? 2 : 1, c);
  return text;
}

}  // namespace chorus::protocol
