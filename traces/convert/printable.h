// Bytes of a chat as text that is safe on a terminal and in JSON: what is printable or valid UTF-8 stands as
// it is, the rest as \r, \n, \t, \\ or \xNN; four or more NULs in a row as \0{27}.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace chorus::convert {

// Length of the valid UTF-8 sequence at the start of `bytes` (no controls, no surrogates); 0 = there is none.
inline std::size_t printable_sequence(std::string_view bytes) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const std::uint8_t first = at(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (size == 0 || first > 0xf4 || bytes.size() < size) return 0;
  std::uint32_t code = first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (at(i) & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};  // below 0xa0: C1 controls
  return code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

// In words, of our own making, a backslash stands for itself: it may be an escape already.
enum class Of : std::uint8_t { bytes, words };

// One character of the printable text and how many bytes stand for it.
struct Printed {
  std::string text;
  std::size_t bytes = 1, columns = 0;
};
inline Printed print_next(std::string_view bytes, Of what) {
  constexpr char hex[] = "0123456789abcdef";
  constexpr std::size_t padding = 4;  // so many NULs and more pad a field: shown as their number
  const std::size_t sequence = printable_sequence(bytes);
  if (sequence > 0 && (bytes[0] != '\\' || what == Of::words))
    return {std::string(bytes.substr(0, sequence)), sequence, 1};
  const std::size_t nuls = std::min(bytes.find_first_not_of('\0'), bytes.size());
  const auto value = static_cast<std::uint8_t>(bytes[0]);
  std::string text = value == '\n'   ? "\\n"
                     : value == '\r' ? "\\r"
                     : value == '\t' ? "\\t"
                     : value == '\\' ? "\\\\"
                                     : std::string{'\\', 'x', hex[value >> 4], hex[value & 15]};
  if (nuls >= padding) text = "\\0{" + std::to_string(nuls) + "}";
  const std::size_t columns = text.size();
  return {std::move(text), nuls >= padding ? nuls : 1, columns};
}

// At most `width` characters, the last three of them "..." when something is cut off; 0 = no limit.
inline std::string printable(std::string_view bytes, std::size_t width = 0, Of what = Of::bytes) {
  std::string text;
  std::size_t columns = 0, fit_size = 0;  // fit_size: where the text ends when "..." must still fit
  while (!bytes.empty()) {
    const Printed next = print_next(bytes, what);
    columns += next.columns;
    if (width > 0 && columns > width) return text.substr(0, fit_size) + "...";
    text += next.text;
    if (columns + 3 <= width) fit_size = text.size();
    bytes.remove_prefix(next.bytes);
  }
  return text;
}

inline std::string printable_words(std::string_view words, std::size_t width = 0) {
  return printable(words, width, Of::words);
}

}  // namespace chorus::convert
