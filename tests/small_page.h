#pragma once

#include <string_view>

namespace chorus::protocol {

// A small page.
inline constexpr std::string_view small = R"(name = "small"
[framing]
type = "length"
header = 4
[kind]
at = 2
width = 2
[kind.names]
1 = "HELLO"
2 = "TALK"
3 = "CODE"
[[field]]
kinds = ["CODE"]
from = "server"
name = "code"
at = 4
size = 4
encoding = "integer"
)";  // 18 lines

}  // namespace chorus::protocol
