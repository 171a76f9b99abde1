#include "tests/bench/processes.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace chorus::bench {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto patience = std::chrono::seconds(60);  // only a hang reaches it
constexpr int backlog = 4096;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

struct Sample {
  double cpu_us = 0;
  std::uint64_t messages = 0;
};

void throw_if_ended(pid_t process) {
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(process), &ended, WEXITED | WNOHANG | WNOWAIT);
  if (ended.si_pid != 0) throw std::runtime_error("the measured process has ended before its time");
}

// Waits until `messages` have passed and some more just did: between two broadcasts, not in the midst of one.
Sample sample_after(pid_t process, const Board& board, std::uint64_t messages,
                    std::chrono::nanoseconds settled_after) {
  const auto deadline = Clock::now() + patience;
  const std::uint64_t before = std::max(messages, board.messages.load());
  while (board.messages.load() <= before) {
    if (Clock::now() > deadline) {
      throw std::runtime_error("no message has come for a minute: the measured process stands still");
    }
    throw_if_ended(process);
    std::this_thread::sleep_for(milliseconds(1));
  }
  std::this_thread::sleep_for(settled_after);
  clockid_t clock{};
  timespec spent{};
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &spent) != 0) {
    throw std::runtime_error("the measured process has no clock of its processor time");
  }
  return {static_cast<double>(spent.tv_sec) * 1e6 + static_cast<double>(spent.tv_nsec) / 1e3,
          board.messages.load()};
}

}  // namespace

SharedBoard::SharedBoard() {
  void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  board_ = new (memory) Board;
}

SharedBoard::~SharedBoard() {
  munmap(board_, sizeof(Board));
}

Forked::Forked(const std::function<void()>& work) : pid_(fork()) {
  if (pid_ < 0) fail("fork");
  if (pid_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a benchmark that is killed leaves no peer behind
  try {
    work();
  } catch (const std::exception& error) {
    const std::string line = "bench: " + std::string(error.what()) + "\n";
    if (write(STDERR_FILENO, line.data(), line.size()) < 0) _exit(3);
    _exit(2);
  }
  _exit(0);
}

Forked::~Forked() {
  if (joined_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Forked::join() {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) fail("waitpid");
  joined_ = true;
  if (status != 0) throw std::runtime_error("a baseline failed");
}

Listener::Listener() : file_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (file_ < 0) fail("socket");
  address_.sin_family = AF_INET;
  address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address_;
  auto* address = reinterpret_cast<sockaddr*>(&address_);
  if (bind(file_, address, size) != 0 || listen(file_, backlog) != 0 ||
      getsockname(file_, address, &size) != 0) {
    fail("cannot listen on 127.0.0.1");
  }
}

Listener::~Listener() {
  close(file_);
}

void allow_files(unsigned files) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < files) {
    throw std::runtime_error("this needs " + std::to_string(files) + " open files and a process may have " +
                             std::to_string(limit.rlim_max) + "; give fewer --clients");
  }
}

double cpu_per_message_us(pid_t process, const Board& board, std::uint64_t first, double seconds,
                          std::chrono::nanoseconds settled_after) {
  const Sample begin = sample_after(process, board, first, settled_after);
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  const Sample end = sample_after(process, board, 0, settled_after);
  return (end.cpu_us - begin.cpu_us) / static_cast<double>(end.messages - begin.messages);
}

void wait_for_files(pid_t process, unsigned files) {
  const std::filesystem::path open_files = "/proc/" + std::to_string(process) + "/fd";
  const auto deadline = Clock::now() + patience;
  for (;; std::this_thread::sleep_for(milliseconds(50))) {
    throw_if_ended(process);
    if (std::distance(std::filesystem::directory_iterator(open_files), {}) >= files) return;
    if (Clock::now() > deadline) throw std::runtime_error("a crowd has not come together within a minute");
  }
}

std::uint64_t private_bytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/smaps_rollup");
  const std::string key = "Anonymous:";
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key, 0) == 0) return std::stoull(line.substr(key.size())) * 1024;
  }
  throw std::runtime_error("the kernel does not say how much memory a process takes");
}

}  // namespace chorus::bench
