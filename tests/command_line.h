// A command of `chorus`, run in this process: what it wrote and how it ended.
#pragma once

#include <algorithm>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

namespace chorus::command_line {

struct Answer {
  int status = -1;
  std::string out, err;
};

using Add = std::function<void(CLI::App& app, int& exit_status)>;  // one of add_..._command

inline Answer run(const Add& add, const std::string& name, std::vector<std::string> arguments) {
  CLI::App app;
  Answer answer;
  std::ostringstream out, err;
  add(app, answer.status);
  arguments.insert(arguments.begin(), name);
  std::reverse(arguments.begin(), arguments.end());
  std::streambuf *cout = std::cout.rdbuf(out.rdbuf()), *cerr = std::cerr.rdbuf(err.rdbuf());
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {
    answer.status = error.get_exit_code();
  }
  std::cout.rdbuf(cout);
  std::cerr.rdbuf(cerr);
  answer.out = out.str();
  answer.err = err.str();
  return answer;
}

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace chorus::command_line
