#include "traces/protocol/names.h"

#include "tests/hand_made_trace.h"

#include <catch2/catch.hpp>

namespace chorus::protocol {
namespace {

using Catch::Contains;

// A recording seen through a page; what its names are, and every message of the clients rendered for a copy.
struct Recorded {
  Page page;
  HandMadeTrace hand;
  std::vector<Conversation> group;
  Names names;

  Recorded(std::string_view page_name, HandMadeTrace trace, std::vector<Rename> renames = {})
      : page(*Page::find(page_name)), hand(std::move(trace)), group(converse(hand.trace(), page)) {
    auto found = Names::find(page, group, renames);
    if (!found) FAIL(found.error().what);
    names = std::move(*found);
  }

  CopyIndex copy(std::uint32_t index) const {
    return {index, index, static_cast<std::uint32_t>(group.size())};
  }

  // Message `n` of `member` as that member of the copy sends it.
  std::string rendered(std::uint32_t member, std::size_t n, CopyIndex index,
                       std::string* why = nullptr) const {
    const Message& message = group[member].messages[n];
    std::string out;
    const auto compiled = MessageTemplate::compile(page, names, member, message.kind, message.bytes);
    return compiled.render(page, names, index, member, out, why) ? out : "does not fit";
  }
};

HandMadeTrace chat_of_two() {
  HandMadeTrace trace;
  trace.opened(0).client(0, enter("alice")).server(0, server_message(2)).client(0, enter_room("alice", 1));
  trace.opened(1).client(1, enter("bob")).server(1, server_message(2)).client(1, enter_room("bob", 1));
  trace.client(0, multicast("alice", "hi bob, bobby and alice_!"));
  trace.client(1, unicast("alice", "bob", "1 for alice"));
  trace.client(1, unicast("carol", "bob", "who?"));
  return trace;
}

HandMadeTrace irc_of_two() {
  HandMadeTrace trace;
  trace.opened(0).client(0, "NICK alice\r\n").client(0, "USER alice 0 * :Alice of alice\r\n");
  trace.server(0, ":s 001 alice :Hi\r\n:s 376 alice :End\r\n");
  trace.client(0, "JOIN #room,#other\r\n");
  trace.opened(1).client(1, "NICK :bob\r\n").client(1, "JOIN #room\r\n");
  trace.client(1, "PRIVMSG #room :alice: malice [alice] alice' #room #roomy join\r\n");
  return trace;
}

std::vector<std::string> found(const Names& names) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < names.size(); ++i) all.push_back(names[i].recorded);
  return all;
}

std::string value_of(std::string_view text, CopyIndex index, std::uint32_t member,
                     std::string_view recorded = "x") {
  std::string out;
  ValueTemplate::parse(text)->append(out, index, member, recorded);
  return out;
}

}  // namespace

TEST_CASE("a template is text with numbers in it") {
  const CopyIndex index{17, 8, 3};
  CHECK(value_of("u{client:07}", index, 2) == "u0000053");
  CHECK(value_of("{recorded}{cohort:05}", index, 0, "#room") == "#room00008");
  CHECK(value_of("{copy}-{member}", index, 2) == "17-2");
  CHECK(value_of("{{x}}{client}", index, 0) == "{x}51");
  CHECK(value_of("{client}", {0xffffffff, 0, 0xffffffff}, 7) == "18446744065119617032");
  CHECK(ValueTemplate::parse("u{client}")->per_client());
  CHECK_FALSE(ValueTemplate::parse("u{copy}")->per_client());
  CHECK(ValueTemplate::parse(ValueTemplate::escaped("{a}"))->text() == "{{a}}");
}

TEST_CASE("a template with a mistake says what is known") {
  for (const char* text :
       {"", "{", "a}", "{clinet}", "{client:x}", "{client:99}", "{client:}", "{recorded:3}"}) {
    CHECK_FALSE(ValueTemplate::parse(text).has_value());
  }
  CHECK_THAT(ValueTemplate::parse("{nick}").error().what, Contains("known are {client}, {copy}"));
}

TEST_CASE("a rename is split at its first =") {
  CHECK(parse_rename("alice=u{client:07}")->recorded == "alice");
  CHECK(parse_rename("a=b={client}")->value == "b={client}");
  CHECK_THAT(parse_rename("alice").error().what, Contains("must be RECORDED=NEW"));
  CHECK_FALSE(parse_rename("=x").has_value());
  CHECK_FALSE(parse_rename("x=").has_value());
  CHECK_THAT(parse_rename("x={y}").error().what, Contains("--rename x={y}: "));
}

