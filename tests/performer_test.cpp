#include "replayer/performer.h"

#include "tests/packet_recording.h"

#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::tests;
using replayer::Awaited;
using replayer::KindId;
using replayer::Nanos;

namespace {

// Notes what the performer asks for.
struct Notes final : replayer::Stage {
  void on_gate(std::uint16_t slot, Nanos now) override {
    says.push_back("gate " + std::to_string(slot) + at(now));
  }
  void on_ready(Nanos now) override { says.push_back("ready" + at(now)); }
  void on_reply(std::string bytes) override { says.push_back("reply " + bytes); }
  void on_answer(const Awaited& awaited, KindId, Nanos now) override {
    says.push_back("answer to step " + std::to_string(awaited.step) + at(now));
  }
  void on_failure(const protocol::FailureRule& rule, KindId, protocol::Bytes) override {
    says.push_back("failure: " + rule.means);
  }
  void on_broken(const char* why) override { says.push_back(std::string("broken: ") + why); }
  void on_variable(std::uint16_t variable, std::string value, Nanos now) override {
    says.push_back("variable " + std::to_string(variable) + " = " + value + at(now));
  }
  void on_removed(std::string_view) override {}
  void on_delivery(std::uint64_t, Nanos) override { ++copies; }
  void on_message(KindId) override { ++messages; }
  static std::string at(Nanos now) { return " at " + std::to_string(now.count()); }

  std::vector<std::string> says;
  int messages = 0, copies = 0;
};

std::vector<std::string> named(const char* name) {
  return {name};
}

replayer::Score score_of(const Recording& recording, const char* name) {
  auto page = protocol::Page::find(name);
  REQUIRE(page.has_value());
  const auto conversations = protocol::converse(recording.trace(), *page);
  auto score = replayer::compile_score(std::move(*page), conversations, protocol::NewNames{});
  REQUIRE(score.has_value());
  return std::move(*score);
}

std::string multicast(const char* sender) {
  return chat::chat_packet(chat::Type::multicast, sender, "hello");
}

std::string refused_name() {
  std::string body;
  chat::append_u32(body, static_cast<std::uint32_t>(chat::Code::nickname_exists));
  return chat::packet(chat::Type::server_message, body);
}

}  // namespace

TEST_CASE("login opens the gate and ends in ready", "[performer]") {
  const auto score = score_of(alice(), "packet-chat");
  replayer::Performer performer;
  Notes notes;
  performer.begin();
  performer.feed(score, score.parts[0], named("u0000007"), created(), 40ns, notes);
  CHECK(notes.says == std::vector<std::string>{"gate 0 at 40", "ready at 40"});
  CHECK(performer.ready());
  performer.feed(score, score.parts[0], named("u0000007"), created(), 50ns, notes);  // gates only until ready
  CHECK(notes.says.size() == 2);
}

TEST_CASE("bytes in pieces of any size say the same as in one", "[performer]") {
  const auto score = score_of(alice(), "packet-chat");
  const std::string bytes = created() + multicast("bob") + multicast("u0000007") + multicast("carol");
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    replayer::Performer performer;
    Notes notes;
    performer.begin();
    performer.await({0ns, 2, 0, score.parts[0].steps[2].rule});
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      performer.feed(score, score.parts[0], named("u0000007"), std::string_view(bytes).substr(at, piece), 1ns,
                     notes);
    }
    CHECK(notes.messages == 4);
    CHECK(notes.says == std::vector<std::string>{"gate 0 at 1", "ready at 1", "answer to step 2 at 1"});
  }
}

TEST_CASE("an answer belongs to the oldest message that waits for it, and somebody else's is none",
          "[performer]") {
  const auto score = score_of(alice(), "packet-chat");
  replayer::Performer performer;
  Notes notes;
  performer.begin();
  const auto rule = score.parts[0].steps[2].rule;
  performer.await({0ns, 2, 0, rule});
  performer.await({0ns, 3, 0, rule});
  performer.feed(score, score.parts[0], named("u0000007"), multicast("u0000008"), 1ns, notes);
  CHECK(notes.says.empty());
  performer.feed(score, score.parts[0], named("u0000007"), multicast("u0000007"), 2ns, notes);
  CHECK(notes.says == std::vector<std::string>{"answer to step 2 at 2"});
  REQUIRE(performer.awaited().size() == 1);
  CHECK(performer.awaited()[0].step == 3);
}

TEST_CASE("a failure ends the client, whatever comes behind it", "[performer]") {
  const auto score = score_of(alice(), "packet-chat");
  replayer::Performer performer;
  Notes notes;
  performer.begin();
  performer.feed(score, score.parts[0], named("u0000007"), refused_name() + created(), 1ns, notes);
  performer.feed(score, score.parts[0], named("u0000007"), created(), 2ns, notes);
  CHECK(notes.says == std::vector<std::string>{"failure: the nickname is already in use"});
}

TEST_CASE("what the recording itself heard is no failure", "[performer]") {
  Recording irc;
  irc.event(0ms, 0, EventKind::Opened)
      .says(1ms, 0, "JOIN :\r\n")
      .hears(2ms, 0, ":s 451 * :not registered\r\n");
  irc.says(3ms, 0, "NICK alice\r\n").hears(4ms, 0, ":s 001 alice :hi\r\n");
  const auto score = score_of(irc, "irc");
  CHECK(score.parts[0].steps[0].answered);  // by the 451, as irssi's early JOIN always is
  replayer::Performer performer;
  Notes notes;
  performer.begin();
  performer.feed(score, score.parts[0], named("u0000007"), ":s 451 * :not registered\r\n", 1ns, notes);
  CHECK(notes.says.empty());
  performer.feed(score, score.parts[0], named("u0000007"), ":s 433 * u0000007 :in use\r\n", 2ns, notes);
  CHECK(notes.says.size() == 1);
}

TEST_CASE("a lying length is a typed failure, not memory", "[performer]") {
  const auto score = score_of(alice(), "packet-chat");
  replayer::Performer performer;
  Notes notes;
  performer.begin();
  performer.feed(score, score.parts[0], named("u0000007"), std::string_view("\xff\xff\x33\x00", 4), 1ns,
                 notes);
  REQUIRE(notes.says.size() == 1);
  CHECK(notes.says[0].find("broken: ") == 0);
}

TEST_CASE("a PING is replied at once with its own cookie", "[performer]") {
  Recording irc;
  irc.event(0ms, 0, EventKind::Opened).says(1ms, 0, "NICK alice\r\n").hears(2ms, 0, "PING :123\r\n");
  irc.says(3ms, 0, "PONG :123\r\n").hears(4ms, 0, ":s 001 alice :hi\r\n");
  const auto score = score_of(irc, "irc");
  CHECK(score.parts[0].steps.size() == 2);  // NICK and the close: the recorded PONG is left to the rule
  replayer::Performer performer;
  Notes notes;
  performer.begin();
  performer.feed(score, score.parts[0], named("u0000007"), "PING :98765\r\n", 1ns, notes);
  REQUIRE(notes.says.size() == 1);
  CHECK(notes.says[0] == "reply PONG :98765\r\n");
}
