// A table of text: columns as wide as their widest cell, two spaces apart, numbers to the right.
#pragma once

#include "traces/format/quantity.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::convert {

// Columns that a UTF-8 text takes on a terminal, one per character.
inline std::size_t columns_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

// Durations of a table in at most four digits: nobody reads nanoseconds of a quantile.
inline std::string brief(std::chrono::nanoseconds time) {
  std::int64_t step = 1;
  while (time.count() / step >= 10000 || time.count() / step <= -10000) step *= 10;
  const std::int64_t half = time.count() < 0 ? -(step / 2) : step / 2;
  const std::chrono::nanoseconds rounded((time.count() + half) / step * step);
  return rounded.count() < 0 ? "-" + show_duration(-rounded) : show_duration(rounded);
}

class Table {
 public:
  // `alignment`: 'l' or 'r' for each column.
  explicit Table(std::string alignment, std::size_t indent = 2)
      : alignment_(std::move(alignment)), indent_(indent) {}

  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const noexcept { return rows_.empty(); }

  void print(std::ostream& out) const {
    std::vector<std::size_t> widths(alignment_.size(), 0);
    for (const auto& cells : rows_)
      for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], columns_of(cells[i]));
    for (const auto& cells : rows_) {
      std::string line(indent_, ' ');
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string gap(widths[i] - columns_of(cells[i]), ' ');
        line += (i ? "  " : "") + (alignment_[i] == 'r' ? gap + cells[i] : cells[i] + gap);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      out << line << '\n';
    }
  }

 private:
  std::string alignment_;
  std::size_t indent_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace chorus::convert
