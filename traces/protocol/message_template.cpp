// Substitution: a recorded client's message, cut into bytes and values once, written anew for every client.
#include "traces/protocol/layout.h"
#include "traces/protocol/names.h"

#include <algorithm>
#include <cassert>

namespace chorus::protocol {

MessageTemplate MessageTemplate::compile(const Page& page, const Names& names, std::uint32_t member,
                                         KindId kind, Bytes message) {
  MessageTemplate result;
  result.kind_ = kind;
  const auto find = [&](const Page::Field& field, std::string_view value) {
    return names.find(field.role, value, field.encoding == Encoding::integer, member);
  };
  const auto self = names.self(member);
  std::size_t done = 0;
  for (const Region& region : find_regions(page, Side::client, kind, message, find, names.literals(), true)) {
    const std::size_t begin = region.span.at - region.prefix;
    result.add_bytes(message.substr(done, begin - done));
    result.add_region(region, message, self);
    done = region.span.at + region.span.size;
  }
  result.add_bytes(message.substr(done));
  return result;
}

void MessageTemplate::add_bytes(Bytes bytes) {
  if (bytes.empty()) return;
  Part part;
  part.bytes = bytes;
  parts_.push_back(std::move(part));
}

void MessageTemplate::add_region(const Region& region, Bytes message, std::optional<std::size_t> self) {
  Part wrapping;
  wrapping.field.wrapping = region.wrapping;
  wrapping.field.big_endian = region.big_endian;
  if (region.wrapping != Wrapping::none) {
    wrapping.what = Part::What::open;
    parts_.push_back(wrapping);
  }
  const Bytes text = region.text(message);
  std::size_t done = 0;
  for (const Piece& piece : region.pieces) {
    add_bytes(text.substr(done, piece.span.at - done));
    done = piece.span.at + piece.span.size;
    Part part;
    part.field = piece.field;
    part.width = static_cast<std::uint32_t>(piece.span.size);
    part.insert = piece.insert;
    part.name = static_cast<std::uint32_t>(piece.name);
    part.what = piece.insert != nullptr       ? Part::What::insert
                : self && *self == piece.name ? Part::What::self
                                              : Part::What::name;
    if (piece.insert != nullptr) part.bytes = text.substr(piece.span.at, piece.span.size);
    parts_.push_back(std::move(part));
  }
  add_bytes(text.substr(done));
  if (region.wrapping != Wrapping::none) {
    wrapping.what = Part::What::close;
    parts_.push_back(std::move(wrapping));
  }
}

bool MessageTemplate::constant() const noexcept {
  return std::all_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.what == Part::What::bytes; });
}

bool MessageTemplate::has_inserts() const noexcept {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return part.what == Part::What::insert; });
}

bool MessageTemplate::has_secrets(const Names& names) const noexcept {
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    return part.what == Part::What::name && names[part.name].role == Role::secret;
  });
}

bool MessageTemplate::append_value(const Part& part, const Names& names, CopyIndex index,
                                   std::uint32_t member, const Moment* moment, std::string& out,
                                   std::string* why) const {
  const std::size_t at = out.size();
  std::string_view recorded = part.bytes;
  if (part.what == Part::What::insert) {
    part.insert->append(out, index, member, part.bytes, names.users(), moment);
    // Before the run nothing is known yet that would stand here: the recorded value shows whether it fits.
    if (moment == nullptr) out.replace(at, std::string::npos, part.bytes);
  } else {
    std::size_t name = part.name;
    if (part.what == Part::What::self) {
      const auto self = names.self(member);
      if (!self) {
        if (why) *why = "client " + std::to_string(member) + " of the recording has no name of its own";
        return false;
      }
      name = *self;
    }
    recorded = names[name].recorded;
    if (moment != nullptr && moment->hides_secrets && names[name].role == Role::secret) {
      out += recorded;
    } else {
      names.append_value(name, index, out);
    }
  }
  if (part.field.encoding == Encoding::plain && !part.field.fixed) return true;
  return encode_value(out, at, part.field, part.width, recorded, why);
}

bool MessageTemplate::render(const Page& page, const Names& names, CopyIndex index, std::uint32_t member,
                             std::string& out, std::string* why, const Moment* moment) const {
  const std::size_t start = out.size();
  std::size_t wrapped = start;  // where the text of the region begins that is being written
  bool changed = false;
  for (const Part& part : parts_) {
    switch (part.what) {
      case Part::What::bytes:
        out += part.bytes;
        break;
      case Part::What::open:
        wrapped = out.size();
        out.append(length_width(part.field.wrapping), '\0');
        break;
      case Part::What::close:
        if (!wrap(out, wrapped, part.field.wrapping, part.field.big_endian, why)) return false;
        break;
      case Part::What::name:
      case Part::What::self:
      case Part::What::insert:
        changed = true;
        if (!append_value(part, names, index, member, moment, out, why)) return false;
        break;
    }
  }
  if (!changed || set_length(page.framing(Side::client), out, start)) return true;
  if (why)
    *why = "with its names it has " + std::to_string(out.size() - start) +
           " bytes, more than a message may have";
  return false;
}

}  // namespace chorus::protocol
