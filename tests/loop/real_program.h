// What the fixtures of real servers and real clients share. They are Debian's packages: what is missing is an
// error, never a test passed over; ./dev test installs it.
//
// Servers and clients tell the world what they do in files, and files say nothing when they change: they are
// looked at until they hold the text that is waited for. Every wait gives up after `patience` and throws with
// what was seen until then.
#pragma once

#include "tests/loop/process.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace chorus::test {

// What a person takes before the next line. It belongs to the recording, and orders what several people do.
inline constexpr std::chrono::milliseconds think_time{300};
void think();

// The program itself; throws when it is not installed.
std::string installed(const std::string& program);
// All bytes of a file; "" when there is none.
std::string content(const std::filesystem::path& file);
void wait_until(const std::function<bool()>& done, const std::function<std::string()>& what);
void wait_for_text(const std::filesystem::path& file, const std::string& text, const std::string& who);

struct Account {
  std::string name, password;
};
// u0000000, u0000001, ...: the names that a crowd has.
std::vector<Account> crowd_accounts(int count, const std::string& password = "secret");

// The standard input of a program that reads what it is told one line at a time: a named pipe that is open
// from the start, so neither side waits for the other one.
class Fifo {
 public:
  explicit Fifo(std::filesystem::path path);
  ~Fifo() { close(); }
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& bytes);
  void close();  // the reader's end of input, once it has opened it

 private:
  std::filesystem::path path_;
  int file_ = -1;
};

// A server on a free port of 127.0.0.1, in a folder of its own. Killed by its process id.
class RealServer {
 public:
  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string log() const;  // what it has said until now
  void wait_for_log(const std::string& text) const;

 protected:
  RealServer() = default;
  ~RealServer() = default;
  // Writes the configuration for a port and says how the server is started with it.
  using Command = std::function<std::vector<std::string>(std::uint16_t port)>;
  struct Words {         // in its log
    const char* ready;   // it listens
    const char* taken;   // somebody else has the port
    const char* failed;  // it will never be ready
  };
  // Its standard output and error go to the log: it would stand still on a pipe that nobody empties. Throws
  // when it cannot be started.
  void start(const Command& command, const Words& words);
  ScratchFolder folder_;

 private:
  std::unique_ptr<Process> process_;
  std::uint16_t port_ = 0;
};

// `chorus record` between clients and a server, which ends by itself after so many connections.
class Recording {
 public:
  Recording(const RealServer& server, int connections, const std::string& trace);
  std::uint16_t port() const { return port_; }  // where the clients connect
  void finish();                                // waits for the end and expects exit status 0

 private:
  Process process_;
  std::uint16_t port_ = 0;
};

}  // namespace chorus::test
