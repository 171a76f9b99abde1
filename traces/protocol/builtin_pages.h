// The pages of schema/protocols/*.toml, embedded at build time.
#pragma once

#include <string_view>
#include <vector>

namespace chorus::protocol {

struct BuiltinPage {
  std::string_view name;  // file name without .toml
  std::string_view text;
};

const std::vector<BuiltinPage>& builtin_pages();  // defined in the generated builtin_pages.cpp

}  // namespace chorus::protocol
