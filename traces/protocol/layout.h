// Where a message holds values that change from client to client, and how one is written in place of another.
// Substitution (MessageTemplate) and its inverse (Normaliser) are both made of this, so that they agree on
// every byte.
#pragma once

#include "traces/protocol/literals.h"
#include "traces/protocol/page.h"

#include <functional>
#include <string>
#include <vector>

namespace chorus::protocol {

// One value within a region's text.
struct Piece {
  FieldSpan span;
  std::size_t name = 0;                   // as `find` or `literals` knows it
  const ValueTemplate* insert = nullptr;  // instead of a name: written anew each time
  Page::Field field;                      // how it is encoded; plain for a literal in text
};

// Text that pieces stand in. If it is wrapped it can be made longer only by wrapping it anew.
struct Region {
  FieldSpan span;  // within the message: of the text as it is wrapped, without its length
  Wrapping wrapping = Wrapping::none;
  bool big_endian = false;
  std::size_t prefix = 0;     // bytes of the length before it
  std::string decoded;        // base64
  std::vector<Piece> pieces;  // in order, without overlap

  Bytes text(Bytes message) const {
    return wrapping == Wrapping::base64 ? Bytes(decoded) : message.substr(span.at, span.size);
  }
};

using FindName = std::function<std::optional<std::size_t>(const Page::Field&, std::string_view value)>;

// In order, without overlap; regions without a piece are left out. Fields come first; then literals, in
// fields of text and, where messages are lines, elements or raw bytes, in all of the message except what the
// page protects and the word that is its kind.
std::vector<Region> find_regions(const Page& page, Side from, KindId kind, Bytes message,
                                 const FindName& find, const Literals& literals, bool with_inserts);

// `out` from `start` on holds a value as text: encodes it in place. False when it does not fit; `why` (may be
// null) then says so. A NUL-padded field keeps one NUL, unless the value is `recorded`, which was there
// before.
bool encode_value(std::string& out, std::size_t start, const Page::Field& field, std::size_t width,
                  std::string_view recorded, std::string* why);

// `out` from `start` on holds a region's text, after a place of length_width() bytes: wraps it.
std::size_t length_width(Wrapping wrapping) noexcept;
bool wrap(std::string& out, std::size_t start, Wrapping wrapping, bool big_endian, std::string* why);

}  // namespace chorus::protocol
