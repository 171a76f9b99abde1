// The accounts of a crowd: --users users.csv, one row a client (RFC 4180: a header line, commas, quotes).
#pragma once

#include "traces/format/trouble.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::protocol {

class Users {
 public:
  static Expected<Users> load(const std::filesystem::path& file);
  static Expected<Users> parse(std::string_view text, std::string_view file);

  std::size_t size() const noexcept { return rows_; }
  const std::vector<std::string>& columns() const noexcept { return columns_; }
  std::optional<std::size_t> column(std::string_view name) const noexcept;
  // Rows repeat: the trial's copy stands behind the crowd's last and may have no row of its own.
  const std::string& value(std::size_t row, std::size_t column) const {
    return cells_[row % rows_ * columns_.size() + column];
  }

 private:
  std::vector<std::string> columns_, cells_;
  std::size_t rows_ = 0;
};

}  // namespace chorus::protocol
