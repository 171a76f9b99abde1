// A real IRC server and real IRC clients, all Debian's: ngircd on a free port; `ii`, which is driven through
// the files that it is made of; and irssi, which is typed to in a terminal.
#pragma once

#include "tests/loop/terminal_client.h"

namespace chorus::test {

struct IrcOptions {
  int connections_per_address = 0;  // MaxConnectionsIP: 0 = no limit; Debian's own configuration has 10
  bool auth_ping = false;  // RequireAuthPing: who does not return the PING's cookie is not registered
  // The limits are those of the configuration that Debian installs, or, where it is silent, ngircd's own: 500
  // connections, 10 of one address (connections_per_address is not looked at), 10 rooms, nicks of 9 letters.
  bool debian_limits = false;
};

// All limits that the options do not name are lifted.
class IrcServer : public RealServer {
 public:
  explicit IrcServer(IrcOptions options = {});
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

// One user of irssi, with all of irssi's habits but no configuration. Everything waits for what irssi logs.
class IrssiClient {
 public:
  IrssiClient(std::uint16_t port, const std::string& nick);  // returns when the login is over
  void join(const std::string& room);
  void say(const std::string& room, const std::string& text);
  void wait_for(const std::string& text) const;  // anything that it shows, in any of its windows
  void part(const std::string& room);
  void quit();  // returns when it has ended
  const TerminalClient& terminal() const { return terminal_; }

 private:
  TerminalClient terminal_;
  std::string nick_;
};

// Record one session as alice: #room, two lines, a second of it pauses as a person makes them.
void record_ii(const IrcServer& server, const std::string& trace);
void record_irssi(const IrcServer& server, const std::string& trace);

}  // namespace chorus::test
