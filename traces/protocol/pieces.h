// Where a message holds values that stand for names, and how one is written in place of another. Substitution
// (MessageTemplate) and its inverse (Normaliser) are both made of this, so that they agree on every byte.
#pragma once

#include "traces/protocol/literals.h"
#include "traces/protocol/page.h"

#include <functional>
#include <vector>

namespace chorus::protocol {

struct Piece {
  FieldSpan span;
  std::size_t name = 0;  // as `find` or `literals` knows it
  Page::Field field;     // how it is encoded; plain for a literal in text
};

using FindName = std::function<std::optional<std::size_t>(const Page::Field&, std::string_view value)>;

// In order, without overlap. Fields come first; then literals, in fields of text and, where messages are
// lines or raw bytes, in all of the message except the word that is its kind.
std::vector<Piece> find_pieces(const Page& page, Side from, KindId kind, Bytes message, const FindName& find,
                               const Literals& literals);

// `out` from `start` on holds a value as text: encodes it in place. False when it does not fit; `why` (may be
// null) then says so. A NUL-padded field keeps one NUL, unless the value is `recorded`, which was there
// before.
bool encode_value(std::string& out, std::size_t start, Encoding encoding, bool fixed, std::size_t width,
                  bool big_endian, bool is_signed, std::string_view recorded, std::string* why);

}  // namespace chorus::protocol
