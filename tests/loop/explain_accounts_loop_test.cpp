// A run that fails explains itself: MQTT and XMPP, where a client needs an account. Every advice that a user
// reads is followed, and must work.
#include "tests/loop/explanation.h"
#include "tests/loop/mqtt_fixture.h"
#include "tests/loop/socket.h"
#include "tests/loop/xmpp_fixture.h"

#include <fstream>

#include <catch2/catch.hpp>

using namespace chorus::test;

namespace {

constexpr Said::By client = Said::By::client, server = Said::By::server;

// Each costs seconds: recorded once, for all tests here.
const std::string& mqtt_recording() {
  static const ScratchFolder folder;
  static const std::string trace = [] {
    const std::string file = folder / "mqtt.trace";
    record_mqtt(MqttServer({.accounts = {{"alice", "a1"}, {"bob", "b2"}, {"carol", "c3"}, {"dave", "d4"}}}),
                file, MqttVersion::v311);
    return file;
  }();
  return trace;
}

const std::string& xmpp_recording() {
  static const ScratchFolder folder;
  static const std::string trace = [] {
    const std::string file = folder / "xmpp.trace";
    XmppServer xmpp;
    xmpp.account({"alice", "secret"});
    xmpp.account({"bob", "secret"});
    record_xmpp(xmpp, file);
    return file;
  }();
  return trace;
}

std::vector<std::string> replay_mqtt(const MqttServer& mqtt, const std::vector<std::string>& more) {
  auto arguments = replay_on(mqtt.address(), mqtt_recording(), {"--speed", "4"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<std::string> replay_xmpp(const XmppServer& xmpp, const std::vector<std::string>& more) {
  auto arguments = replay_on(xmpp.address(), xmpp_recording(), {"--clients", "4", "--speed", "2"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<Account> people(int count) {
  std::vector<Account> all;
  for (int i = 0; i < count; ++i) all.push_back({"zoe" + std::to_string(i), "word" + std::to_string(i)});
  return all;
}

std::string users_file(const std::filesystem::path& file, const std::vector<Account>& accounts) {
  std::ofstream text(file);
  text << "name,password\n";
  for (const Account& account : accounts) text << account.name << "," << account.password << "\n";
  return file;
}

// Somebody who sits in a room under a nickname, played by the test: logs in with PLAIN and joins.
Socket sit_in(const XmppServer& xmpp, const std::string& plain, const std::string& room,
              const std::string& nick) {
  const std::string header =
      "<stream:stream version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
      "to='localhost'>";
  Socket somebody = Socket::connect(xmpp.port());
  const auto say = [&](const std::string& text, const std::string& answer) {
    somebody.send(text);
    for (std::string heard; heard.find(answer) == std::string::npos;) {
      const std::string more = somebody.receive();
      if (more.empty()) throw std::runtime_error("prosody hung up; said " + text + ", heard " + heard);
      heard += more;
    }
  };
  say(header, "</stream:features>");
  say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success");
  say(header, "</stream:features>");
  say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</iq>");
  say("<presence to='" + room + "@conference.localhost/" + nick +
          "'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
      "<subject");
  return somebody;
}

}  // namespace

TEST_CASE("MQTT: a client id that another client takes over is explained, and one for each works",
          "[loop][explain]") {
  MqttServer mqtt;
  std::vector<std::string> recorded_names{"--clients", "12", "--no-trial", "--ramp", "100ms"};
  for (const char* name : {"alice=alice", "bob=bob", "carol=carol", "dave=dave"})
    recorded_names.insert(recorded_names.end(), {"--rename", name});
  expect_explained(replay_mqtt(mqtt, recorded_names),
                   {"the server closed the connection, and MQTT 3.1.1 gives no reason", "", " by the server",
                    "does another client use this client id (use --rename alice=u{client:07})?"});
  expect_completed(replay_mqtt(mqtt, {"--clients", "12", "--rename", "alice=u{client:07}"}));
}

// mosquitto 2.0.11 counts wrongly once it has refused somebody: each run has a broker of its own, and how
// many are in is not looked at.
TEST_CASE("MQTT: the broker's limit of connections is explained, and a raised one lets all in",
          "[loop][explain]") {
  const MqttOptions limits{.max_connections = 5, .accounts = {}};
  MqttServer limited(limits), limited_too(limits), raised;
  expect_explained(replay_mqtt(limited, {"--clients", "24", "--no-trial"}),
                   replay_mqtt(limited_too, {"--clients", "24", "--no-trial"}),
                   {"the server closed the connection without a word", "CONNACK", "the server",
                    "look for its limit of connections (mosquitto: max_connections -1)"});
  expect_completed(replay_mqtt(raised, {"--clients", "24", "--no-trial"}));
}

TEST_CASE("MQTT: a missing account and a wrong password are explained, and --users gives each client its own",
          "[loop][explain]") {
  ScratchFolder folder;
  std::vector<Account> accounts = people(8);
  MqttServer mqtt({.accounts = accounts});
  const Explanation refused{
      "CONNACK: this user may not connect: the account is missing, or its password is wrong",
      "CONNACK ( \\x02\\x00\\x00)", "CONNACK ( \\x02\\x00\\x05)",
      "give them with --users users.csv (columns name and password)"};
  expect_explained(replay_mqtt(mqtt, {"--clients", "8"}), refused);
  expect_completed(
      replay_mqtt(mqtt, {"--clients", "8", "--users", users_file(folder / "users.csv", accounts)}));
  for (Account& account : accounts) account.password = "wrong";
  expect_explained(
      replay_mqtt(mqtt, {"--clients", "8", "--users", users_file(folder / "wrong.csv", accounts)}), refused);
}

TEST_CASE("XMPP: a missing account and a wrong password are explained, and both ways out of it work",
          "[loop][explain]") {
  ScratchFolder folder;
  XmppServer xmpp;
  const Explanation refused{"FAILURE: the account is missing, or its password is wrong", "SUCCESS (<success",
                            "<not-authorized/>", "--users users.csv (columns name and password)"};
  expect_explained(replay_xmpp(xmpp, {}), refused);

  std::vector<Account> accounts = people(4);
  for (const Account& account : accounts) xmpp.account(account);
  expect_completed(replay_xmpp(xmpp, {"--users", users_file(folder / "users.csv", accounts)}));
  for (Account& account : accounts) account.password = "wrong";
  expect_explained(replay_xmpp(xmpp, {"--users", users_file(folder / "wrong.csv", accounts)}), refused);

  xmpp.accounts(6);  // with the recorded password; the trial login's two are behind the crowd's four
  expect_completed(replay_xmpp(xmpp, {}));
}

TEST_CASE("XMPP: a user who logs in a second time is explained, and an account for each client works",
          "[loop][explain]") {
  ScratchFolder folder;
  XmppServer xmpp;
  for (const char* name : {"alice", "bob"}) xmpp.account({name, "secret"});
  expect_explained(replay_xmpp(xmpp, {"--no-trial", "--rename", "alice=alice", "--rename", "bob=bob"}),
                   {"STREAM:ERROR: the same user logged in a second time", "", "<stream:error><conflict",
                    "give each client an account of its own: --users users.csv"});
  for (const Account& account : people(4)) xmpp.account(account);
  expect_completed(replay_xmpp(xmpp, {"--users", users_file(folder / "users.csv", people(4))}));
}

TEST_CASE("XMPP: a nickname in use in the room is explained, and another room or name works",
          "[loop][explain]") {
  ScratchFolder folder;
  XmppServer xmpp;
  xmpp.accounts(6);
  xmpp.account({"mallory", "secret"});
  for (const Account& account : people(4)) xmpp.account(account);
  const Socket mallory = sit_in(xmpp, "AG1hbGxvcnkAc2VjcmV0", "room00000", "u0000000");
  expect_explained(replay_xmpp(xmpp, {}), {"PRESENCE.ERROR: the nickname is already in use in this room", "",
                                           "PRESENCE.ERROR (<presence", "--rename room=test{cohort}"});
  expect_completed(replay_xmpp(xmpp, {"--rename", "room=test{cohort}"}));
  expect_completed(replay_xmpp(xmpp, {"--users", users_file(folder / "users.csv", people(4))}));
}

TEST_CASE("XMPP: what is sent too early is explained, and an unhurried recording works", "[loop][explain]") {
  ScratchFolder folder;
  XmppServer xmpp;
  xmpp.accounts(6);
  const std::string hurried = hand_made(
      folder / "hurried.trace",
      {{client,
        "<stream:stream version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' to='localhost'>"},
       {server,
        "<stream:stream id='1' version='1.0' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' from='localhost'><stream:features/>"},
       {client,
        "<presence to='room@conference.localhost/alice'><x "
        "xmlns='http://jabber.org/protocol/muc'/></presence>"},
       {server, "<presence from='room@conference.localhost/alice' to='alice@localhost/r'/>"},
       {client,
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>"},
       {server, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"}});
  expect_explained(replay_on(xmpp.address(), hurried, {"--clients", "2", "--no-trial"}),
                   {"PRESENCE.ERROR: something was said before the login was complete", "",
                    "PRESENCE.ERROR (<presence", "record again with the login unhurried"});
  expect_completed(replay_xmpp(xmpp, {}));
}
