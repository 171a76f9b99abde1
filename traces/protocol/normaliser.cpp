// Inverse substitution, built from the same pieces as substitution.
#include "traces/protocol/names.h"
#include "traces/protocol/pieces.h"

#include <algorithm>

namespace chorus::protocol {
namespace {

bool is_number(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
}

}  // namespace

Normaliser::Normaliser(std::span<const format::Binding> bindings) {
  for (const format::Binding& binding : bindings) {
    all_.add(binding.own, own_to_recorded_.size());
    if (!is_number(binding.own)) without_numbers_.add(binding.own, own_to_recorded_.size());
    own_to_recorded_.emplace_back(binding.own, binding.recorded);
  }
  all_.done();
  without_numbers_.done();
}

std::string Normaliser::operator()(const Page& page, Side from, KindId kind, Bytes message) const {
  if (own_to_recorded_.empty()) return std::string(message);
  const auto find = [&](const Page::Field&, std::string_view value) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < own_to_recorded_.size(); ++i) {
      if (own_to_recorded_[i].first == value) return i;
    }
    return std::nullopt;
  };
  const Literals& literals = page.integer_names() ? without_numbers_ : all_;
  const auto pieces = find_pieces(page, from, kind, message, find, literals);
  if (pieces.empty()) return std::string(message);
  std::string out;
  std::size_t done = 0;
  for (const Piece& piece : pieces) {
    out.append(message, done, piece.span.at - done);
    done = piece.span.at + piece.span.size;
    const std::string& recorded = own_to_recorded_[piece.name].second;
    const std::size_t at = out.size();
    out += recorded;
    const Page::Field& field = piece.field;
    if (!encode_value(
            out, at, field.encoding, field.fixed, piece.span.size, field.big_endian, field.is_signed,
            recorded,
            nullptr)) {  // the recorded value never stood in such a field: this one is something else
      out.replace(at, std::string::npos, message.substr(piece.span.at, piece.span.size));
    }
  }
  out.append(message, done);
  std::string same_length = out;
  return set_length(page.framing(from), same_length) ? same_length : out;
}

}  // namespace chorus::protocol
