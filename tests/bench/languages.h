// The same talk in each way to frame it: what a client says, and a page that understands it.
#pragma once

#include <string>
#include <vector>

namespace chorus::bench {

struct Language {
  std::string name;
  std::string page;
  std::string hello, say, bye;  // an echo of each is its answer; a copy's own words are as long as these
};

// In lines, behind a length, behind a varint, and as elements.
std::vector<Language> all_languages();

}  // namespace chorus::bench
