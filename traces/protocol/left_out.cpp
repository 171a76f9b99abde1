#include "traces/protocol/left_out.h"

#include <algorithm>

#include <boost/json.hpp>

namespace chorus::protocol {

namespace json = boost::json;

LeftOut left_out(const format::Trace& trace) {
  LeftOut result;
  json::error_code bad;
  const json::value info = json::parse(trace.info, bad);
  if (bad || !info.is_object()) return result;
  if (const auto* payloads = info.as_object().if_contains("payloads")) {
    result.client_bytes = *payloads == "none";
    result.server_bytes = *payloads == "none" || *payloads == "client";
  }
  const auto* redacted = info.as_object().if_contains("redacted");
  if (redacted == nullptr || !redacted->is_object()) return result;
  const auto says = [&](std::string_view member) {
    const json::value* value = redacted->as_object().if_contains(member);
    return value != nullptr && value->is_bool() && value->as_bool();
  };
  result.secrets = says("secrets");
  result.matches = says("pattern");
  return result;
}

bool sends_secrets(const Page& page, const std::vector<Conversation>& conversations) {
  std::vector<Page::Field> fields;
  for (const Conversation& conversation : conversations) {
    for (const Message& message : conversation.messages) {
      if (message.from != Side::client) continue;
      fields.clear();
      page.fields(message.from, message.kind, message.bytes, fields);
      if (std::ranges::any_of(fields, [&](const Page::Field& field) {
            return field.role == Role::secret && !Page::value(field, message.bytes).empty();
          }))
        return true;
    }
  }
  return false;
}

}  // namespace chorus::protocol
