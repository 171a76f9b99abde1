// A real IRC server and a real IRC client, both Debian's: ngircd on a free port, and `ii`, which is driven
// through the files that it is made of. What is missing is an error, never a test passed over: ./dev test
// installs both.
#pragma once

#include "tests/loop/process.h"

#include <memory>
#include <string>

namespace chorus::test {

struct IrcOptions {
  int connections_per_address = 0;  // MaxConnectionsIP: 0 = no limit; Debian's own configuration has 10
  bool auth_ping = false;  // RequireAuthPing: who does not return the PING's cookie is not registered
};

// Killed by its process id. Throws when it cannot be started; all other limits of a test server are lifted.
class IrcServer {
 public:
  explicit IrcServer(IrcOptions options = {});
  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string log() const;  // what it has said until now

 private:
  bool start(IrcOptions options);  // false: somebody else has taken the port

  ScratchFolder folder_;
  std::unique_ptr<Process> process_;
  std::uint16_t port_ = 0;
};

// One user of `ii`. Everything waits for what ii shows, until `patience`.
class IiClient {
 public:
  IiClient(std::uint16_t port, const std::string& nick);  // returns when the login is over
  void join(const std::string& room);
  void say(const std::string& room, const std::string& text);
  void part(const std::string& room);
  void quit();  // returns when it has ended

 private:
  std::filesystem::path place(const std::string& room) const;  // "" = the server
  void type(const std::string& room, const std::string& line);
  void wait_for(const std::filesystem::path& file, const std::string& text);

  ScratchFolder folder_;
  Process process_;
};

// Records one session of ii as alice: #room, two lines, a second of it pauses as a person makes them.
void record_ii(const IrcServer& server, const std::string& trace);

}  // namespace chorus::test
