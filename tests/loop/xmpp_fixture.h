// A real XMPP server and a real XMPP client, both Debian's: prosody on a free port, and mcabber, which is
// typed to in a terminal.
#pragma once

#include "tests/loop/terminal_client.h"

namespace chorus::test {

// localhost with chat rooms at conference.localhost. PLAIN without encryption: a recorder must be able to
// read along. No limits, and a room is open as soon as somebody is in it.
class XmppServer : public RealServer {
 public:
  XmppServer();
  // Accounts may be made at any time; one that is there gets the new password.
  void account(const Account& account);
  void accounts(int count);  // crowd_accounts(count)

 private:
  std::vector<std::string> configured(std::uint16_t port) const;
};

// One user of mcabber. Everything waits for what mcabber logs, until `patience`.
class McabberClient {
 public:
  McabberClient(std::uint16_t port, const Account& account);   // returns when the login is over
  void join(const std::string& room);                          // with the account's name as nick
  void say(const std::string& room, const std::string& text);  // returns when the room has repeated it
  void tell(const std::string& jid, const std::string& text);
  // A message that came from a room or from somebody; of a room also "bob has joined".
  void wait_for_message(const std::string& from, const std::string& text) const;
  void leave(const std::string& room);
  void quit();  // returns when it has ended
  const TerminalClient& terminal() const { return terminal_; }

 private:
  TerminalClient terminal_;
  std::string name_;
};

// Records alice and bob, who must have accounts: both join room@conference.localhost, alice, bob and alice
// say a line, bob tells alice something in private, both leave and quit.
void record_xmpp(const XmppServer& server, const std::string& trace);

}  // namespace chorus::test
