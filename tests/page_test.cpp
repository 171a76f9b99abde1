#include "traces/protocol/page.h"

#include "tests/hand_made_trace.h"
#include "tests/small_page.h"
#include "traces/protocol/builtin_pages.h"
#include "traces/protocol/framing.h"

#include <catch2/catch.hpp>

namespace chorus::protocol {
namespace {

Page builtin(std::string_view name) {
  auto page = Page::find(name);
  if (!page) FAIL(page.error().what);
  return std::move(*page);
}

std::vector<std::string> named(std::string_view name) {
  return {std::string(name)};
}

KindId kind(const Page& page, Side side, std::string_view message) {
  return page.kind_of(side, message);
}

std::string name_of(const Page& page, std::string_view message) {
  return std::string(page.kind_name(kind(page, Side::client, message)));
}

std::vector<std::string> values(const Page& page, Side from, Bytes message) {
  std::vector<Page::Field> fields;
  page.fields(from, page.kind_of(from, message), message, fields);
  std::vector<std::string> found;
  for (const auto& field : fields) found.push_back(Page::value(field, message));
  return found;
}

}  // namespace

using Catch::StartsWith;

TEST_CASE("every built-in page is without a mistake and carries its own name and text") {
  REQUIRE(builtin_pages().size() >= 2);
  for (const BuiltinPage& builtin_page : builtin_pages()) {
    const Page page = builtin(builtin_page.name);
    CHECK(page.name() == builtin_page.name);
    CHECK(page.text() == builtin_page.text);
    CHECK_FALSE(page.summary().empty());
    CHECK_FALSE(page.is_raw());
  }
}

TEST_CASE("an unknown protocol is answered with those that exist") {
  const auto page = Page::find("ircc");
  REQUIRE_FALSE(page.has_value());
  CHECK_THAT(page.error().what, StartsWith("no protocol is called \"ircc\"; built in are"));
  CHECK_THAT(page.error().what, Catch::Contains("irc, mqtt, mqtt5, packet-chat"));
  CHECK_THAT(Page::find("./nowhere.toml").error().what, StartsWith("cannot read the page ./nowhere.toml"));
  CHECK_THAT(Page::find("/").error().what, StartsWith("cannot read the page /"));
}

TEST_CASE("the raw page frames, names and judges nothing") {
  Page page = Page::raw();
  CHECK(page.is_raw());
  CHECK(page.learn_kind(Side::client, "hello") == unknown_kind);
  CHECK(page.kind_name(unknown_kind) == "?");
  CHECK(page.recognises("hello", "hello") == 0);
}

TEST_CASE("a kind is the first word that is neither prefix nor tag, in capitals") {
  Page page = builtin("irc");
  CHECK(name_of(page, "NICK alice\r\n") == "NICK");
  CHECK(name_of(page, "nick alice\r\n") == "NICK");
  CHECK(name_of(page, ":srv 001 alice :Welcome\r\n") == "001");
  CHECK(name_of(page, "@time=12;x=y :alice!~a@h PRIVMSG #room :hi\r\n") == "PRIVMSG");
  CHECK(name_of(page, "QUIT\r\n") == "QUIT");
  CHECK(name_of(page, "\r\n") == "?");
  CHECK(name_of(page, ":a  :b  who x") == "WHO");
  CHECK(name_of(page, ":prefix\r\n") == "?");
}

TEST_CASE("kinds that a page does not list are learned, but not without end") {
  Page page = builtin("irc");
  const auto before = page.kinds();
  CHECK(page.kind_of(Side::client, "FROB x\r\n") == unknown_kind);
  const KindId frob = page.learn_kind(Side::client, "FROB x\r\n");
  CHECK(frob == before);
  CHECK(page.kind_of(Side::server, "frob\r\n") == frob);
  CHECK(page.kind_name(frob) == "FROB");
  CHECK_FALSE(page.use(Side::client, frob).answered);
  CHECK(page.learn_kind(Side::client, std::string(48, 'x') + "\r\n") == unknown_kind);
  CHECK(page.learn_kind(Side::client, "\x01\x02\r\n") == unknown_kind);
  for (int i = 0; i < 10'000; ++i) page.learn_kind(Side::client, "W" + std::to_string(i) + "\r\n");
  CHECK(page.kinds() <= 4096);

  Page binary = builtin("packet-chat");
  CHECK(binary.kind_name(binary.learn_kind(Side::client, packet(77, "x"))) == "77");
  CHECK(binary.learn_kind(Side::client, "ab") == unknown_kind);
}

TEST_CASE("fields of a packet are found where they are and decoded") {
  const Page page = builtin("packet-chat");
  CHECK(values(page, Side::client, enter("alice")) == std::vector<std::string>{"alice"});
  CHECK(values(page, Side::client, enter_room("alice", 7)) == std::vector<std::string>{"alice", "7"});
  CHECK(values(page, Side::client, enter_room("alice", 0xffffffff)) ==
        std::vector<std::string>{"alice", "-1"});
  CHECK(values(page, Side::client, unicast("bob", "alice", "hi")) ==
        std::vector<std::string>{"bob", "alice", "hi"});
  CHECK(values(page, Side::client, packet(21, "short")).empty());
  CHECK(values(page, Side::client, multicast(std::string(32, 'x'), "t")) ==
        std::vector<std::string>{std::string(32, 'x'), "t"});
}

TEST_CASE("one JOIN can name several rooms") {
  const Page page = builtin("irc");
  CHECK(values(page, Side::client, "JOIN #a,#b,&c key1,key2\r\n") ==
        std::vector<std::string>{"#a", "#b", "&c"});
  CHECK(values(page, Side::client, "JOIN :#a\r\n") == std::vector<std::string>{"#a"});
  CHECK(values(page, Side::client, "JOIN 0\r\n").empty());
  CHECK(values(page, Side::client, "NICK :alice\r\n") == std::vector<std::string>{"alice"});
}

TEST_CASE("a message is one's own when its own field is oneself") {
  const Page irc = builtin("irc");
  const auto own = [&](std::string_view line, std::string_view self) {
    return irc.is_own(irc.kind_of(Side::server, line), line, named(self));
  };
  CHECK(own(":alice!~a@localhost JOIN :#room\r\n", "alice"));
  CHECK_FALSE(own(":alice2!~a@localhost JOIN :#room\r\n", "alice"));
  CHECK_FALSE(own(":bob!~b@localhost PRIVMSG alice :hi\r\n", "alice"));
  CHECK(own("@time=1 :alice MODE alice :+i\r\n", "alice"));
  CHECK(own(":srv 001 bob :Welcome\r\n", "alice"));  // numerics are always one's own
  CHECK_FALSE(own(":alice!a@h JOIN #room\r\n", ""));

  const Page chat = builtin("packet-chat");
  const std::string message = multicast("alice", "bob");
  CHECK(chat.is_own(kind(chat, Side::server, message), message, named("alice")));
  CHECK_FALSE(chat.is_own(kind(chat, Side::server, message), message, named("bob")));
  CHECK_FALSE(chat.is_own(kind(chat, Side::server, message), message, named("alic")));
  const std::string leave = packet(12, std::string("alice\0", 6));
  CHECK(chat.is_own(kind(chat, Side::server, leave), leave, named("alice")));
}

TEST_CASE("a PING is answered with its own parameter, and the recorded PONG is dropped") {
  const Page page = builtin("irc");
  const auto reply = [&](std::string_view line) {
    std::string out = "x";
    return page.reply(page.kind_of(Side::server, line), line, out) ? out : "no reply";
  };
  CHECK(reply("PING :irc.local\r\n") == "xPONG :irc.local\r\n");
  CHECK(reply(":srv PING 12345\r\n") == "xPONG 12345\r\n");
  CHECK(reply("PING\r\n") == "no reply");
  CHECK(reply(":srv NOTICE * :PING\r\n") == "no reply");
  CHECK(page.use(Side::server, kind(page, Side::server, "PING :x\r\n")).replied);
  CHECK(page.use(Side::client, kind(page, Side::client, "PONG :x\r\n")).dropped);
  CHECK_FALSE(page.use(Side::client, kind(page, Side::client, "PING :x\r\n")).dropped);
}

TEST_CASE("a reply in a counted protocol gets its length set") {
  const auto page = Page::parse(std::string(small) +
                                    "[[reply]]\non = \"HELLO\"\npattern = \"^....(.*)\"\n"
                                    "text = \"\\u0000\\u0000\\u0002\\u0000{{{1}}}\"\n",
                                "my.toml");
  REQUIRE(page.has_value());
  const std::string hello = packet(1, "you");
  std::string out;
  REQUIRE(page->reply(page->kind_of(Side::server, hello), hello, out));
  CHECK(out == packet(2, "{you}"));
}

TEST_CASE("login ends where a page says") {
  const Page chat = builtin("packet-chat");
  const auto ready = [&](const std::string& message) {
    return chat.is_ready(kind(chat, Side::server, message), message);
  };
  CHECK(ready(server_message(2)));
  CHECK_FALSE(ready(server_message(1)));
  CHECK_FALSE(ready(packet(51, "")));
  CHECK(chat.has_ready());
  REQUIRE(chat.gates().size() == 1);
  CHECK(chat.gates().front().until_ready);
  CHECK(chat.use(Side::server, kind(chat, Side::server, server_message(2))).gates);
  const Page irc = builtin("irc");
  CHECK(irc.is_ready(kind(irc, Side::server, ":s 422 a :No MOTD\r\n"), ":s 422 a :No MOTD\r\n"));
  CHECK_FALSE(irc.is_ready(kind(irc, Side::server, ":s 001 a :Hi\r\n"), ":s 001 a :Hi\r\n"));
}

TEST_CASE("failures are told apart, and a farewell is none") {
  const Page irc = builtin("irc");
  const auto failure = [&](std::string_view line) -> std::string {
    const FailureRule* rule = irc.failure(irc.kind_of(Side::server, line), line);
    return rule ? (rule->refused ? "refused: " : "failed: ") + rule->means : "none";
  };
  CHECK(failure(":s 433 * alice :Nickname already in use\r\n") == "failed: the nickname is already in use");
  CHECK(failure(":s 432 * alice123456 :Nickname too long, max. 9 characters\r\n") ==
        "failed: the nickname is too long for this server");
  CHECK(failure(":s 432 * 1x :Erroneous nickname\r\n") ==
        "failed: the nickname is not allowed, or too long for this server");
  CHECK(failure("ERROR :Connection refused, too many connections from your IP address\r\n") ==
        "refused: the server's connection limit is reached");
  CHECK(failure("ERROR :Connection limit reached\r\n") ==
        "refused: the server's connection limit is reached");
  CHECK(failure("ERROR :Closing link: (a@h) [No more connections allowed from your host via this connect "
                "class (local)]\r\n") == "refused: the server's connection limit is reached");
  CHECK(failure("ERROR :Closing link: (a@h) [Ping timeout: 60 seconds]\r\n") ==
        "failed: the server gave up on the login or on the connection");
  CHECK(failure("ERROR :Your host is trying to (re)connect too fast -- throttled\r\n") ==
        "refused: the server throttles new connections");
  CHECK(failure("ERROR :Closing connection\r\n") == "none");
  CHECK(failure("ERROR :\"too many connections\"\r\n") == "none");  // ngircd after QUIT :too many ...
  CHECK(failure("ERROR :Closing link: (alice@127.0.0.1) [Quit: too many connections]\r\n") == "none");
  CHECK(failure("ERROR :Closing Link: host (Quit: bye)\r\n") == "none");
  CHECK(failure(":s 001 alice :433\r\n") == "none");

  const Page chat = builtin("packet-chat");
  const auto code = [&](std::uint32_t number) {
    const std::string message = server_message(number);
    return chat.failure(chat.kind_of(Side::server, message), message);
  };
  REQUIRE(code(1));
  CHECK(code(1)->means == "the nickname is already in use");
  CHECK_FALSE(code(2));
  CHECK(code(3));
  REQUIRE(chat.closed_unheard());
  CHECK(chat.closed_unheard()->refused);
}

TEST_CASE("an expression that would take for ever is no match") {
  const auto page = Page::parse(
      std::string(small) + "[[failure]]\nkinds = \"TALK\"\npattern = \"(a*)*(a*)*(a*)*b\"\nmeans = \"x\"\n",
      "my.toml");
  REQUIRE(page.has_value());
  const std::string talk = packet(2, std::string(3000, 'a'));
  CHECK(page->failure(page->kind_of(Side::server, talk), talk) == nullptr);
}

TEST_CASE("fan-out is declared per kind, and for IRC by the target") {
  const Page chat = builtin("packet-chat");
  const std::string talk = multicast("a", "t");
  const FanOut* reach = chat.fanout(kind(chat, Side::client, talk), talk);
  REQUIRE(reach);
  CHECK(reach->reaches == FanOut::Reaches::room);
  CHECK(reach->echo);
  CHECK(chat.use(Side::client, kind(chat, Side::client, talk)).chat);
  const Page irc = builtin("irc");
  const std::string_view to_room = "PRIVMSG #room :hi\r\n", to_one = "PRIVMSG bob :#hi\r\n";
  REQUIRE(irc.fanout(kind(irc, Side::client, to_room), to_room));
  CHECK(irc.fanout(kind(irc, Side::client, to_room), to_room)->reaches == FanOut::Reaches::room);
  CHECK(irc.fanout(kind(irc, Side::client, to_one), to_one)->reaches == FanOut::Reaches::one);
  CHECK(irc.fanout(kind(irc, Side::client, "WHO x\r\n"), "WHO x\r\n") == nullptr);
}

TEST_CASE("each side can be framed in its own way") {
  const auto page = Page::parse(
      "name = \"x\"\n[framing]\ntype = \"line\"\n[framing.server]\ntype = \"length\"\nwidth = 4\n"
      "endian = \"big\"\n[kind]\nword = 1\n",
      "x.toml");
  REQUIRE(page.has_value());
  CHECK(page->framing(Side::client).type == Framing::Type::line);
  CHECK(page->framing(Side::server).type == Framing::Type::length);
  CHECK(page->framing(Side::server).width == 4);
  CHECK(page->framing(Side::server).big_endian);
}

TEST_CASE("a page with its kinds renamed does the same under other names") {
  std::string text(builtin("packet-chat").text());
  for (const std::string kind : {"SERVER_ENTER", "SERVER_EXIT", "ROOM_ENTER", "ROOM_EXIT", "CHAT_BROADCAST",
                                 "CHAT_MULTICAST", "CHAT_UNICAST", "SERVER_MESSAGE"}) {
    for (auto at = text.find(kind); at != std::string::npos; at = text.find(kind, at + 1)) {
      text.replace(at, kind.size(), "X" + std::string(kind.rbegin(), kind.rend()));
    }
  }
  text.replace(text.find("name = \"packet-chat\""), 20, "name = \"copy\"");
  const auto copy = Page::parse(text, "copy.toml");
  if (!copy) FAIL(copy.error().what);
  const Page page = builtin("packet-chat");
  CHECK(copy->kinds() == page.kinds());
  for (const std::string& message : {enter("a"), enter_room("a", 3), multicast("a", "t"),
                                     unicast("b", "a", "t"), server_message(1), server_message(2)}) {
    const KindId here = kind(page, Side::client, message), there = kind(*copy, Side::client, message);
    CHECK(here == there);
    CHECK(copy->kind_name(there) != page.kind_name(here));
    CHECK(values(page, Side::client, message) == values(*copy, Side::client, message));
    CHECK(copy->is_own(there, message, named("a")) == page.is_own(here, message, named("a")));
    CHECK(copy->is_ready(there, message) == page.is_ready(here, message));
    CHECK(!copy->failure(there, message) == !page.failure(here, message));
    const auto one = copy->use(Side::client, there), other = page.use(Side::client, here);
    CHECK(one.answered == other.answered);
    CHECK(one.chat == other.chat);
  }
}

}  // namespace chorus::protocol
