// A chat client that wants a terminal and a person: irssi, mcabber. `script` (bsdutils, on every Debian)
// gives it the terminal; the person is the test, which types lines and reads the screen or what the client
// logs.
//
// The screen is what curses paints, with its escape codes: a word may be painted in pieces. A log file of the
// client's own is the better witness.
#pragma once

#include "tests/loop/real_program.h"

#include <memory>

namespace chorus::test {

class TerminalClient {
 public:
  TerminalClient() = default;
  ~TerminalClient();  // ends it if it still runs, by its process id
  TerminalClient(const TerminalClient&) = delete;
  TerminalClient& operator=(const TerminalClient&) = delete;

  // Once. It runs in folder(), which is its HOME too; write its configuration there before.
  void start(const std::vector<std::string>& command);
  const ScratchFolder& folder() const { return folder_; }

  void type(const std::string& line);  // after think_time
  std::string screen() const;          // all that was ever painted
  void wait_for_screen(const std::string& text) const;
  void wait_for(const std::string& file, const std::string& text) const;  // a file below folder()
  void wait_for_end();                                                    // and expect exit status 0

 private:
  ScratchFolder folder_;
  std::string name_;
  std::unique_ptr<Fifo> keyboard_;
  std::unique_ptr<Process> process_;  // of `script`
};

}  // namespace chorus::test
