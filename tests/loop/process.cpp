#include "tests/loop/process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace chorus::test {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "chorus-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder: " + name);
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;  // a folder that stays behind fails no test
  std::filesystem::remove_all(path_, ignored);
}

Process::Process(std::vector<std::string> arguments) : arguments_(std::move(arguments)) {
  std::array<int, 2> out{}, err{};
  if (::pipe2(out.data(), O_CLOEXEC) != 0 || ::pipe2(err.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, err[1], STDERR_FILENO);
  // What the test's own process ignores, the program must not.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&defaults, number);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

  std::vector<char*> words;
  for (std::string& argument : arguments_) words.push_back(argument.data());
  words.push_back(nullptr);
  const int error = ::posix_spawnp(&pid_, words[0], &files, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  ::close(out[1]);
  ::close(err[1]);
  out_.file = out[0];
  err_.file = err[0];
  if (error != 0) {
    ::close(out[0]);
    ::close(err[0]);
    throw std::runtime_error("cannot start " + arguments_[0] + ": " + std::strerror(error));
  }
}

Process::~Process() {
  if (!reaped_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
  for (const Stream* stream : {&out_, &err_})
    if (stream->file >= 0) ::close(stream->file);
}

void Process::signal(int number) {
  if (reaped_ || ::kill(pid_, number) != 0) fail("cannot be sent a signal, it has ended");
}

std::string Process::out_line_with(std::string_view text, milliseconds limit) {
  return line_with(out_, text, limit);
}
std::string Process::err_line_with(std::string_view text, milliseconds limit) {
  return line_with(err_, text, limit);
}

std::string Process::line_with(Stream& stream, std::string_view text, milliseconds limit) {
  const Deadline deadline = Clock::now() + limit;
  while (true) {
    std::string found = line(stream, std::chrono::ceil<milliseconds>(deadline - Clock::now()));
    if (found.find(text) != std::string::npos) return found;
  }
}

std::string Process::line(Stream& stream, milliseconds limit) {
  const Deadline deadline = Clock::now() + limit;
  while (true) {
    if (const auto end = stream.text.find('\n'); end != std::string::npos) {
      std::string found = stream.text.substr(0, end);
      stream.text.erase(0, end + 1);
      return found;
    }
    if (stream.file < 0) fail("ended, a line more was expected");
    if (Clock::now() >= deadline) fail("did not write the line that was waited for");
    receive(deadline);
  }
}

void Process::receive(Deadline deadline) {
  std::array<pollfd, 2> files{{{out_.file, POLLIN, 0}, {err_.file, POLLIN, 0}}};  // poll passes over -1
  const auto left = std::max(milliseconds(0), std::chrono::ceil<milliseconds>(deadline - Clock::now()));
  if (::poll(files.data(), files.size(), static_cast<int>(left.count())) < 0 && errno != EINTR)
    fail("poll failed");
  for (auto [stream, file] : {std::pair{&out_, files[0]}, std::pair{&err_, files[1]}}) {
    if (stream->file < 0 || file.revents == 0) continue;
    std::array<char, 16384> bytes{};
    const ssize_t size = ::read(stream->file, bytes.data(), bytes.size());
    if (size > 0) {
      stream->text.append(bytes.data(), static_cast<std::size_t>(size));
      stream->said.append(bytes.data(), static_cast<std::size_t>(size));
    } else if (size == 0 || errno != EINTR) {
      ::close(std::exchange(stream->file, -1));
    }
  }
}

bool Process::reap() {
  if (!reaped_) reaped_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
  return reaped_;
}

int Process::wait(milliseconds limit) {
  const Deadline deadline = Clock::now() + limit;
  // A child of its own may keep the streams open after its end, so both are looked at in turns.
  while (!reap()) {
    if (Clock::now() >= deadline) fail("did not end");
    receive(std::min(deadline, Clock::now() + milliseconds(10)));
  }
  while ((out_.file >= 0 || err_.file >= 0) && Clock::now() < deadline) {
    const auto before = out_.said.size() + err_.said.size();
    receive(Clock::now());
    if (before == out_.said.size() + err_.said.size()) break;
  }
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

void Process::fail(std::string_view what) const {
  std::string command;
  for (const std::string& argument : arguments_) command += argument + ' ';
  throw std::runtime_error(command + std::string(what) + "\nstdout: " + out_.said + "\nstderr: " + err_.said);
}

}  // namespace chorus::test
