#include "tests/loop/terminal_client.h"

#include <csignal>
#include <stdexcept>

namespace chorus::test {
namespace {

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char letter : word) text += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return text + "'";
}

}  // namespace

// A client may survive the loss of its terminal, so it is ended before `script`, which then ends by itself
// and leaves no zombie. `script` still runs: the id that its child wrote down is still the child's.
TerminalClient::~TerminalClient() {
  if (!process_) return;
  try {
    if (const std::string pid = content(folder_ / "pid"); !pid.empty()) {
      ::kill(std::stoi(pid), SIGKILL);
      process_->wait(std::chrono::seconds(5));
    }
  } catch (const std::exception&) {
    // Process kills what is left; a test that ends here has failed for another reason.
  }
}

void TerminalClient::start(const std::vector<std::string>& command) {
  name_ = command.front();
  keyboard_ = std::make_unique<Fifo>(folder_ / "keyboard");
  std::string line = "echo $$ > pid; exec";
  for (const std::string& word : command) line += " " + quoted(word);
  // A pipe has no size that `script` could hand on, so the size comes with the environment.
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"sh", "-c",
                               R"(cd "$1" && export HOME="$1" TERM=xterm COLUMNS=160 LINES=50 &&
         exec "$2" -q -e -f -c "$3" screen <keyboard >/dev/null)",
                               "sh", folder_.path(), installed("/usr/bin/script"), line});
}

void TerminalClient::type(const std::string& line) {
  think();
  keyboard_->write(line + "\r");
}

std::string TerminalClient::screen() const {
  return content(folder_ / "screen");
}

void TerminalClient::wait_for_screen(const std::string& text) const {
  wait_for_text(folder_ / "screen", text, name_);
}

void TerminalClient::wait_for(const std::string& file, const std::string& text) const {
  wait_until([&] { return content(folder_ / file).find(text) != std::string::npos; },
             [&] {
               return name_ + " to write \"" + text + "\" into " + file + "; it wrote:\n" +
                      content(folder_ / file) + "\nits screen:\n" + screen();
             });
}

void TerminalClient::wait_for_end() {
  const int status = process_->wait();
  process_.reset();
  if (status != 0)
    throw std::runtime_error(name_ + " ended with " + std::to_string(status) + "; its screen:\n" + screen());
}

}  // namespace chorus::test
