#include "traces/protocol/layout.h"

#include "traces/protocol/locator.h"

#include <algorithm>
#include <charconv>

namespace chorus::protocol {
namespace {

class RegionFinder {
 public:
  RegionFinder(const Page& page, Side from, KindId kind, Bytes message, const FindName& find,
               const Literals& literals)
      : page_(page), from_(from), kind_(kind), message_(message), find_(find), literals_(literals) {}

  std::vector<Region> find(bool with_inserts) {
    if (with_inserts) inserts();
    page_.fields(from_, kind_, message_, fields_);
    for (const Page::Field& field : fields_) named(field);
    const bool counted = page_.framing(from_).type == Framing::Type::length ||
                         page_.framing(from_).type == Framing::Type::varint;
    if (!literals_.empty()) {
      for (const Page::Field& field : fields_) text(field, counted);
      if (!counted) all_text();
    }
    finish();
    return std::move(regions_);
  }

 private:
  void inserts() {
    std::vector<Page::Insert> found;
    page_.inserts(kind_, message_, found);
    for (const Page::Insert& insert : found) add(insert.field, 0, insert.value);
  }

  void named(const Page::Field& field) {
    if (field.role == Role::none || field.role == Role::text) return;
    if (const auto name = find_(field, Page::value(field, message_))) add(field, *name, nullptr);
  }

  void add(const Page::Field& field, std::size_t name, const ValueTemplate* insert) {
    Piece piece;
    piece.name = name;
    piece.insert = insert;
    piece.field = field;
    Region* region = find_region(field);
    if (region == nullptr) return;
    piece.span = field.wrapping == Wrapping::base64
                     ? field.inner
                     : FieldSpan{field.span.at - region->span.at, field.span.size};
    region->pieces.push_back(std::move(piece));
  }

  // The region of this field: its own, or that of a field wrapped in the same text.
  Region* find_region(const Page::Field& field) {
    for (Region& region : regions_) {
      if (region.span.at == field.span.at && region.span.size == field.span.size) return &region;
      if (field.span.at < region.span.at + region.span.size &&
          region.span.at < field.span.at + field.span.size)
        return nullptr;
    }
    Region region;
    region.span = field.span;
    region.wrapping = field.wrapping;
    region.big_endian = field.big_endian;
    region.prefix = field.prefix;
    if (field.wrapping == Wrapping::base64) {
      auto decoded = from_base64(message_.substr(field.span.at, field.span.size));
      if (!decoded) return nullptr;
      region.decoded = std::move(*decoded);
    }
    regions_.push_back(std::move(region));
    return &regions_.back();
  }

  // Names within a field of text; where nothing else is looked through, in a name's field that is no name
  // too.
  void text(const Page::Field& field, bool counted) {
    const bool name = field.role == Role::user || field.role == Role::room;
    const bool plain = field.encoding == Encoding::plain && !field.fixed;
    const bool wanted = field.role == Role::text
                            ? counted || field.wrapping != Wrapping::none
                            : name && counted && plain && field.wrapping != Wrapping::base64;
    if (!wanted) return;
    Region* region = find_region(field);
    if (region == nullptr) return;
    const Bytes inside = region->text(message_);
    const std::size_t known = region->pieces.size();
    if (known > 0 && field.wrapping != Wrapping::base64) return;  // the whole field is one name
    std::vector<FieldSpan> taken;
    for (const Piece& piece : region->pieces) taken.push_back(piece.span);
    literals_in(*region, inside, {0, inside.size()}, taken);
  }

  // The whole message, but for what is protected, is a kind, or is a region already.
  void all_text() {
    std::vector<FieldSpan> taken;
    for (const Region& region : regions_) taken.push_back(region.span);
    const FieldSpan word = page_.kind_span(from_, message_);
    if (word.size > 0) taken.push_back(word);
    page_.protect(message_, taken);
    Region all;
    all.span = {0, message_.size()};
    literals_in(all, message_, all.span, taken);
    for (Piece& piece : all.pieces) {
      Region region;
      region.span = piece.span;
      piece.span.at = 0;
      region.pieces.push_back(std::move(piece));
      regions_.push_back(std::move(region));
    }
  }

