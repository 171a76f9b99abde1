#include "tests/loop/irc_fixture.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <unistd.h>

namespace chorus::test {
namespace {

constexpr const char* ngircd = "/usr/sbin/ngircd";
constexpr const char* ii = "/usr/bin/ii";
constexpr const char* irssi = "/usr/bin/irssi";

std::string limits(const IrcOptions& options) {
  if (options.debian_limits)
    return "MaxConnections = 500\nMaxConnectionsIP = 10\nMaxJoins = 10\nPingTimeout = 120\nPongTimeout = "
           "20\n";
  return "MaxConnections = 0\nMaxConnectionsIP = " + std::to_string(options.connections_per_address) +
         "\nMaxJoins = 0\nMaxNickLength = 31\nMaxPenaltyTime = 0\nMaxListSize = 0\n";
}

// Nobody is named to run as: started by root it becomes nobody by itself, and anybody else it stays.
std::string configuration(std::uint16_t port, const IrcOptions& options) {
  std::ostringstream text;
  text << "[Global]\nName = irc.test\nInfo = chorus test server\nAdminEMail = admin@irc.test\n"
       << "MotdPhrase = hello\nListen = 127.0.0.1\nPorts = " << port << "\n"
       << "[Limits]\n"
       << limits(options) << "[Options]\nDNS = no\nIdent = no\nPAM = no\nRequireAuthPing = "
       << (options.auth_ping ? "yes" : "no") << "\n";
  return text.str();
}

}  // namespace

IrcServer::IrcServer(IrcOptions options) {
  start(
      [&](std::uint16_t port) {
        const std::string file = folder_ / "ngircd.conf";
        std::ofstream(file) << configuration(port, options);
        return std::vector<std::string>{installed(ngircd), "-n", "-f", file};
      },
      {") ready.", "Address already in use", "exiting due to fatal errors"});
}

IiClient::IiClient(std::uint16_t port, const std::string& nick)
    : process_({installed(ii), "-s", "127.0.0.1", "-p", std::to_string(port), "-i", folder_.path().string(),
                "-n", nick, "-f", nick}) {
  wait_for(place("") / "out", "End of MOTD");
}

std::filesystem::path IiClient::place(const std::string& room) const {
  const std::filesystem::path server = folder_ / "127.0.0.1";
  return room.empty() ? server : server / room;
}

void IiClient::wait_for(const std::filesystem::path& file, const std::string& text) {
  wait_for_text(file, text, "ii");
}

// ii makes its FIFO, and opens it anew after every writer: until then nobody reads.
void IiClient::type(const std::string& room, const std::string& line) {
  const std::filesystem::path fifo = place(room) / "in";
  think();
  int file = -1;
  wait_until([&] { return (file = ::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0; },
             [&] { return "ii to read " + fifo.string() + ": " + std::strerror(errno); });
  const std::string text = line + "\n";
  const ssize_t written = ::write(file, text.data(), text.size());
  ::close(file);
  if (written != static_cast<ssize_t>(text.size())) throw std::runtime_error("ii did not take: " + line);
}

void IiClient::join(const std::string& room) {
  type("", "/j " + room);
  wait_for(place("") / "out", room + " End of NAMES");
}

void IiClient::say(const std::string& room, const std::string& text) {
  type(room, text);
  wait_for(place(room) / "out", text);
}

void IiClient::part(const std::string& room) {
  type(room, "/l bye");
  wait_until([&] { return !std::filesystem::exists(place(room) / "in"); },
             [] { return "ii to leave the room"; });
}

void IiClient::quit() {
  type("", "/q");
  if (const int status = process_.wait(); status != 0)
    throw std::runtime_error("ii ended with " + std::to_string(status) + ": " + process_.err_rest());
}

// Everything that any window shows goes to one file at once. irssi sends a line each 2.2 s once it has sent
// five: longer than a test wants to wait.
IrssiClient::IrssiClient(std::uint16_t port, const std::string& nick) : nick_(nick) {
  std::ofstream(terminal_.folder() / "config")
      << "settings = { core = { real_name = \"" << nick << "\"; user_name = \"" << nick << "\"; nick = \""
      << nick << "\"; }; \"irc/core\" = { cmd_queue_speed = \"100msec\"; }; };\n"
      << "logs = { log = { auto_open = \"yes\"; level = \"ALL\"; }; };\n";
  terminal_.start({installed(irssi), "--home=.", "-c", "127.0.0.1", "-p", std::to_string(port), "-n", nick});
  wait_for("End of MOTD");
}

void IrssiClient::wait_for(const std::string& text) const {
  terminal_.wait_for("log", text);
}

void IrssiClient::join(const std::string& room) {
  terminal_.type("/join " + room);
  wait_for("Join to " + room + " was synced");
}

void IrssiClient::say(const std::string& room, const std::string& text) {
  terminal_.type("/msg " + room + " " + text);
  wait_for(text);
}

void IrssiClient::part(const std::string& room) {
  terminal_.type("/part " + room + " bye");
  wait_for("has left " + room);
}

void IrssiClient::quit() {
  terminal_.type("/quit");
  terminal_.wait_for_end();
}

namespace {

template <class User>
void record(const IrcServer& server, const std::string& trace) {
  Recording recording(server, 1, trace);
  User alice(recording.port(), "alice");
  alice.join("#room");
  alice.say("#room", "hello everybody");
  alice.say("#room", "this is alice");
  alice.part("#room");
  alice.quit();
  recording.finish();
}

}  // namespace

void record_ii(const IrcServer& server, const std::string& trace) {
  record<IiClient>(server, trace);
}

void record_irssi(const IrcServer& server, const std::string& trace) {
  record<IrssiClient>(server, trace);
}

}  // namespace chorus::test