TEST_CASE("users and rooms that clients declare are names") {
  const Recorded chat("packet-chat", chat_of_two());
  CHECK(found(chat.names) == std::vector<std::string>{"alice", "1", "bob"});
  CHECK(chat.names.value(0, chat.copy(3)) == "u0000006");
  CHECK(chat.names.value(1, chat.copy(17)) == "100017");
  CHECK(chat.names.value(2, chat.copy(3)) == "u0000007");
  CHECK(chat.names.self(0) == 0);
  CHECK(chat.names.self(1) == 2);
  CHECK(chat.names.self(2) == std::nullopt);
  const Recorded irc("irc", irc_of_two());
  CHECK(found(irc.names) == std::vector<std::string>{"alice", "#room", "#other", "bob"});
}

TEST_CASE("a packet is rewritten in its fields and its text, its length made true") {
  const Recorded chat("packet-chat", chat_of_two());
  CHECK(chat.rendered(0, 0, chat.copy(5)) == enter("u0000010"));
  CHECK(chat.rendered(0, 2, chat.copy(5)) == enter_room("u0000010", 100005));
  CHECK(chat.rendered(0, 3, chat.copy(5)) == multicast("u0000010", "hi u0000011, bobby and u0000010_!"));
  CHECK(chat.rendered(1, 3, chat.copy(5)) == unicast("u0000010", "u0000011", "1 for u0000010"));
  CHECK(chat.rendered(1, 4, chat.copy(5)) == unicast("carol", "u0000011", "who?"));
}

TEST_CASE("a line is rewritten wherever a name stands, bounded by other characters than letters and digits") {
  const Recorded irc("irc", irc_of_two());
  CHECK(irc.rendered(0, 0, irc.copy(1)) == "NICK u0000002\r\n");
  CHECK(irc.rendered(0, 1, irc.copy(1)) == "USER u0000002 0 * :Alice of u0000002\r\n");
  CHECK(irc.rendered(0, 4, irc.copy(1)) == "JOIN #room00001,#other00001\r\n");
  CHECK(irc.rendered(1, 0, irc.copy(1)) == "NICK :u0000003\r\n");
  CHECK(irc.rendered(1, 2, irc.copy(1)) ==
        "PRIVMSG #room00001 :u0000002: malice [u0000002] u0000002' #room00001 #roomy join\r\n");
}

TEST_CASE("no name is replaced in the word that is the kind") {
  HandMadeTrace trace;
  trace.client(0, "NICK JOIN\r\n").client(0, "JOIN #JOIN\r\n").client(0, "PRIVMSG #JOIN :JOIN\r\n");
  const Recorded irc("irc", std::move(trace));
  CHECK(irc.rendered(0, 1, irc.copy(2)) == "JOIN #JOIN00002\r\n");
  CHECK(irc.rendered(0, 2, irc.copy(2)) == "PRIVMSG #JOIN00002 :u0000002\r\n");
}

TEST_CASE("rendered with its own recorded names a message is what was recorded") {
  const std::vector<Rename> chat_names = {{"alice", "alice"}, {"bob", "bob"}, {"1", "1"}};
  const Recorded chat("packet-chat", chat_of_two(), chat_names);
  const std::vector<Rename> irc_names = {
      {"alice", "alice"}, {"bob", "bob"}, {"#room", "#room"}, {"#other", "#other"}};
  const Recorded irc("irc", irc_of_two(), irc_names);
  for (const Recorded* recorded : {&chat, &irc}) {
    for (std::uint32_t member = 0; member < recorded->group.size(); ++member) {
      const auto& messages = recorded->group[member].messages;
      for (std::size_t n = 0; n < messages.size(); ++n) {
        if (messages[n].from == Side::client)
          CHECK(recorded->rendered(member, n, recorded->copy(9)) == messages[n].bytes);
      }
    }
  }
}

