#include "tests/chat_server/processes.h"

#ifndef _WIN32
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace chorus::chat {

void add(Counts& sum, const Counts& counts) {
  sum.accepted += counts.accepted;
  sum.refused += counts.refused;
  sum.entered += counts.entered;
  sum.messages_in += counts.messages_in;
  sum.said += counts.said;
  sum.left += counts.left;
  sum.deliveries += counts.deliveries;
  sum.dropped += counts.dropped;
  sum.malformed += counts.malformed;
  sum.misread += counts.misread;
  sum.lost += counts.lost;
  sum.slow_closed += counts.slow_closed;
}

#ifdef _WIN32

void raise_file_limit() {}

Expected<Served> serve_in_processes(unsigned, const Serve&, const std::function<void()>&) {
  return Trouble{"--processes needs SO_REUSEPORT, which Windows does not have: leave it out"};
}

#else

namespace {

Trouble trouble(const char* action) {
  return Trouble{std::string(action) + " failed: " + std::strerror(errno)};
}

// A child: its counts go to the parent as one write, which is whole because it is shorter than PIPE_BUF.
[[noreturn]] void be_child(unsigned index, pid_t parent, int pipe, const sigset_t& mask_before,
                           const Serve& serve) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) std::_Exit(1);  // it died before the line above
  const Counts counts = serve(index, [&] { sigprocmask(SIG_SETMASK, &mask_before, nullptr); });
  const bool told = ::write(pipe, &counts, sizeof counts) == static_cast<ssize_t>(sizeof counts);
  std::cout.flush();
  std::_Exit(told ? 0 : 1);
}

void signal_all(const std::vector<pid_t>& children, int signal) {
  for (const pid_t child : children) ::kill(child, signal);
}

// Collects whoever has ended. False: one of them not as it should.
bool reap(std::vector<pid_t>& children) {
  bool good = true;
  int status = 0;
  for (pid_t child = 0; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    std::erase(children, child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    good = false;
    std::cerr << "chat-server: process " << child << " died ("
              << (WIFSIGNALED(status) ? "signal " : "exit status ")
              << (WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)) << ")" << std::endl;
  }
  return good;
}

// Until no child is left. False: one died.
bool supervise(std::vector<pid_t>& children, const sigset_t& signals) {
  bool good = true;
  while (!children.empty()) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal != SIGCHLD) {
      signal_all(children, SIGTERM);
    } else if (!reap(children) && std::exchange(good, false)) {
      signal_all(children, SIGTERM);
    }
  }
  return good;
}

}  // namespace

void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // without it fewer clients fit; the server says when they do not
}

Expected<Served> serve_in_processes(unsigned processes, const Serve& serve,
                                    const std::function<void()>& started) {
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, &before);
  int ends[2];
  if (::pipe(ends) != 0) return trouble("pipe");

  const pid_t parent = getpid();
  std::vector<pid_t> children;
  for (unsigned index = 0; index < processes; ++index) {
    const pid_t child = ::fork();
    if (child == 0) be_child(index, parent, ends[1], before, serve);
    if (child < 0) {
      const Trouble failed = trouble("fork");
      signal_all(children, SIGTERM);
      supervise(children, signals);
      return failed;
    }
    children.push_back(child);
  }

  started();
  Served served;
  served.whole = supervise(children, signals);
  ::close(ends[1]);
  Counts counts;
  while (::read(ends[0], &counts, sizeof counts) == static_cast<ssize_t>(sizeof counts))
    add(served.counts, counts);
  ::close(ends[0]);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  return served;
}

#endif

}  // namespace chorus::chat
