#include "traces/protocol/users.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace chorus::protocol {
namespace {

// One record of a CSV text; false at its end. `open`: it ended within quotes. A quoted cell may hold commas,
// line ends and doubled quotes.
bool next_record(std::string_view& text, std::size_t& line, std::vector<std::string>& cells, bool& open) {
  cells.clear();
  if (text.empty()) return false;
  std::string cell;
  bool quoted = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        cell += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        cell += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"' && cell.empty()) {
      quoted = true;
    } else if (c == ',') {
      cells.push_back(std::move(cell));
      cell.clear();
    } else if (c == '\n') {
      ++i;
      break;
    } else if (c != '\r') {
      cell += c;
    }
  }
  open = quoted;
  cells.push_back(std::move(cell));
  text.remove_prefix(i);
  return true;
}

}  // namespace

Expected<Users> Users::parse(std::string_view text, std::string_view file) {
  Users users;
  std::size_t line = 1;
  bool open = false;  // a quote
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string name(file);
  if (!next_record(text, line, users.columns_, open) || users.columns_.front().empty())
    return Trouble{name + " has no header; its first line names the columns, as name,password"};
  for (std::size_t i = 0; i < users.columns_.size(); ++i) {
    const std::string& column = users.columns_[i];
    const bool twice =
        std::find(users.columns_.begin(), users.columns_.begin() + static_cast<std::ptrdiff_t>(i), column) !=
        users.columns_.begin() + static_cast<std::ptrdiff_t>(i);
    if (column.empty() || twice)
      return Trouble{name + ":1: column " + std::to_string(i + 1) +
                     (twice ? " has the name of another: " + column : " has no name")};
  }
  std::vector<std::string> cells;
  for (std::size_t at = line; next_record(text, line, cells, open); at = line) {
    if (cells.size() == 1 && cells.front().empty()) continue;
    if (open) return Trouble{name + ":" + std::to_string(at) + ": a quote is opened and never closed"};
    if (cells.size() != users.columns_.size())
      return Trouble{name + ":" + std::to_string(at) + ": " + std::to_string(cells.size()) +
                     " values where the header names " + std::to_string(users.columns_.size()) + " columns"};
    const auto column = users.column("name");
    if (column && cells[*column].empty())
      return Trouble{name + ":" + std::to_string(at) + ": the name is empty; each client needs one"};
    std::move(cells.begin(), cells.end(), std::back_inserter(users.cells_));
    ++users.rows_;
  }
  if (users.rows_ == 0) return Trouble{name + " has a header and no users; give one line for each client"};
  return users;
}

Expected<Users> Users::load(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::error_code error;
  if (!stream || std::filesystem::is_directory(file, error))
    return Trouble{"cannot read " + file.string() + "; --users wants a CSV file as name,password"};
  std::stringstream text;
  text << stream.rdbuf();
  return parse(text.str(), file.string());
}

std::optional<std::size_t> Users::column(std::string_view name) const noexcept {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns_.begin());
}

}  // namespace chorus::protocol
