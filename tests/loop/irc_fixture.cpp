#include "tests/loop/irc_fixture.h"

#include "tests/loop/socket.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

namespace chorus::test {
namespace {

using std::chrono::milliseconds;
constexpr const char* ngircd = "/usr/sbin/ngircd";
constexpr const char* ii = "/usr/bin/ii";
constexpr milliseconds think_time{300};  // of the person who types: it belongs to the recording

std::string installed(const char* program) {
  if (::access(program, X_OK) != 0)
    throw std::runtime_error(std::string(program) + " is not installed; ./dev test installs it");
  return program;
}

std::string content(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

// Files say nothing when they change.
void wait_until(const std::function<bool()>& done, const std::function<std::string()>& what) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) throw std::runtime_error("waited in vain: " + what());
    std::this_thread::sleep_for(milliseconds(5));
  }
}

// Nobody is named to run as: started by root it becomes nobody by itself, and anybody else it stays.
std::string configuration(std::uint16_t port, const IrcOptions& options) {
  std::ostringstream text;
  text << "[Global]\nName = irc.test\nInfo = chorus test server\nAdminEMail = admin@irc.test\n"
       << "MotdPhrase = hello\nListen = 127.0.0.1\nPorts = " << port << "\n"
       << "[Limits]\nMaxConnections = 0\nMaxConnectionsIP = " << options.connections_per_address << "\n"
       << "MaxJoins = 0\nMaxNickLength = 31\nMaxPenaltyTime = 0\nMaxListSize = 0\n"
       << "[Options]\nDNS = no\nIdent = no\nPAM = no\nRequireAuthPing = "
       << (options.auth_ping ? "yes" : "no") << "\n";
  return text.str();
}

}  // namespace

IrcServer::IrcServer(IrcOptions options) {
  for (int attempt = 0; attempt < 20; ++attempt)
    if (start(options)) return;
  throw std::runtime_error("ngircd found no free port:\n" + log());
}

// Its log goes to a file: it would stand still on a pipe that nobody empties.
bool IrcServer::start(IrcOptions options) {
  port_ = Listener().port();
  const std::string file = folder_ / "ngircd.conf";
  std::ofstream(file) << configuration(port_, options);
  process_ = std::make_unique<Process>(std::vector<std::string>{
      "sh", "-c", "exec \"$0\" -n -f \"$1\" > \"$2\" 2>&1", installed(ngircd), file, folder_ / "log"});
  const auto has = [this](const char* text) { return log().find(text) != std::string::npos; };
  wait_until([&] { return has(") ready.") || has("exiting due to fatal errors"); },
             [&] { return "ngircd to be ready; it said:\n" + log(); });
  if (has(") ready.")) return true;
  if (has("Address already in use")) return false;
  throw std::runtime_error("ngircd did not start:\n" + log());
}

std::string IrcServer::log() const {
  return content(folder_ / "log");
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
  wait_until([&] { return content(file).find(text) != std::string::npos; },
             [&] { return "ii to show \"" + text + "\"; it showed:\n" + content(file); });
}

// ii makes its FIFO, and opens it anew after every writer: until then nobody reads.
void IiClient::type(const std::string& room, const std::string& line) {
  const std::filesystem::path fifo = place(room) / "in";
  std::this_thread::sleep_for(think_time);
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

void record_ii(const IrcServer& server, const std::string& trace) {
  Process recorder({CHORUS_EXECUTABLE, "record", "--listen", "127.0.0.1:0", "--upstream", server.address(),
                    "--sessions", "1", "-o", trace});
  const std::string line = recorder.err_line_with("recording 127.0.0.1:");
  IiClient alice(static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1))), "alice");
  alice.join("#room");
  alice.say("#room", "hello everybody");
  alice.say("#room", "this is alice");
  alice.part("#room");
  alice.quit();
  if (const int status = recorder.wait(); status != 0)
    throw std::runtime_error("chorus record ended with " + std::to_string(status) + ": " +
                             recorder.err_rest());
}

}  // namespace chorus::test
