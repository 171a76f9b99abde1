// Substitution: a recorded client's message, cut into bytes and names once, written anew for every client.
#include "traces/protocol/names.h"
#include "traces/protocol/pieces.h"

#include <algorithm>

namespace chorus::protocol {
namespace {

constexpr std::int32_t bytes_only = -1, self_name = -2;  // see MessageTemplate::Part::name

}  // namespace

MessageTemplate MessageTemplate::compile(const Page& page, const Names& names, std::uint32_t member,
                                         KindId kind, Bytes message) {
  MessageTemplate result;
  result.kind_ = kind;
  const auto find = [&](const Page::Field& field, std::string_view value) {
    return names.find(field.role, value, field.encoding == Encoding::integer);
  };
  const auto self = names.self(member);
  std::size_t done = 0;
  const auto add_bytes = [&](std::size_t until) {
    if (until <= done) return;
    Part part;
    part.bytes = message.substr(done, until - done);
    result.parts_.push_back(std::move(part));
  };
  for (const Piece& piece : find_pieces(page, Side::client, kind, message, find, names.literals())) {
    add_bytes(piece.span.at);
    Part part;
    part.name = self && *self == piece.name ? self_name : static_cast<std::int32_t>(piece.name);
    part.encoding = piece.field.encoding;
    part.fixed = piece.field.fixed;
    part.big_endian = piece.field.big_endian;
    part.is_signed = piece.field.is_signed;
    part.width = static_cast<std::uint16_t>(piece.span.size);
    result.parts_.push_back(std::move(part));
    done = piece.span.at + piece.span.size;
  }
  add_bytes(message.size());
  return result;
}

bool MessageTemplate::constant() const noexcept {
  return std::all_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.name == bytes_only; });
}

bool MessageTemplate::render(const Page& page, const Names& names, CopyIndex index, std::uint32_t member,
                             std::string& out, std::string* why) const {
  const std::size_t start = out.size();
  bool changed = false;
  for (const Part& part : parts_) {
    if (part.name == bytes_only) {
      out += part.bytes;
      continue;
    }
    std::size_t name = static_cast<std::size_t>(part.name);
    if (part.name == self_name) {
      const auto self = names.self(member);
      if (!self) {
        if (why) *why = "client " + std::to_string(member) + " of the recording has no name of its own";
        return false;
      }
      name = *self;
    }
    const std::size_t at = out.size();
    names.append_value(name, index, out);
    changed = true;
    if (part.encoding == Encoding::plain && !part.fixed) continue;
    if (!encode_value(out, at, part.encoding, part.fixed, part.width, part.big_endian, part.is_signed,
                      names[name].recorded, why)) {
      return false;
    }
  }
  if (!changed || set_length(page.framing(Side::client), out, start)) return true;
  if (why)
    *why = "with its names it has " + std::to_string(out.size() - start) +
           " bytes, more than a message may have";
  return false;
}

}  // namespace chorus::protocol
