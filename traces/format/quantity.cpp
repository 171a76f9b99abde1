// Numbers are read digit by digit and kept as integers: a double would lose nanoseconds of long durations,
// and the library's parsers take signs, exponents and "inf", which mean nothing here.
#include "traces/format/quantity.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>

namespace chorus {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 6> time_units{{{"ns", 1},
                                          {"us", 1000},
                                          {"ms", 1000'000},
                                          {"s", 1000'000'000},
                                          {"m", 60'000'000'000},
                                          {"h", 3600'000'000'000}}};
constexpr std::array<Unit, 4> size_units{{{"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}}};

constexpr std::uint64_t ten_years_ns = std::uint64_t{3653} * 24 * 3600'000'000'000;
constexpr std::uint64_t largest_size = std::uint64_t{1} << 60;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "12.34" and what follows it.
struct Number {
  std::uint64_t whole = 0;
  double fraction = 0;
  std::string_view unit;
};

std::optional<Number> read_number(std::string_view text) {
  Number number;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.whole);
  if (error != std::errc() || !is_digit(text.front())) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.size() > 1 && text[0] == '.' && is_digit(text[1])) {
    text.remove_prefix(1);
    for (double place = 0.1; !text.empty() && is_digit(text.front()); place /= 10, text.remove_prefix(1)) {
      number.fraction += place * (text.front() - '0');
    }
  }
  number.unit = text;
  return number;
}

std::optional<std::uint64_t> scaled(const Number& number, std::uint64_t factor, std::uint64_t limit) {
  if (number.whole > limit / factor) return std::nullopt;
  const auto rest = static_cast<std::uint64_t>(std::llround(number.fraction * static_cast<double>(factor)));
  const std::uint64_t value = number.whole * factor + rest;
  return value > limit ? std::nullopt : std::optional(value);
}

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

// `thousandths` of a unit, without trailing zeros.
std::string show_decimal(std::uint64_t thousandths) {
  std::string text = std::to_string(thousandths / 1000);
  if (thousandths % 1000 == 0) return text;
  std::string decimals = std::to_string(1000 + thousandths % 1000).substr(1);
  decimals.erase(decimals.find_last_not_of('0') + 1);
  return text + '.' + decimals;
}

// value / factor in thousandths, rounded to the nearest.
std::uint64_t thousandths_of(std::uint64_t value, std::uint64_t factor) {
  const std::uint64_t rest = value % factor;
  return value / factor * 1000 + (rest * 1000 + factor / 2) / factor;
}

}  // namespace

Expected<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const auto number = read_number(text);
  if (!number)
    return Trouble{quoted(text) + " is no duration; write a number and a unit, like 5ms, 1.5s or 2m"};
  if (number->unit.empty()) {
    if (number->whole == 0 && number->fraction == 0) return std::chrono::nanoseconds{0};
    return Trouble{quoted(text) + " has no unit; write for instance " + std::string(text) + "ms or " +
                   std::string(text) + "s"};
  }
  for (const Unit& unit : time_units) {
    if (number->unit != unit.name) continue;
    const auto value = scaled(*number, unit.factor, ten_years_ns);
    if (!value) return Trouble{quoted(text) + " is too long; a duration is at most 10 years"};
    return std::chrono::nanoseconds(static_cast<std::int64_t>(*value));
  }
  return Trouble{quoted(text) + " has an unknown unit; units of time are ns, us, ms, s, m and h"};
}

std::string show_duration(std::chrono::nanoseconds duration) {
  const bool negative = duration.count() < 0;
  const auto bits = static_cast<std::uint64_t>(duration.count());
  const std::uint64_t value = negative ? 0 - bits : bits;
  if (value == 0) return "0";
  std::string best;
  for (const Unit& unit : time_units) {
    if (unit.factor > time_units[3].factor) {
      // Minutes and hours only where they lose nothing and are shorter: 2m and 1.5h, but 100s.
      if (value % (unit.factor / 1000) != 0 || value < unit.factor) continue;
      const std::string text = show_decimal(thousandths_of(value, unit.factor)) + std::string(unit.name);
      if (text.size() <= best.size()) best = text;
    } else if (best.empty() || value + unit.factor / 2000'000 >= unit.factor) {  // 999.9996ms is 1s
      best = show_decimal(thousandths_of(value, unit.factor)) + std::string(unit.name);
    }
  }
  return (negative ? "-" : "") + best;
}

Expected<std::uint64_t> parse_size(std::string_view text) {
  const auto number = read_number(text);
  if (!number)
    return Trouble{quoted(text) + " is no size; write a number and a unit, like 512B, 64KiB or 1MiB"};
  const std::string_view name = number->unit.empty() ? std::string_view("B") : number->unit;
  for (const Unit& unit : size_units) {
    if (name != unit.name) continue;
    if (unit.factor == 1 && number->fraction != 0)
      return Trouble{quoted(text) + " is not a whole number of bytes"};
    const auto value = scaled(*number, unit.factor, largest_size);
    if (!value) return Trouble{quoted(text) + " is too large; a size is at most 2^60 bytes"};
    return *value;
  }
  return Trouble{quoted(text) + " has an unknown unit; units of size are B, KiB, MiB and GiB"};
}

std::string show_size(std::uint64_t bytes) {
  std::size_t unit = 0;
  while (unit + 1 < size_units.size() && bytes >= size_units[unit + 1].factor) ++unit;
  std::uint64_t shown = thousandths_of(bytes, size_units[unit].factor);
  if (shown >= 1024'000 && unit + 1 < size_units.size())
    shown = thousandths_of(bytes, size_units[++unit].factor);
  return show_decimal(shown) + std::string(size_units[unit].name);
}

Expected<Address> parse_address(std::string_view text, bool any_port) {
  const auto wrong = [&](std::string_view why) {
    return Trouble{quoted(text) + std::string(why) + "; write host:port, like 127.0.0.1:6667 or [::1]:6667"};
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong(" has no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (host.find(':') == std::string_view::npos)
      return wrong(" has brackets around something else than IPv6");
  } else if (host.find(':') != std::string_view::npos) {
    return wrong(host.find('/') != std::string_view::npos ? " looks like a URL"
                                                          : " needs brackets around IPv6");
  }
  if (host.empty()) return wrong(" has no host");
  if (host.find_first_of(" \t\r\n/[]") != std::string_view::npos)
    return wrong(" has a host that cannot be one");

  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, port);
  if (digits.empty() || !is_digit(digits.front()) || stop != end || error != std::errc()) {
    return wrong(" has a port that is not between 1 and 65535");
  }
  if (port == 0 && !any_port) return wrong(" has port 0, which nobody can connect to");
  return Address{std::string(host), port};
}

std::string show_address(const Address& address) {
  const bool brackets = address.host.find(':') != std::string::npos;
  return (brackets ? '[' + address.host + ']' : address.host) + ':' + std::to_string(address.port);
}

std::string hex(std::uint64_t value) {
  std::string text(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

}  // namespace chorus
