// What the loop tests start: the embedded chat server on a free port, and chorus itself.
#pragma once

#include "tests/loop/process.h"

#include <boost/json/object.hpp>

namespace chorus::test {

struct Finished {
  int status = 0;
  std::string out, err;
};

// chorus with these arguments, to its end.
Finished run_chorus(std::vector<std::string> arguments);
// A replay ended with this status; or this machine was busy and the run INVALID, which says nothing about
// chorus.
bool ended_with(const Finished& replay, int status);
// The document that `--json` printed; throws when it is none.
boost::json::object document_of(const Finished& finished);

// A server that says "listening on 127.0.0.1:PORT".
class ChatServer {
 public:
  explicit ChatServer(std::vector<std::string> options = {});
  std::string address() const { return "127.0.0.1:" + port_; }
  std::uint16_t port() const { return static_cast<std::uint16_t>(std::stoi(port_)); }
  Process& process() { return process_; }

 private:
  Process process_;
  std::string port_;
};

// tests/traces/NAME
std::string sample(const std::string& name);

// A server's answer is waited for, never slept for.
inline std::vector<std::string> replay(const std::string& trace, const ChatServer& server,
                                       std::vector<std::string> more) {
  std::vector<std::string> arguments{"replay", trace, "--target", server.address(), "--json"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace chorus::test
