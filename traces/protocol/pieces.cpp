#include "traces/protocol/pieces.h"

#include <algorithm>
#include <charconv>

namespace chorus::protocol {
namespace {

void add_literals(std::vector<Piece>& pieces, std::size_t fields, Bytes message, FieldSpan range,
                  const Literals& literals) {
  std::size_t at = range.at;
  const std::size_t end = range.at + range.size;
  for (std::size_t i = 0; i <= fields && at < end; ++i) {  // between the fields, which are in order
    const std::size_t stop = i < fields ? std::min(pieces[i].span.at, end) : end;
    while (const auto hit = literals.next(message, at, stop)) {
      pieces.push_back({{hit->at, hit->size}, hit->value, {}});
      at = hit->at + hit->size;
    }
    if (i < fields) at = std::max(at, pieces[i].span.at + pieces[i].span.size);
  }
}

void sort_without_overlap(std::vector<Piece>& pieces) {
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.span.at < b.span.at; });
  std::size_t end = 0;
  std::erase_if(pieces, [&](const Piece& piece) {
    if (piece.span.at < end) return true;
    end = piece.span.at + piece.span.size;
    return false;
  });
}

bool encode_integer(std::string& out, std::size_t start, std::size_t width, bool big_endian, bool is_signed) {
  const char *first = out.data() + start, *last = out.data() + out.size();
  std::uint64_t number = 0;
  const unsigned bits = 8 * static_cast<unsigned>(width);
  if (is_signed) {
    std::int64_t value = 0;
    const auto read = std::from_chars(first, last, value);
    if (read.ec != std::errc() || read.ptr != last) return false;
    if (bits < 64 && (value >= std::int64_t{1} << (bits - 1) || value < -(std::int64_t{1} << (bits - 1))))
      return false;
    number = static_cast<std::uint64_t>(value);
  } else {
    const auto read = std::from_chars(first, last, number);
    if (read.ec != std::errc() || read.ptr != last || (bits < 64 && number >> bits != 0)) return false;
  }
  out.resize(start + width);
  for (unsigned i = 0; i < width; ++i) {
    out[start + i] = static_cast<char>(number >> 8 * (big_endian ? width - 1 - i : i) & 0xff);
  }
  return true;
}

}  // namespace

std::vector<Piece> find_pieces(const Page& page, Side from, KindId kind, Bytes message, const FindName& find,
                               const Literals& literals) {
  std::vector<Piece> pieces;
  std::vector<Page::Field> fields;
  page.fields(from, kind, message, fields);
  for (const Page::Field& field : fields) {
    if (field.role != Role::user && field.role != Role::room) continue;
    if (const auto name = find(field, Page::value(field, message)))
      pieces.push_back({field.span, *name, field});
  }
  sort_without_overlap(pieces);
  if (literals.empty()) return pieces;
  const std::size_t known = pieces.size();
  if (page.framing(from).type == Framing::Type::length) {
    for (const Page::Field& field : fields) {
      if (field.role == Role::text) add_literals(pieces, known, message, field.span, literals);
    }
  } else {
    const FieldSpan word = page.kind_span(from, message);
    const std::size_t after = word.at + word.size;
    add_literals(pieces, known, message, {0, word.at}, literals);
    add_literals(pieces, known, message, {after, message.size() - after}, literals);
  }
  sort_without_overlap(pieces);
  return pieces;
}

bool encode_value(std::string& out, std::size_t start, Encoding encoding, bool fixed, std::size_t width,
                  bool big_endian, bool is_signed, std::string_view recorded, std::string* why) {
  const std::size_t size = out.size() - start;
  const auto fail = [&](const std::string& what) {
    if (why) *why = "\"" + out.substr(start) + "\" " + what;
    return false;
  };
  if (encoding == Encoding::integer) {
    if (encode_integer(out, start, width, big_endian, is_signed)) return true;
    return fail("is no number that fits into a " + std::string(is_signed ? "signed" : "unsigned") +
                " field of " + std::to_string(width) + " bytes");
  }
  if (!fixed) return true;
  if (encoding == Encoding::plain) {
    return size == width ||
           fail("has " + std::to_string(size) + " bytes where exactly " + std::to_string(width) + " stand");
  }
  const bool full = size == width && std::string_view(out).substr(start) == recorded;
  if (size >= width && !full) {
    return fail("has " + std::to_string(size) + " bytes, at most " + std::to_string(width - 1) + " fit");
  }
  out.resize(start + width, '\0');
  return true;
}

}  // namespace chorus::protocol
