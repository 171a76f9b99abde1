// Every command that README.md shows is run here, in its order, in one folder; every help text that it quotes
// must be what the program prints. Ports are free ones: 9898 stands for the chat server's, 6667 for the IRC
// server's, 7000 for the recorder's.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/irc_fixture.h"
#include "tests/loop/socket.h"

#include <fstream>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>

using namespace chorus::test;

namespace {

// A fenced block: what stands behind the opening ``` and the lines up to the closing one, without their
// indentation.
struct Block {
  std::string kind;
  std::vector<std::string> lines;
};

std::vector<Block> blocks_of_readme() {
  std::ifstream readme(std::string(CHORUS_SOURCE) + "/README.md");
  std::vector<Block> blocks;
  std::string line;
  bool inside = false;
  while (std::getline(readme, line)) {
    const std::size_t indent = std::min(line.find_first_not_of(' '), line.size());
    if (line.compare(indent, 3, "```") == 0) {
      if (!inside) blocks.push_back({line.substr(indent + 3), {}});
      inside = !inside;
    } else if (inside) {
      const bool command = line.compare(indent, 2, "$ ") == 0;
      blocks.back().lines.push_back(command ? line.substr(indent) : line);
    }
  }
  return blocks;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// A shell that stands in the folder and finds the programs by their names.
std::vector<std::string> shell(const std::string& folder, const std::string& command) {
  return {"/bin/sh", "-c", "PATH='" CHORUS_BUILD "':\"$PATH\"; cd '" + folder + "' && exec " + command};
}

// What a person does after the recorder in front of the IRC server was started.
void talk_on_irc(std::uint16_t port) {
  Socket user = Socket::connect(port);
  user.send("NICK alice\r\nUSER alice 0 * :Alice\r\n");
  std::string heard;
  while (heard.find(" 376 ") == std::string::npos && heard.find(" 422 ") == std::string::npos)
    heard += user.receive();
  user.send("JOIN #room\r\n");
  while (heard.find(" 366 ") == std::string::npos) heard += user.receive();
  user.send("PRIVMSG #room :hello, this is alice\r\nQUIT :bye\r\n");
  user.receive_rest();
}

}  // namespace

TEST_CASE("every help text in the README is what the program prints", "[readme]") {
  int quoted = 0;
  for (const Block& block : blocks_of_readme()) {
    std::istringstream kind(block.kind);
    std::string text, help, command;
    if (!(kind >> text >> help >> command) || help != "help") continue;
    ++quoted;
    const Finished printed = run_chorus({command, "--help"});
    std::string expected;
    for (const std::string& line : block.lines) expected += line + "\n";
    CHECK(printed.status == 0);
    CHECK(replaced(printed.out, "\n\n", "\n") == replaced(expected, "\n\n", "\n"));
  }
  CHECK(quoted == 9);
}

TEST_CASE("every command in the README works as it stands there", "[readme]") {
  ScratchFolder folder;
  IrcServer irc;
  std::map<std::string, std::uint16_t> ports{{"6667", irc.port()}};
  for (const char* port : {"7000", "9898"}) ports[port] = Listener().port();
  std::unique_ptr<Process> server, recorder;
  int commands = 0;
  for (const Block& block : blocks_of_readme()) {
    // What a reader would write into a file, one piece after the other.
    if (block.kind.rfind("toml ", 0) == 0) {
      std::ofstream file(folder / block.kind.substr(5), std::ios::app);
      for (const std::string& line : block.lines) file << line << "\n";
    }
    if (block.kind != "console") continue;
    for (const std::string& line : block.lines) {
      REQUIRE(line.rfind("$ ", 0) == 0);
      ++commands;
      std::string command = line.substr(2);
      for (const auto& [shown, real] : ports) {
        command = replaced(command, "127.0.0.1:" + shown, "127.0.0.1:" + std::to_string(real));
      }
      INFO(line);
      if (command.back() != '&') {
        // A person sees the recorder end before typing on.
        if (recorder && command.find("chat-client") == std::string::npos) {
          CHECK(recorder->wait() == 0);
          recorder.reset();
        }
        Process process(shell(folder.path(), command));
        const int status = process.wait(std::chrono::minutes(2));
        const std::string out = process.out_rest(), err = process.err_rest();
        INFO(out << err);
        // A busy machine may make a replay INVALID and its trace incomparable: neither is the README's fault.
        const bool busy = (out + err).find("INVALID") != std::string::npos ||
                          out.find("the generator was late") != std::string::npos;
        CHECK((status == 0 || (status == 2 && busy)));
        continue;
      }
      command.pop_back();
      auto process = std::make_unique<Process>(shell(folder.path(), command));
      if (command.find("chat-server") != std::string::npos) {
        process->out_line_with("127.0.0.1:");
        server = std::move(process);
        continue;
      }
      process->err_line_with("127.0.0.1:");
      recorder = std::move(process);
      if (command.find("irc.trace") != std::string::npos) {
        talk_on_irc(ports["7000"]);
        CHECK(recorder->wait() == 0);
        recorder.reset();
      }
    }
  }
  CHECK(commands >= 12);
}
