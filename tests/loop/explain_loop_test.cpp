// A run that fails explains itself: IRC, the packet chat, and protocols that nobody knows. Every advice that
// a user reads is followed, and must work.
#include "tests/loop/explanation.h"
#include "tests/loop/irc_fixture.h"
#include "tests/loop/socket.h"

#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

using namespace chorus::test;

namespace {

constexpr Said::By client = Said::By::client, server = Said::By::server;

std::vector<std::string> replay_irc(const IrcServer& irc, const std::vector<std::string>& more) {
  auto arguments = replay_on(irc.address(), sample("irc.trace"), {"--speed", "4"});
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// A server of the test's own: it accepts so many connections, one after another, and answers the first bytes
// of each with these; then it hangs up, or waits until the client does.
class OneAnswerServer {
 public:
  OneAnswerServer(std::string answer, int connections, bool hangs_up)
      : answer_(std::move(answer)), hangs_up_(hangs_up), thread_([this, connections] {
          for (int i = 0; i < connections; ++i) serve();
        }) {}
  ~OneAnswerServer() { thread_.join(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(listener_.port()); }

 private:
  void serve() try {
    Socket user = listener_.accept();
    user.receive();
    user.send(answer_);
    if (hangs_up_) user.end();
    user.receive_rest();
  } catch (const std::exception&) {  // nobody came, or went early: the run's account shows it
  }

  Listener listener_;
  std::string answer_;
  bool hangs_up_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("IRC: a nickname in use is explained, and both ways out of it work", "[loop][explain]") {
  IrcServer irc;
  const std::string taken = "433: the nickname is already in use";
  const std::string recorded_name = "--rename=alice=alice";
  expect_explained(replay_irc(irc, {"--clients", "4", "--no-trial", recorded_name}),
                   {taken, "", "433 (:irc.test 433 * alice :Nickname already in use)",
                    "use --rename alice=u{client:07}; if these names are taken, another letter"});
  expect_completed(replay_irc(irc, {"--clients", "4", "--rename", "alice=u{client:07}"}));

  IiClient somebody(irc.port(), "u0000002");
  expect_explained(replay_irc(irc, {"--clients", "4"}), {taken, "", "433 * u0000002 :", "another letter"});
  expect_completed(replay_irc(irc, {"--clients", "4", "--rename", "alice=v{client:07}"}));
  somebody.quit();
}

TEST_CASE("IRC: a nickname that is too long is explained, and a shorter one fits", "[loop][explain]") {
  IrcServer irc({.debian_limits = true});
  expect_explained(
      replay_irc(irc, {"--clients", "4", "--rename", "alice=averylongname{client}"}),
      {"432: the nickname is too long for this server", "001 (:irc.test 001 alice :Welcome",
       "Nickname too long, max. 9 characters", "use a shorter one, --rename alice=u{client}, or raise"});
  expect_completed(replay_irc(irc, {"--clients", "4", "--rename", "alice=u{client}"}));
}

TEST_CASE("packet chat: a nickname that does not fit its 32 bytes is refused before the run",
          "[loop][explain]") {
  ChatServer chat;
  const Finished refused = run_chorus(
      replay_on(chat.address(), sample("packet-chat.trace"),
                {"--clients", "4", "--rename", "alice=a-name-of-more-than-32-characters-{client}"}));
  INFO(refused.out << refused.err);
  CHECK(refused.status == 2);
  CHECK(refused.out.empty());
  CHECK(refused.err.find("at most 31 fit") != std::string::npos);
  CHECK(refused.err.find("choose others with --rename") != std::string::npos);
  expect_completed(replay_on(chat.address(), sample("packet-chat.trace"),
                             {"--clients", "4", "--speed", "8", "--rename", "alice=a-name-of-{client:020}"}));
}

TEST_CASE("packet chat: a nickname in use is explained, and one for each client works", "[loop][explain]") {
  ChatServer chat;
  const auto replayed = [&](const std::string& rename) {
    return replay_on(chat.address(), sample("packet-chat.trace"),
                     {"--clients", "8", "--speed", "8", "--no-trial", "--rename", rename});
  };
  expect_explained(replayed("alice=alice"),
                   {"SERVER_MESSAGE: the nickname is already in use", "SERVER_MESSAGE",
                    "SERVER_MESSAGE (\\x04\\x003\\x00\\x01", "use --rename alice=u{client:07}"});
  expect_completed(replayed("alice=u{client:07}"));
}

TEST_CASE("IRC: the server's limit of connections is explained, and a raised one lets all in",
          "[loop][explain]") {
  IrcServer limited({.connections_per_address = 10}), raised;
  expect_explained(replay_irc(limited, {"--clients", "20"}),
                   {"ERROR: the server's connection limit is reached", "", "ERROR",
                    "raise it on the test server (ngircd: MaxConnections=0 and MaxConnectionsIP=0"});
  expect_completed(replay_irc(raised, {"--clients", "20"}));
}

TEST_CASE("packet chat: a server that is full is explained, and both ways out of it work",
          "[loop][explain]") {
  ChatServer full({"--max-clients", "4"}), raised({"--max-clients", "8"});
  const auto replayed = [](const ChatServer& chat, const char* clients) {
    return replay_on(chat.address(), sample("packet-chat.trace"),
                     {"--clients", clients, "--speed", "8", "--no-trial"});
  };
  expect_explained(replayed(full, "8"), {"the server is full", "SERVER_MESSAGE", "the server",
                                         "raise the server's limit of clients, or replay fewer"});
  expect_completed(replayed(raised, "8"));
  expect_completed(replayed(full, "4"));
}

TEST_CASE("IRC: a page of one's own that returns a wrong cookie is explained, and the built-in one works",
          "[loop][explain]") {
  ScratchFolder folder;
  IrcServer irc({.auth_ping = true});
  const Explanation wrong{"NOTICE: the cookie of the server's PING came back wrong", "",
                          "To connect, type /QUOTE PONG ",
                          "[[reply]] must return the PING's whole parameter"};
  const std::string page =
      changed_page(folder / "wrong.toml", "irc", "\"PONG {1}\\r\\n\"", "\"PONG 7\\r\\n\"");
  expect_explained(replay_irc(irc, {"--clients", "4", "--protocol", page}), wrong);
  expect_completed(replay_irc(irc, {"--clients", "4"}));

  // Without the rule the recorded PONG goes out, with the recorded cookie.
  const std::string rule =
      "[[reply]]\non = \"PING\"\npattern = '^(?:[@:]\\S+ +)*PING +(.*)$'\n"
      "text = \"PONG {1}\\r\\n\"\ndrops = \"PONG\"\n";
  const std::string silent = changed_page(folder / "silent.toml", "irc", rule, "");
  const std::string asked = folder / "asked.trace";
  record_ii(irc, asked);
  expect_explained(replay_on(irc.address(), asked, {"--clients", "4", "--protocol", silent}), wrong);
  expect_completed(replay_on(irc.address(), asked, {"--clients", "4"}));
}

// irssi asks for a JOIN before it has said its name, and hears a 451, in every good session: what excuses
// that must not excuse a JOIN that was really too early.
TEST_CASE("IRC: what is sent too early is explained, and an unhurried recording works", "[loop][explain]") {
  ScratchFolder folder;
  IrcServer irc;
  const std::string hurried =
      hand_made(folder / "hurried.trace", {{client, "CAP LS 302\r\n"},
                                           {client, "JOIN :\r\n"},
                                           {server, ":irc.test CAP * LS :multi-prefix\r\n"},
                                           {server, ":irc.test 451 * :Connection not registered\r\n"},
                                           {client, "CAP END\r\n"},
                                           {client, "NICK alice\r\n"},
                                           {client, "JOIN #room\r\n"},
                                           {server, ":alice!a@b JOIN :#room\r\n"},
                                           {client, "USER alice alice 127.0.0.1 :alice\r\n"},
                                           {server, ":irc.test 001 alice :Welcome\r\n"},
                                           {server, ":irc.test 376 alice :End of MOTD\r\n"},
                                           {client, "QUIT :bye\r\n"},
                                           {server, "ERROR :\"bye\"\r\n"}});
  expect_explained(replay_on(irc.address(), hurried, {"--clients", "4"}),
                   {"451: a message came before the login was complete", "", " :Connection not registered)",
                    "record again with the login unhurried"});
  expect_completed(replay_irc(irc, {"--clients", "4"}));
}

TEST_CASE("IRC: a line that is longer than the server takes is explained, and a shorter one passes",
          "[loop][explain]") {
  IrcServer irc;
  const auto replayed = [&](std::size_t size) {
    return replay_irc(irc, {"--clients", "4", "--rename", "hello everybody=" + std::string(size, 'x')});
  };
  expect_explained(replayed(600),
                   {"ERROR: a line is longer than the server takes", "", "ERROR (ERROR :Request too long)",
                    "use shorter names and texts with --rename"});
  expect_completed(replayed(300));
}

// ngircd 26 never ends a connection for its speed: with Debian's configuration it takes about three lines a
// second and answers late. Whoever waits long enough completes.
TEST_CASE("IRC: a server whose flood protection delays is explained as slow, and more patience helps",
          "[loop][explain]") {
  ScratchFolder folder;
  IrcServer irc({.debian_limits = true});
  std::vector<Said> all{{client, "NICK alice\r\nUSER alice alice 127.0.0.1 :alice\r\n"},
                        {server, ":irc.test 001 alice :Welcome\r\n:irc.test 376 alice :End of MOTD\r\n"},
                        {client, "JOIN #room\r\n"},
                        {server, ":alice!a@b JOIN :#room\r\n"}};
  for (int i = 0; i < 15; ++i) all.push_back({client, "PRIVMSG #room :quick\r\n"});
  all.insert(all.end(), {{client, "PART #room\r\n"},
                         {server, ":alice!a@b PART #room\r\n"},
                         {client, "QUIT :bye\r\n"},
                         {server, "ERROR :\"bye\"\r\n"}});
  const std::string talk = hand_made(folder / "talk.trace", all);
  // It works off what somebody said long after they are gone, and their name is in use until then.
  const auto replayed = [&](const char* drain, const char* rename) {
    return replay_on(irc.address(), talk,
                     {"--clients", "2", "--no-trial", "--drain", drain, "--rename", rename});
  };
  expect_explained(replayed("300ms", "alice=a{client}"), replayed("300ms", "alice=b{client}"),
                   {" within 300ms of the end", "", "no answer to ", "a slow one needs a larger --drain"});
  expect_completed(replayed("60s", "alice=c{client}"));
}

// As InspIRCd says it; what it asks for (--speed, another configuration) is that server's business.
TEST_CASE("IRC: a server whose flood protection hangs up is explained", "[loop][explain]") {
  OneAnswerServer inspired("ERROR :Closing link: (u0000000@127.0.0.1) [Excess Flood]\r\n", 2, true);
  expect_explained(replay_on(inspired.address(), sample("irc.trace"), {"--clients", "1", "--no-trial"}),
                   {"ERROR: the server's flood protection ended the connection", "",
                    "ERROR (ERROR :Closing link: (u0000000@127.0.0.1) [Excess Flood])", "a lower --speed"});
}

TEST_CASE("a server of another protocol is told apart from one that is full", "[loop][explain]") {
  OneAnswerServer silent("", 2, true);
  expect_explained(
      replay_on(silent.address(), sample("irc.trace"), {"--clients", "1", "--no-trial"}),
      {"the server closed the connection without a word", "", "the server", "is it an IRC server?"});
}

TEST_CASE("a protocol that nobody knows is replayed without a judgement, which says what to do",
          "[loop][explain]") {
  ScratchFolder folder;
  const std::string game =
      hand_made(folder / "game.trace", {{client, "HELLO alice\n"}, {server, "WELCOME\n"}, {client, "BYE\n"}});
  OneAnswerServer there("WELCOME\n", 3, false);
  const auto replayed = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"--clients", "1", "--no-trial", "--drain", "200ms"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return replay_on(there.address(), game, arguments);
  };

  const Finished unjudged = run_chorus(replayed({}));
  INFO(unjudged.out << unjudged.err);
  CHECK(unjudged.status == 2);
  CHECK(unjudged.err.find("no page knows this protocol") != std::string::npos);
  CHECK(unjudged.err.find("--unjudged accepts it") != std::string::npos);
  CHECK(unjudged.out.find("1 unjudged (no page says what an answer is)") != std::string::npos);
  CHECK(ended_with(run_chorus(replayed({"--unjudged"})), 0));

  const std::string page = folder / "game.toml";
  std::ofstream(page) << "name = \"game\"\n[framing]\ntype = \"line\"\n"
                      << "[kind]\nword = 1\nnames = [\"HELLO\", \"WELCOME\", \"BYE\"]\n"
                      << "[[answer]]\nto = \"HELLO\"\nby = \"WELCOME\"\nrequired = true\n";
  expect_completed(replayed({"--protocol", page}));
}

TEST_CASE("a page that does not fit the recording is refused, and the recording's own one works",
          "[loop][explain]") {
  IrcServer irc;
  const Finished refused = run_chorus(replay_irc(irc, {"--clients", "1", "--protocol", "packet-chat"}));
  INFO(refused.out << refused.err);
  CHECK(refused.status == 2);
  CHECK(refused.out.empty());
  CHECK(refused.err.find("is not of the protocol packet-chat") != std::string::npos);
  expect_completed(replay_irc(irc, {"--clients", "1", "--protocol", "irc"}));
}
