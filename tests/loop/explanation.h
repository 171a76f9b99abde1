// What a run that fails tells its user: where most clients stopped, recorded against received, and what to
// try next. Read twice: from the text, as a user reads it, and from the document of --json.
#pragma once

#include "tests/loop/chat_fixture.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::test {

struct Explanation {
  std::string reason, recorded, received, advice;
};

// Starts `chorus replay` with these arguments, once for the text and once for the document, and expects exit
// status 1. One of the troubles that each tells must have these four parts; none of its own may be empty.
void expect_explained(const std::vector<std::string>& arguments, const Explanation& expected);
// The same where the first run leaves traces on its server.
void expect_explained(const std::vector<std::string>& for_the_text,
                      const std::vector<std::string>& for_the_document, const Explanation& expected);

// The same run, after what the explanation said to try: all clients are as recorded.
void expect_completed(const std::vector<std::string>& arguments);

// `chorus replay TRACE --target ADDRESS` and more.
std::vector<std::string> replay_on(const std::string& address, const std::string& trace,
                                   const std::vector<std::string>& more);

// A built-in page in the source tree with one part of it replaced; throws when the page does not have that
// part.
std::string changed_page(const std::filesystem::path& file, const std::string& name, const std::string& part,
                         const std::string& instead);

// A recording of one connection, written by hand for what no real server and client would do. Each event is 1
// ms after the last; the server ends the connection.
struct Said {
  enum class By { client, server } by;
  std::string bytes;
};
std::string hand_made(const std::filesystem::path& file, const std::vector<Said>& all);

}  // namespace chorus::test
