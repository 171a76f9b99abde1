#include "traces/convert/info.h"

#include <boost/json/parse.hpp>

namespace chorus::convert {
namespace json = boost::json;

void add_info(json::object& info, const std::string& text) {
  boost::system::error_code bad;
  const json::value value = json::parse(text, bad);
  if (bad || !value.is_object()) return;
  for (const auto& [name, member] : value.as_object()) info[name] = member;
}

KeptBytes kept_bytes(const json::object& info) {
  const json::value* payloads = info.if_contains("payloads");
  if (!payloads) return {};
  return {*payloads != "none", *payloads != "none" && *payloads != "client"};
}

std::string run_refusal(const format::Reader& reader, const json::object& info) {
  using format::BlockKind;
  const json::value* mode = info.if_contains("mode");
  const BlockKind kind = reader.kind();
  const bool recording_too = kind == BlockKind::None || kind == BlockKind::Info ||
                             kind == BlockKind::Events || kind == BlockKind::Index;
  if (recording_too && !(mode && mode->is_string() && mode->get_string() == "run")) return {};
  return "is the trace of a run, whose outcomes, percentiles and verdict count all of it and would not be "
         "true of a part; give the recording that the run was made from";
}

}  // namespace chorus::convert