TEST_CASE("longer and shorter names keep every message whole, and normalising undoes them") {
  const std::vector<std::vector<Rename>> choices = {
      {},
      {{"alice", "a{client}"}, {"bob", "b{client}"}},
      {{"alice", "a_very_long_nickname_{client:04}"}, {"bob", "x{client:020}"}}};
  for (const auto& renames : choices) {
    const Recorded chat("packet-chat", chat_of_two(), renames);
    const Recorded irc("irc", irc_of_two(), renames);
    for (const Recorded* recorded : {&chat, &irc}) {
      for (const std::uint32_t copy : {0u, 1u, 99'999u}) {
        const auto index = recorded->copy(copy);
        const Normaliser normalise(bindings(recorded->names, index));
        for (std::uint32_t member = 0; member < recorded->group.size(); ++member) {
          const auto& messages = recorded->group[member].messages;
          for (std::size_t n = 0; n < messages.size(); ++n) {
            if (messages[n].from == Side::server) continue;
            const std::string sent = recorded->rendered(member, n, index);
            const Frame frame = next_frame(recorded->page.framing(Side::client), sent);
            CHECK(frame.is == Frame::Is::message);
            CHECK(frame.size == sent.size());
            CHECK(recorded->page.kind_of(Side::client, sent) == messages[n].kind);
            CHECK(normalise(recorded->page, Side::client, messages[n].kind, sent) == messages[n].bytes);
          }
        }
      }
    }
  }
}

TEST_CASE("normalising a server's message leaves what is not one's own copy alone") {
  const Recorded irc("irc", irc_of_two());
  const Normaliser normalise(bindings(irc.names, irc.copy(4)));
  const auto normal = [&](std::string_view line) {
    return normalise(irc.page, Side::server, irc.page.kind_of(Side::server, line), line);
  };
  CHECK(normal(":u0000008!~u0000008@localhost JOIN :#room00004\r\n") ==
        ":alice!~alice@localhost JOIN :#room\r\n");
  CHECK(normal(":u0000010!~u0000010@h PRIVMSG #room00005 :hi\r\n") ==
        ":u0000010!~u0000010@h PRIVMSG #room00005 :hi\r\n");
  CHECK(Normaliser()(irc.page, Side::server, unknown_kind, "x") == "x");
}

TEST_CASE("room numbers are no names in text") {
  HandMadeTrace trace;
  trace.client(0, enter("alice"))
      .client(0, enter_room("alice", 1))
      .client(0, multicast("alice", "room 1 and 100004"));
  const Recorded chat("packet-chat", std::move(trace));
  const std::string sent = chat.rendered(0, 2, chat.copy(4));
  CHECK(sent == multicast("u0000004", "room 1 and 100004"));
  const Normaliser normalise(bindings(chat.names, chat.copy(4)));
  CHECK(normalise(chat.page, Side::client, chat.page.kind_of(Side::client, sent), sent) ==
        multicast("alice", "room 1 and 100004"));
}

TEST_CASE("rooms of numbers differ from cohort to cohort and go back to what was recorded") {
  for (const std::uint32_t room : {0u, 1u, 12u, 0xffffffffu}) {
    HandMadeTrace trace;
    trace.client(0, enter("alice")).client(0, enter_room("alice", room));
    const Recorded chat("packet-chat", std::move(trace));
    std::vector<std::string> seen;
    for (std::uint32_t copy = 0; copy < 50; ++copy) {
      seen.push_back(chat.rendered(0, 1, chat.copy(copy)).substr(36));
      const Normaliser normalise(bindings(chat.names, chat.copy(copy)));
      const std::string sent = chat.rendered(0, 1, chat.copy(copy));
      CHECK(normalise(chat.page, Side::client, chat.page.kind_of(Side::client, sent), sent) ==
            enter_room("alice", room));
    }
    std::sort(seen.begin(), seen.end());
    CHECK(std::unique(seen.begin(), seen.end()) == seen.end());
  }
}

TEST_CASE("what does not fit is not sent, and the reason says so") {
  std::string why;
  HandMadeTrace far;
  far.client(0, enter("alice")).client(0, enter_room("alice", 30'000));
  const Recorded chat("packet-chat", std::move(far));
  CHECK(chat.rendered(0, 1, chat.copy(0), &why) == "does not fit");
  CHECK(why == "\"3000000000\" is no number that fits into a signed field of 4 bytes");

  const Recorded wide("packet-chat", chat_of_two(), {{"alice", "a{client:020}-{client:020}"}});
  CHECK(wide.rendered(0, 0, wide.copy(0)) != "does not fit");
  CHECK(wide.rendered(0, 2, wide.copy(0), &why) == "does not fit");
  CHECK_THAT(why, Contains("has 42 bytes, at most 31 fit"));

  const Recorded word("packet-chat", chat_of_two(), {{"1", "lobby"}});
  CHECK(word.rendered(0, 2, word.copy(0), &why) == "does not fit");
  CHECK(why == "\"lobby\" is no number that fits into a signed field of 4 bytes");
}

TEST_CASE("a message without names is the same for all") {
  HandMadeTrace trace;
  trace.client(0, "NICK alice\r\n").client(0, "PRIVMSG #x :hello\r\n");
  const Recorded irc("irc", std::move(trace));
  const auto compile = [&](std::size_t n) {
    const Message& message = irc.group[0].messages[n];
    return MessageTemplate::compile(irc.page, irc.names, 0, message.kind, message.bytes);
  };
  CHECK_FALSE(compile(0).constant());
  CHECK(compile(1).constant());
  CHECK(compile(0).kind() == irc.group[0].messages[0].kind);
}

TEST_CASE("a random client can send another's message under its own name") {
  const Recorded chat("packet-chat", chat_of_two());
  const Message& message = chat.group[0].messages[3];
  const auto talk = MessageTemplate::compile(chat.page, chat.names, 0, message.kind, message.bytes);
  std::string out = "kept";
  REQUIRE(talk.render(chat.page, chat.names, chat.copy(5), 1, out));
  CHECK(out == "kept" + multicast("u0000011", "hi u0000011, bobby and u0000011_!"));
  std::string why;
  CHECK_FALSE(talk.render(chat.page, chat.names, chat.copy(5), 7, out, &why));
  CHECK_THAT(why, Contains("no name of its own"));
}

TEST_CASE(
    "a client's second name follows its first or gets a letter, and it is itself by the one it logged in "
    "with") {
  HandMadeTrace trace;
  trace.client(0, "NICK alice\r\n").server(0, ":s 433 * alice :in use\r\n").client(0, "NICK alice_\r\n");
  trace.server(0, ":s 376 alice_ :End\r\n").client(0, "NICK away\r\n");
  const Recorded irc("irc", std::move(trace));
  CHECK(found(irc.names) == std::vector<std::string>{"alice", "alice_", "away"});
  CHECK(irc.names.value(1, irc.copy(3)) == "u0000003_");
  CHECK(irc.names.value(2, irc.copy(3)) == "u0000003c");
  CHECK(irc.names.self(0) == 1);
}

TEST_CASE("two connections of one user share its name") {
  HandMadeTrace trace;
  trace.client(0, "NICK alice\r\n").client(1, "NICK bob\r\n").client(2, "NICK alice\r\n");
  const Recorded irc("irc", std::move(trace));
  CHECK(found(irc.names) == std::vector<std::string>{"alice", "bob"});
  CHECK(irc.names.self(2) == 0);
  CHECK(irc.rendered(2, 0, irc.copy(1)) == "NICK u0000003\r\n");
}

TEST_CASE("a rename reaches what the page does not declare, and nothing is an error") {
  const Recorded irc("irc", irc_of_two(), {{"Alice", "Client {client}"}, {"bob", "b{client}"}});
  CHECK(irc.rendered(0, 1, irc.copy(1)) == "USER u0000002 0 * :Client 2 of u0000002\r\n");
  CHECK(irc.rendered(1, 0, irc.copy(1)) == "NICK :b3\r\n");

  const Recorded chat("packet-chat", chat_of_two(), {{"carol", "c{copy}"}});
  CHECK(chat.rendered(1, 4, chat.copy(5)) == unicast("c5", "u0000011", "who?"));

  Page page = *Page::find("irc");
  HandMadeTrace hand = irc_of_two();
  const auto group = converse(hand.trace(), page);
  const auto trouble = [&](std::vector<Rename> renames) {
    const auto names = Names::find(page, group, renames);
    return names ? std::string("none") : names.error().what;
  };
  CHECK(trouble({{"alcie", "x{client}"}}) ==
        "--rename alcie: no client of the recording sent this; found were user alice, room #room, room "
        "#other, user bob");
  CHECK_THAT(trouble({{"malic", "x{client}"}}), Contains("no client of the recording sent this"));
  CHECK(trouble({{"alice", "a"}, {"alice", "b"}}) == "--rename alice is given twice");
  CHECK_THAT(trouble({{"alice", "{x}"}}), Contains("--rename alice: "));
  CHECK_THAT(trouble({{"alice", "x{copy}"}, {"bob", "x{copy}"}}),
             Contains("alice of copy 0 and bob of copy 0 would both be called x0"));
}

TEST_CASE("a rename works on raw bytes too") {
  HandMadeTrace trace;
  trace.client(0, "hello alice\n");
  const Recorded raw("raw", std::move(trace), {{"alice", "bob{client}"}});
  CHECK(raw.rendered(0, 0, raw.copy(3)) == "hello bob3\n");
}

TEST_CASE("names that would meet in a later copy are found before the run") {
  const Recorded chat("packet-chat", chat_of_two());
  CHECK(chat.names.distinct(100'000, 2).has_value());
  const Recorded same("packet-chat", chat_of_two(), {{"alice", "x1{copy}"}, {"bob", "x{copy}"}});
  CHECK(same.names.distinct(10, 2).has_value());
  REQUIRE_FALSE(same.names.distinct(11, 2).has_value());
  HandMadeTrace rooms;
  rooms.client(0, enter("a")).client(0, enter_room("a", 1)).client(0, enter_room("a", 11));
  const Recorded two("packet-chat", std::move(rooms));
  CHECK(two.names.distinct(100'000, 1).has_value());
  REQUIRE_FALSE(two.names.distinct(100'018, 1).has_value());
  CHECK_THAT(two.names.distinct(100'018, 1).error().what, Contains("would both be called 11000"));
  CHECK(two.names.distinct(100'018, 1, 0).has_value());  // all in one cohort
}

}  // namespace chorus::protocol
