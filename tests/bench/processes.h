// Processes that are measured from outside: what they share with the benchmark, and the processor time that
// they take while a known number of messages passes.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include <netinet/in.h>
#include <sys/types.h>

namespace chorus::bench {

// In memory that forked processes share.
struct Board {
  std::atomic<std::uint64_t> messages{0};  // the peer: received by a sink, delivered by a broadcaster
  std::atomic<std::uint64_t> own_messages{0},
      own_calls{0};  // a baseline: what it did in how many system calls
  std::atomic<std::int64_t> late_p50_ns{0}, late_p99_ns{0};  // a sending baseline, at its end
};

class SharedBoard {
 public:
  SharedBoard();
  ~SharedBoard();
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  Board& operator*() const { return *board_; }
  Board* operator->() const { return board_; }

 private:
  Board* board_;
};

// A child that runs `work` and nothing else. One thread must be running when it is made.
class Forked {
 public:
  explicit Forked(const std::function<void()>& work);
  ~Forked();  // kills it if it still runs
  Forked(const Forked&) = delete;
  Forked& operator=(const Forked&) = delete;
  pid_t pid() const { return pid_; }
  void join();  // throws when it failed

 private:
  pid_t pid_;
  bool joined_ = false;
};

// Listens on a free port of 127.0.0.1; closed when a program is started, open in forked children.
class Listener {
 public:
  Listener();
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  int file() const { return file_; }
  sockaddr_in address() const { return address_; }

 private:
  int file_;
  sockaddr_in address_{};
};

// Raises the limit of open files as far as it goes; throws when that is below `files`.
void allow_files(unsigned files);

inline constexpr std::chrono::nanoseconds usual_settling{5'000'000};

// User and system time that the process takes for each message of board.messages, in us: from when `first` of
// them have passed, for `seconds`; and from and to a moment so long after a message that what came with it
// has been received, too. It is the account that getrusage() reads, looked at from outside, so that
// connecting and ending are left out.
double cpu_per_message_us(pid_t process, const Board& board, std::uint64_t first, double seconds,
                          std::chrono::nanoseconds settled_after = usual_settling);

// Until the process has at least so many open files; throws when it ends or a minute passes before.
void wait_for_files(pid_t process, unsigned files);

// Its private memory that stands in RAM: Anonymous in /proc/PID/smaps_rollup, which is counted page by page
// (RssAnon in its status may be some pages a processor behind).
std::uint64_t private_bytes(pid_t process);

}  // namespace chorus::bench
