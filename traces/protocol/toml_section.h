// A TOML table read with care: every key is asked for with its type and range, and what nobody asked for is a
// mistake. Reading goes on after a mistake with a default; the mistake nearest to the top of the file is
// reported.
#pragma once

#include "traces/format/trouble.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Its asserts fire on bad input, which it reports well enough by itself.
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

namespace chorus::protocol {

class Mistakes {
 public:
  explicit Mistakes(std::string_view file) : file_(file) {}
  void add(std::uint32_t line, std::string_view what);
  const std::optional<Trouble>& first() const noexcept { return first_; }

 private:
  std::string file_;
  std::uint32_t line_ = 0;
  std::optional<Trouble> first_;
};

// The line of the first byte beyond ASCII outside of texts and comments, where toml++ 3.3 does not look
// (undefined behaviour in its table of white space); 0 = there is none.
std::uint32_t line_of_stray_byte(std::string_view toml) noexcept;

class Section {
 public:
  // `path` is how messages call this table ("framing", "field"); "" = the whole page.
  Section(const toml::table& table, std::string path, Mistakes& mistakes);

  // Absent keys give nothing; values of another type are mistakes and give nothing.
  std::optional<std::string> text(std::string_view key);  // never empty
  std::optional<std::int64_t> number(std::string_view key, std::int64_t least, std::int64_t most);
  std::vector<std::int64_t> numbers(std::string_view key, std::int64_t least, std::int64_t most);
  bool flag(std::string_view key, bool otherwise);
  std::vector<std::string> texts(std::string_view key);  // one text, or an array of them; none empty
  std::optional<Section> section(std::string_view key);
  std::vector<Section> sections(std::string_view key);  // [key] or any number of [[key]]
  // The index of the key's text in `choices`.
  std::optional<std::size_t> choice(std::string_view key, const std::vector<std::string>& choices);

  bool has(std::string_view key) const { return table_->contains(key); }
  bool is_text(std::string_view key) const { return has(key) && table_->get(key)->is_string(); }
  const std::string& path() const noexcept { return path_; }
  void require(std::string_view key);  // absent is a mistake
  void wrong(std::string_view key,
             std::string_view what);  // a mistake at this key, or at the table without it
  const toml::table& table() const { return *table_; }
  void allow_any() { open_ = true; }  // keys are data (kind.names)
  void finish();                      // what was never asked for is unknown

 private:
  const toml::node* ask(std::string_view key);
  void wrong_type(std::string_view key, std::string_view expected);

  const toml::table* table_;
  std::string path_;
  Mistakes* mistakes_;
  std::vector<std::string> asked_;
  bool open_ = false;
};

}  // namespace chorus::protocol
