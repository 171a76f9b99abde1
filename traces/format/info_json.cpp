#include "traces/format/info_json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace chorus::format {
namespace {

namespace json = boost::json;

// What the parser tells of a text; false from any of these ends it.
struct Counter {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool is_object = false, first = true;
  std::size_t values = 0;

  bool value(json::error_code& error, bool object = false) {
    if (first) is_object = object;
    first = false;
    if (++values <= max_info_values && is_object) return true;
    error = json::error::array_too_large;
    return false;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& error) { return value(error, true); }
  bool on_object_end(std::size_t, json::error_code&) { return true; }
  bool on_array_begin(json::error_code& error) { return value(error); }
  bool on_array_end(std::size_t, json::error_code&) { return true; }
  bool on_key_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_key(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code& error) { return value(error); }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code& error) { return value(error); }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code& error) { return value(error); }
  bool on_double(double, json::string_view, json::error_code& error) { return value(error); }
  bool on_bool(bool, json::error_code& error) { return value(error); }
  bool on_null(json::error_code& error) { return value(error); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

}  // namespace

std::string info_text(std::string_view text, std::string_view member) {
  if (text.find(member) == std::string_view::npos) return {};
  json::error_code error;
  const json::value info = json::parse(text, error);
  const json::value* found = !error && info.is_object() ? info.get_object().if_contains(member) : nullptr;
  return found && found->is_string() ? std::string(found->get_string()) : std::string{};
}

std::string info_mistake(std::string_view text) {
  if (text.size() > max_info_bytes) return "takes " + std::to_string(text.size()) + " bytes, over 8 MiB";
  json::basic_parser<Counter> parser{json::parse_options{}};
  json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  const Counter& seen = parser.handler();
  if (seen.values > max_info_values) return "has more than 262144 values";
  if (error || used != text.size() || !seen.is_object) return "is not a JSON object";
  return {};
}

}  // namespace chorus::format
