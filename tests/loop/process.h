// A program under test: started with posix_spawn, read line by line, ended by its process id. POSIX only.
//
// Nothing here is fast or slow: every wait ends as soon as there is something to say, and gives up after
// `patience`, which is so long that only a hang reaches it. Failures throw, with what the program had said
// until then.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace chorus::test {

inline constexpr std::chrono::seconds patience{60};

// A folder that is removed with all its content.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// One thread. stdin is empty; stdout and stderr are kept apart, and both are emptied while either is waited
// for, so a program never stands still because nobody reads.
class Process {
 public:
  // arguments[0] is the program: a path, or a name that is looked up in PATH.
  explicit Process(std::vector<std::string> arguments);
  ~Process();  // kills it if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number);

  // The next line, without its end; throws at the end of the stream.
  std::string out_line(std::chrono::milliseconds limit = patience) { return line(out_, limit); }
  std::string err_line(std::chrono::milliseconds limit = patience) { return line(err_, limit); }
  // The next line that contains `text`; the ones before it are passed over.
  std::string out_line_with(std::string_view text, std::chrono::milliseconds limit = patience);
  std::string err_line_with(std::string_view text, std::chrono::milliseconds limit = patience);

  // Waits for the end: the exit status, or 128 + the number of the signal that killed it, as a shell has it.
  int wait(std::chrono::milliseconds limit = patience);
  // Everything that came and was not taken as a line; the whole rest once wait() has returned.
  std::string out_rest() { return std::exchange(out_.text, {}); }
  std::string err_rest() { return std::exchange(err_.text, {}); }

 private:
  using Deadline = std::chrono::steady_clock::time_point;
  struct Stream {
    int file = -1;     // -1: its end has come
    std::string text;  // not taken yet
    std::string said;  // all of it
  };
  std::string line(Stream& stream, std::chrono::milliseconds limit);
  std::string line_with(Stream& stream, std::string_view text, std::chrono::milliseconds limit);
  void receive(Deadline deadline);  // waits for anything on either stream
  bool reap();
  [[noreturn]] void fail(std::string_view what) const;

  std::vector<std::string> arguments_;
  pid_t pid_ = -1;
  int status_ = -1;  // as waitpid() has it, once reaped_
  bool reaped_ = false;
  Stream out_, err_;
};

}  // namespace chorus::test
