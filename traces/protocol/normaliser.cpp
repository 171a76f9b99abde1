// Inverse substitution, built from the same pieces as substitution.
#include "traces/protocol/layout.h"
#include "traces/protocol/names.h"

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

void Normaliser::restore(const Region& region, Bytes message, std::string& out) const {
  const Bytes text = region.text(message);
  std::size_t done = 0;
  for (const Piece& piece : region.pieces) {
    out.append(text, done, piece.span.at - done);
    done = piece.span.at + piece.span.size;
    const std::string& recorded = own_to_recorded_[piece.name].second;
    const std::size_t at = out.size();
    out += recorded;
    // If it does not fit, the recorded value never stood in such a field: this one is something else.
    if (!encode_value(out, at, piece.field, piece.span.size, recorded, nullptr))
      out.replace(at, std::string::npos, text.substr(piece.span.at, piece.span.size));
  }
  out.append(text, done);
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
  const auto regions = find_regions(page, from, kind, message, find, literals, false);
  if (regions.empty()) return std::string(message);
  std::string out;
  std::size_t done = 0;
  for (const Region& region : regions) {
    out.append(message, done, region.span.at - region.prefix - done);
    done = region.span.at + region.span.size;
    const std::size_t at = out.size();
    out.append(length_width(region.wrapping), '\0');
    restore(region, message, out);
    wrap(out, at, region.wrapping, region.big_endian, nullptr);  // it had been wrapped: it fits
  }
  out.append(message, done);
  std::string same_length = out;
  return set_length(page.framing(from), same_length) ? same_length : out;
}

}  // namespace chorus::protocol
