#include "tests/loop/xmpp_fixture.h"

#include <filesystem>
#include <fstream>

namespace chorus::test {

XmppServer::XmppServer() {
  start([this](std::uint16_t port) { return configured(port); },
        {"Activated service 'c2s' on [", "Failed to open server port", "A problem occurred while reading"});
  std::filesystem::create_directories(folder_ / "data/localhost/accounts");
}

// Prosody refuses to be root unless it is told to, and goes on running without a port that it could not have.
std::vector<std::string> XmppServer::configured(std::uint16_t port) const {
  const std::string folder = folder_.path();
  std::ofstream(folder_ / "prosody.cfg.lua")
      << "run_as_root = true\npidfile = \"" << folder << "/pid\"\ndata_path = \"" << folder << "/data\"\n"
      << "log = { info = \"" << folder << "/log\" }\ncertificates = \"" << folder << "\"\n"
      << "interfaces = { \"127.0.0.1\" }\nc2s_ports = { " << port << " }\n"
      << "modules_enabled = { \"roster\", \"saslauth\", \"disco\", \"private\", \"ping\" }\n"
      << "modules_disabled = { \"s2s\", \"tls\" }\n"
      << "authentication = \"internal_plain\"\nstorage = \"internal\"\n"
      << "c2s_require_encryption = false\nallow_unencrypted_plain_auth = true\n"
      << "disable_sasl_mechanisms = { \"SCRAM-SHA-1\", \"SCRAM-SHA-256\", \"DIGEST-MD5\" }\n"
      << "network_settings = { tcp_backlog = 4096 }\n"
      << "VirtualHost \"localhost\"\n"
      << "Component \"conference.localhost\" \"muc\"\n  muc_room_locking = false\n";
  return {installed("/usr/bin/prosody"), "-F", "--config", folder_ / "prosody.cfg.lua"};
}

void XmppServer::account(const Account& account) {
  std::ofstream(folder_ / ("data/localhost/accounts/" + account.name + ".dat"))
      << "return { [\"password\"] = \"" << account.password << "\"; };\n";
}

void XmppServer::accounts(int count) {
  for (const Account& one : crowd_accounts(count)) account(one);
}

// Of the login the client's own presence comes back last. It is only in the log of everything that it sends
// and gets (level 3).
McabberClient::McabberClient(std::uint16_t port, const Account& account) : name_(account.name) {
  const std::filesystem::path folder = terminal_.folder().path();
  std::filesystem::create_directory(folder / "history");
  std::ofstream(folder / "mcabberrc")
      << "set jid = " << name_ << "@localhost\nset password = " << account.password
      << "\nset server = 127.0.0.1\nset port = " << port << "\nset tls = 0\nset pinginterval = 0\n"
      << "set disable_chatstates = 1\nset beep_on_message = 0\n"
      << "set logging = 1\nset log_muc_conf = 1\nset logging_dir = " << (folder / "history").string()
      << "\nset tracelog_level = 3\nset tracelog_file = " << (folder / "log").string() << "\n";
  for (const char* file : {"history", "mcabberrc"})  // mcabber wants nobody else to read them
    std::filesystem::permissions(folder / file, std::filesystem::perms::owner_all);
  terminal_.start({installed("/usr/bin/mcabber"), "-f", "mcabberrc"});
  terminal_.wait_for("log", "from='" + name_ + "@localhost/");
}

void McabberClient::join(const std::string& room) {
  terminal_.type("/room join " + room + " " + name_);
  wait_for_message(room, "You have joined");
}

void McabberClient::say(const std::string& room, const std::string& text) {
  terminal_.type("/say_to " + room + " " + text);
  wait_for_message(room, "<" + name_ + "> " + text);
}

void McabberClient::tell(const std::string& jid, const std::string& text) {
  terminal_.type("/say_to " + jid + " " + text);
}

void McabberClient::wait_for_message(const std::string& from, const std::string& text) const {
  terminal_.wait_for("history/" + from, text);
}

void McabberClient::leave(const std::string& room) {
  terminal_.type("/roster search " + room);  // a message to somebody else has opened that window
  terminal_.type("/room leave see you");
  wait_for_message(room, "You have left");
}

void McabberClient::quit() {
  terminal_.type("/quit");
  terminal_.wait_for_end();
}

void record_xmpp(const XmppServer& server, const std::string& trace) {
  const std::string room = "room@conference.localhost";
  Recording recording(server, 2, trace);
  McabberClient alice(recording.port(), {"alice", "secret"});
  McabberClient bob(recording.port(), {"bob", "secret"});
  alice.join(room);
  bob.join(room);
  alice.wait_for_message(room, "bob has joined");
  alice.say(room, "hello everybody");
  bob.wait_for_message(room, "hello everybody");
  bob.say(room, "hello alice");
  alice.wait_for_message(room, "hello alice");
  alice.say(room, "how are you");
  bob.wait_for_message(room, "how are you");
  bob.tell("alice@localhost", "only for you");
  alice.wait_for_message("bob@localhost", "only for you");
  alice.leave(room);
  bob.wait_for_message(room, "alice has left");
  bob.leave(room);
  alice.quit();
  bob.quit();
  recording.finish();
}

}  // namespace chorus::test
