// Where a field is in a message. Five ways to say it, from the cheapest on; all but the pattern are a few
// comparisons, since the fields of delivered messages are looked at for every copy of every broadcast.
//
//   at         bytes at an offset
//   after      what follows a list of parts, each a number of bytes or something with its length in front
//   word       the n-th word of a line, to its end if wanted; lead: the leading word that starts so
//   (":nick!..") attribute  of the outermost element; element: what stands in the first element of that name
//   pattern    the first group of a regular expression
#pragma once

#include "traces/protocol/page.h"
#include "traces/protocol/pattern.h"

#include <optional>
#include <string>
#include <vector>

namespace chorus::protocol {

// One part that a field lies behind.
struct Skip {
  enum class What : std::uint8_t {
    bytes,
    u8,
    u16,
    u32,
    varint
  };  // u8 .. varint: a length, and as many bytes
  What what = What::bytes;
  std::uint16_t bytes = 0;
};
// A bit of the body that says whether a part is there.
struct Condition {
  bool any = true;
  std::uint16_t byte = 0;
  std::uint8_t bit = 0;
  bool holds(Bytes body) const noexcept;
};

struct Locator {
  enum class By : std::uint8_t { place, path, word, lead, attribute, element, pattern };
  By by = By::place;
  struct Step {
    Skip skip;
    Condition when;
  };
  std::vector<Step> after;  // path
  Condition when;           // path: of the field itself
  std::optional<std::uint16_t>
      repeat;           // path: another value follows behind so many bytes, to the message's end
  unsigned word = 0;    // word: from 1, of those that start with none of the page's kind.skip
  bool to_end = false;  // word: to the end of the line
  std::string skip;     // word: kind.skip
  char lead = 0;
  std::string tag;  // attribute, element: its name
  std::string behind,
      until;  // the value begins behind the first of these characters, ends before the first of those
  std::string without;  // with one of these in it, it is no such field
  std::optional<Pattern> pattern;
  std::optional<Pattern> inner;  // of base64: its first group within the decoded text
};

// Sees the field of `shape` in `body` (a message without its delimiter); nothing when it is not there.
// `header`: bytes before the parts that a path counts. Words and patterns may hold several values: each_value
// cuts them at `separator`.
bool locate(const Locator& locator, Page::Field& shape, Bytes body, std::size_t header, bool big_endian);
// The value behind `field`, of a path that repeats; false when there is none.
bool locate_next(const Locator& locator, Page::Field& field, Bytes body);

// The first element of some text: <name attributes>content. A close tag's name begins with '/'.
struct Element {
  Bytes name, attributes, content;  // content: all that follows its tag; empty for <name/>
};
Element outermost(Bytes text) noexcept;
Bytes attribute_of(const Element& element, std::string_view name) noexcept;  // its value; empty = none

// RFC 4648, section 4; nullopt when it is none.
std::optional<std::string> from_base64(Bytes text);
void append_base64(Bytes bytes, std::string& out);

// A number as MQTT writes lengths: 7 bits a byte, the lowest first. 0 bytes = there is none.
std::size_t read_varint(Bytes bytes, std::uint32_t& value) noexcept;
void append_varint(std::uint32_t value, std::string& out);

}  // namespace chorus::protocol
