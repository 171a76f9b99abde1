// Whether a text may stand in an Info block. Private to traces/format.
#pragma once

#include <string>
#include <string_view>

namespace chorus::format {

inline constexpr std::size_t max_info_bytes = 8u << 20;
inline constexpr std::size_t max_info_values = 262'144;  // in memory each takes 24 bytes and more

// The member of that name where it is a text, else "". `json`: one that has been checked, or "".
std::string info_text(std::string_view json, std::string_view member);

// "" when it is a JSON object within the bounds of schema/trace.fbs; else what it does, as "is not a JSON
// object". Builds nothing in memory.
std::string info_mistake(std::string_view json);

}  // namespace chorus::format