  void literals_in(Region& region, Bytes text, FieldSpan range, std::vector<FieldSpan>& taken) {
    std::sort(taken.begin(), taken.end(), [](const FieldSpan& a, const FieldSpan& b) { return a.at < b.at; });
    taken.push_back({range.at + range.size, 0});
    std::size_t at = range.at;
    for (const FieldSpan& stop : taken) {
      while (const auto hit = literals_.next(text, at, std::max(at, stop.at))) {
        Piece piece;
        piece.span = {hit->at, hit->size};
        piece.name = hit->value;
        region.pieces.push_back(piece);
        at = hit->at + hit->size;
      }
      at = std::max(at, stop.at + stop.size);
    }
  }

  void finish() {
    std::erase_if(regions_, [](const Region& region) { return region.pieces.empty(); });
    const auto by_place = [](const auto& a, const auto& b) { return a.span.at < b.span.at; };
    std::sort(regions_.begin(), regions_.end(), by_place);
    for (Region& region : regions_) {
      std::stable_sort(region.pieces.begin(), region.pieces.end(), by_place);
      std::size_t end = 0;
      std::erase_if(region.pieces, [&](const Piece& piece) {
        if (piece.span.at < end) return true;
        end = piece.span.at + piece.span.size;
        return false;
      });
    }
  }

  const Page& page_;
  Side from_;
  KindId kind_;
  Bytes message_;
  const FindName& find_;
  const Literals& literals_;
  std::vector<Page::Field> fields_;
  std::vector<Region> regions_;
};

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

std::size_t length_width(Wrapping wrapping) noexcept {
  switch (wrapping) {
    case Wrapping::u8:
      return 1;
    case Wrapping::u16:
      return 2;
    case Wrapping::u32:
      return 4;
    default:
      return 0;
  }
}

std::vector<Region> find_regions(const Page& page, Side from, KindId kind, Bytes message,
                                 const FindName& find, const Literals& literals, bool with_inserts) {
  return RegionFinder(page, from, kind, message, find, literals).find(with_inserts);
}

bool encode_value(std::string& out, std::size_t start, const Page::Field& field, std::size_t width,
                  std::string_view recorded, std::string* why) {
  const std::size_t size = out.size() - start;
  const auto fail = [&](const std::string& what) {
    if (why) *why = "\"" + out.substr(start) + "\" " + what;
    return false;
  };
  if (field.encoding == Encoding::integer) {
    if (encode_integer(out, start, width, field.big_endian, field.is_signed)) return true;
    return fail("is no number that fits into a " + std::string(field.is_signed ? "signed" : "unsigned") +
                " field of " + std::to_string(width) + " bytes");
  }
  if (!field.fixed) return true;
  if (field.encoding == Encoding::plain) {
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

bool wrap(std::string& out, std::size_t start, Wrapping wrapping, bool big_endian, std::string* why) {
  const std::size_t width = length_width(wrapping);
  const std::size_t size = out.size() - start - width;
  if (wrapping == Wrapping::base64) {
    const std::string text = out.substr(start);
    out.resize(start);
    append_base64(text, out);
  } else if (wrapping == Wrapping::varint) {
    std::string length;
    append_varint(static_cast<std::uint32_t>(size), length);
    out.insert(start, length);
  } else if (width > 0) {
    if (width < 8 && size >> (8 * width) != 0) {
      if (why) *why = std::to_string(size) + " bytes of text are more than its length field can say";
      return false;
    }
    for (std::size_t i = 0; i < width; ++i)
      out[start + i] = static_cast<char>(size >> 8 * (big_endian ? width - 1 - i : i) & 0xff);
  }
  return true;
}

}  // namespace chorus::protocol
