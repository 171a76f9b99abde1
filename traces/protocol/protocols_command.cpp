#include "traces/protocol/protocols_command.h"

#include "traces/protocol/builtin_pages.h"
#include "traces/protocol/page.h"

#include <cerrno>
#include <iomanip>
#include <iostream>
#include <memory>
#include <string>

namespace chorus::protocol {
namespace {

Exit list() {
  for (const BuiltinPage& builtin : builtin_pages()) {
    const auto page = Page::parse(builtin.text, std::string(builtin.name) + ".toml");
    if (!page) {
      std::cerr << "chorus protocols: " << page.error().what << "\n";
      return Exit::trouble;
    }
    std::cout << std::left << std::setw(24) << page->name() << page->summary() << "\n";
  }
  return Exit::ok;
}

Exit print(const std::string& name) {
  const auto page = Page::find(name);
  if (!page) {
    std::cerr << "chorus protocols: " << page.error().what << "\n";
    return Exit::trouble;
  }
  std::cout << page->text();
  return Exit::ok;
}

// A reader that has gone has seen what it wanted.
Exit written(Exit done) {
  std::cout.flush();
  if (std::cout || errno == EPIPE) return done;
  std::cerr << "chorus protocols: stdout could not be written\n";
  return Exit::trouble;
}

}  // namespace

void add_protocols_command(CLI::App& app, int& exit_status) {
  auto name = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("protocols", "List the built-in pages, or print one (a start for your own)");
  command->add_option("name", *name, "a page: its text is printed; a file: it is checked and printed")
      ->type_name("NAME|FILE");
  command->callback([name, &exit_status] {
    exit_status = static_cast<int>(written(name->empty() ? list() : print(*name)));
  });
}

}  // namespace chorus::protocol
