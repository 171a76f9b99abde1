#include "tests/loop/real_program.h"

#include "tests/loop/socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace chorus::test {

using std::chrono::milliseconds;

void think() {
  std::this_thread::sleep_for(think_time);
}

std::string installed(const std::string& program) {
  if (::access(program.c_str(), X_OK) != 0)
    throw std::runtime_error(program + " is not installed; ./dev test installs it");
  return program;
}

std::string content(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void wait_until(const std::function<bool()>& done, const std::function<std::string()>& what) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) throw std::runtime_error("waited in vain: " + what());
    std::this_thread::sleep_for(milliseconds(5));
  }
}

void wait_for_text(const std::filesystem::path& file, const std::string& text, const std::string& who) {
  wait_until([&] { return content(file).find(text) != std::string::npos; },
             [&] { return who + " to show \"" + text + "\"; it showed:\n" + content(file); });
}

std::vector<Account> crowd_accounts(int count, const std::string& password) {
  std::vector<Account> accounts;
  for (int number = 0; number < count; ++number) {
    const std::string digits = std::to_string(number);
    const auto width = std::max<std::size_t>(7, digits.size());
    accounts.push_back({"u" + std::string(width - digits.size(), '0') + digits, password});
  }
  return accounts;
}

// Open for both directions: opening for writing alone would wait for the reader.
Fifo::Fifo(std::filesystem::path path) : path_(std::move(path)) {
  if (::mkfifo(path_.c_str(), 0600) != 0 || (file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC)) < 0)
    throw std::runtime_error("no named pipe " + path_.string() + ": " + std::strerror(errno));
}

void Fifo::write(const std::string& bytes) {
  if (::write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("the pipe " + path_.string() + " did not take: " + bytes);
}

void Fifo::close() {
  if (file_ >= 0) ::close(std::exchange(file_, -1));
}

std::string RealServer::log() const {
  return content(folder_ / "log");
}

void RealServer::wait_for_log(const std::string& text) const {
  wait_for_text(folder_ / "log", text, "the server's log");
}

void RealServer::start(const Command& command, const Words& words) {
  const auto has = [this](const char* text) { return log().find(text) != std::string::npos; };
  for (int attempt = 0; attempt < 20; ++attempt) {
    port_ = Listener().port();
    std::filesystem::remove(folder_ / "log");
    // A crowd needs more files than the 1,024 that a shell may have set as the soft limit.
    std::vector<std::string> line{"sh", "-c",
                                  R"(ulimit -S -n $(ulimit -H -n); log=$1; shift; exec "$@" >> "$log" 2>&1)",
                                  "sh", folder_ / "log"};
    const std::vector<std::string> program = command(port_);
    line.insert(line.end(), program.begin(), program.end());
    process_ = std::make_unique<Process>(line);
    wait_until([&] { return has(words.ready) || has(words.taken) || has(words.failed); },
               [&] { return program.front() + " to be ready; it said:\n" + log(); });
    if (has(words.taken)) continue;
    if (has(words.ready)) return;
    throw std::runtime_error(program.front() + " did not start:\n" + log());
  }
  throw std::runtime_error("no free port was found:\n" + log());
}

Recording::Recording(const RealServer& server, int connections, const std::string& trace)
    : process_({CHORUS_EXECUTABLE, "record", "--listen", "127.0.0.1:0", "--upstream", server.address(),
                "--sessions", std::to_string(connections), "-o", trace}) {
  const std::string line = process_.err_line_with("recording 127.0.0.1:");
  port_ = static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1)));
}

void Recording::finish() {
  if (const int status = process_.wait(); status != 0)
    throw std::runtime_error("chorus record ended with " + std::to_string(status) + ": " +
                             process_.err_rest());
}

}  // namespace chorus::test
