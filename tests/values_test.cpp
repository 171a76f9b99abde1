// What a server says and a client carries on: [[extract]], [[insert]], generators, gates with alternatives
// and patience, answers that correlate, and several connections of one user.
#include "replayer/performer.h"
#include "replayer/schedule.h"
#include "tests/packet_recording.h"

#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::tests;
using namespace std::string_literals;
using protocol::Side;
using replayer::Due;
using replayer::Nanos;

namespace {

// A game whose login server hands out a token that the game server wants to see, one line a message.
constexpr std::string_view game = R"(name = "game"
[framing]
type = "line"
[kind]
word = 1
[[field]]
kinds = ["LOGIN"]
name = "user"
word = 2
role = "user"
declares = true
[[field]]
kinds = ["TOKEN"]
from = "server"
name = "token"
word = 2
[[field]]
kinds = ["JOIN"]
from = "client"
name = "token"
word = 2
[[field]]
kinds = ["SAY", "SAID"]
name = "number"
word = 2
[[field]]
kinds = ["SAY"]
from = "client"
name = "when"
word = 3
[[extract]]
variable = "token"
kinds = "TOKEN"
field = "token"
[[insert]]
kinds = "JOIN"
field = "token"
value = "{token}"
[[insert]]
kinds = "SAY"
field = "when"
value = "{time_ms}-{counter:03}-{random:4}"
[login]
ready = { kinds = "WELCOME" }
[[gate]]
kinds = ["WELCOME", "BUSY"]
proceed_after = "2s"
[[answer]]
to = "SAY"
by = ["SAID", "REFUSED"]
correlation = "number"
[[field]]
kinds = ["REFUSED"]
name = "number"
word = 2
[chat]
kinds = "SAY"
)";

// alice logs in on connection 0 and plays on connection 1.
Recording session() {
  Recording r;
  r.event(0ms, 0, EventKind::Opened, "127.0.0.1:1 127.0.0.1:2");
  r.says(1ms, 0, "LOGIN alice\n").hears(2ms, 0, "TOKEN abc123\n");
  r.event(10ms, 1, EventKind::Opened, "127.0.0.1:3 127.0.0.1:2");
  r.says(12ms, 1, "JOIN abc123\n").hears(15ms, 1, "WELCOME\n");
  r.says(25ms, 1, "SAY 1 17000-000-0000\n").says(26ms, 1, "SAY 2 17001-001-0000\n");
  r.hears(30ms, 1, "SAID 2\n").hears(31ms, 1, "SAID 1\n");
  r.event(40ms, 1, EventKind::ClientEnd).event(41ms, 0, EventKind::ClientEnd);
  return r;
}

replayer::Score compiled(const Recording& recording) {
  auto page = protocol::Page::parse(game, "game.toml");
  if (!page) FAIL(page.error().what);
  const auto conversations = protocol::converse(recording.trace(), *page);
  auto score = replayer::compile_score(std::move(*page), conversations, protocol::NewNames{});
  if (!score) FAIL(score.error().what);
  return std::move(*score);
}

struct Stage {
  explicit Stage(std::uint32_t copies) {
    options.scale = copies;
    score = compiled(recording);
    plan = replayer::make_plan(score, options);
    schedule.emplace(score, plan, options);
  }
  Recording recording = session();
  replayer::Options options;
  replayer::Score score;
  replayer::Plan plan;
  // The next thing of this client that is due by then; what others do meanwhile is done.
  std::optional<Due> next_of(std::uint32_t client, Nanos now) {
    while (const auto due = schedule->take(now))
      if (due->client == client) return due;
    return std::nullopt;
  }
  std::optional<replayer::Schedule> schedule;
};

}  // namespace

TEST_CASE("a value that one connection hears is what another one of the same user carries on", "[values]") {
  const auto score = compiled(session());
  REQUIRE(score.parts.size() == 2);
  const auto& join = score.parts[1].steps[0];
  REQUIRE(join.needs.size() == 1);
  CHECK(join.needs[0].part == 0);
  CHECK(join.needs[0].count == 1);
  std::string out;
  const std::vector<std::string> heard{"xyz"};
  protocol::Moment moment;
  moment.variables = heard;
  const auto& message = score.messages[join.message];
  REQUIRE(message.render(score.page, score.names, {0, 0, 2}, 1, out, nullptr, &moment));
  CHECK(out == "JOIN xyz\n");
}

TEST_CASE("a message waits for the value that it carries, wherever it is heard", "[values]") {
  Stage stage(2);
  stage.schedule->connected(3, 1, 20ms);  // the second copy's game connection; its login has said nothing yet
  CHECK_FALSE(stage.schedule->take(20s));
  stage.schedule->connected(2, 1, 25s);
  stage.schedule->variable(2, 1, 0, 26s);
  const auto join = stage.next_of(3, 26s + 2ms);
  REQUIRE(join);
  CHECK(join->intended ==
        26s + 2ms);  // think time as recorded after the token, which came before the opening
}

TEST_CASE("what never comes is named", "[values]") {
  Stage stage(1);
  stage.options.timeout = 5s;
  stage.schedule->connected(1, 1, 0ms);
  const auto due = stage.schedule->take(6s);
  REQUIRE(due);
  CHECK(due->action == Due::Do::give_up);
  CHECK(stage.schedule->missing(*due) == "value for {token}");
}

TEST_CASE("any kind of a gate opens it, and a patient one is passed in the end and counted", "[values]") {
  Stage stage(1);
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->variable(0, 1, 0, 1s);
  stage.schedule->connected(1, 1, 1s);
  REQUIRE(stage.next_of(1, 2s));  // JOIN
  CHECK_FALSE(stage.next_of(1, 3s));
  const auto busy = stage.score.page.kind_of(Side::server, "BUSY\n"s);
  const auto welcome = stage.score.page.kind_of(Side::server, "WELCOME\n"s);
  CHECK(stage.score.page.gate_of(busy) == stage.score.page.gate_of(welcome));
  const auto due = stage.next_of(1, 5s);  // 2 s after JOIN nobody waits any more
  REQUIRE(due);
  CHECK(due->action == Due::Do::send);
  CHECK(stage.schedule->proceeded() == 1);
}

TEST_CASE("a keep-alive is sent after the recorded silence, at any speed, and is no step of the script",
          "[values]") {
  auto page = protocol::Page::parse(std::string(game) + "[keepalive]\nkinds = \"PING\"\n", "game.toml");
  REQUIRE(page.has_value());
  Recording recording;
  recording.event(0ms, 0, EventKind::Opened, "127.0.0.1:1 127.0.0.1:2");
  recording.says(1ms, 0, "LOGIN alice\n").says(1001ms, 0, "PING\n").says(2101ms, 0, "PING\n");
  recording.says(2401ms, 0, "SAY 1 x\n").event(2501ms, 0, EventKind::ClientEnd);
  const auto conversations = protocol::converse(recording.trace(), *page);
  auto score = replayer::compile_score(std::move(*page), conversations, protocol::NewNames{});
  REQUIRE(score.has_value());
  REQUIRE(score->parts[0].keepalive);
  CHECK(score->parts[0].keepalive->wait == 1100ms);  // the longest silence before one
  CHECK(score->parts[0].steps.size() == 3);
  replayer::Options options;
  options.phase = chorus::replayer::nanoseconds{0};
  options.scale = 1;
  options.speed = 0.5;  // the recorded 2.4 s between two messages become 4.8 s
  const replayer::Plan plan = replayer::make_plan(*score, options);
  replayer::Schedule schedule(*score, plan, options);
  schedule.connected(0, 1, 0ms);
  std::vector<std::pair<std::uint32_t, Nanos>> sent;
  while (const auto due = schedule.take(10s)) sent.emplace_back(due->step, due->intended);
  CHECK(sent == std::vector<std::pair<std::uint32_t, Nanos>>{
                    {0, 2ms}, {3, 1102ms}, {3, 2202ms}, {3, 3302ms}, {3, 4402ms}, {1, 4802ms}, {2, 5002ms}});
}

TEST_CASE("keep-alives that were recorded at one moment do not become a flood", "[values]") {
  auto page = protocol::Page::parse(std::string(game) + "[keepalive]\nkinds = \"PING\"\n", "game.toml");
  REQUIRE(page.has_value());
  Recording recording;
  recording.event(0ms, 0, EventKind::Opened, "127.0.0.1:1 127.0.0.1:2");
  recording.says(1ms, 0, "LOGIN alice\n").says(1ms, 0, "PING\n").says(1ms, 0, "PING\n");
  const auto conversations = protocol::converse(recording.trace(), *page);
  const auto score = replayer::compile_score(std::move(*page), conversations, protocol::NewNames{});
  REQUIRE(score.has_value());
  CHECK(score->parts[0].keepalive->wait == 100ms);
}

TEST_CASE("generators are written anew in each message", "[values]") {
  const auto score = compiled(session());
  const auto& say = score.messages[score.parts[1].steps[1].message];
  std::mt19937_64 random(1);
  protocol::Moment moment;
  moment.wall_ms = 1234567;
  moment.counter = 7;
  moment.random = &random;
  std::string one, two;
  REQUIRE(say.render(score.page, score.names, {0, 0, 2}, 1, one, nullptr, &moment));
  REQUIRE(say.render(score.page, score.names, {0, 0, 2}, 1, two, nullptr, &moment));
  CHECK(one.substr(0, 18) == "SAY 1 1234567-007-");
  CHECK(one.size() == 23);
  CHECK(one != two);
}

TEST_CASE("an answer belongs to the message with the same number, not to the oldest", "[values]") {
  struct Notes final : replayer::Stage {
    void on_gate(std::uint16_t, Nanos) override {}
    void on_ready(Nanos) override {}
    void on_reply(std::string) override {}
    void on_answer(const replayer::Awaited& awaited, protocol::KindId, Nanos) override {
      answered.push_back(awaited.step);
    }
    void on_variable(std::uint16_t, std::string value, Nanos) override { values.push_back(value); }
    void on_removed(std::string_view) override {}
    void on_delivery(std::uint64_t, Nanos) override {}
    void on_failure(const protocol::FailureRule&, protocol::KindId, protocol::Bytes) override {}
    void on_broken(const char*) override {}
    void on_message(protocol::KindId) override {}
    std::vector<std::uint32_t> answered;
    std::vector<std::string> values;
  } notes;
  const auto score = compiled(session());
  const auto& steps = score.parts[1].steps;
  CHECK(steps[1].answered);
  CHECK(steps[2].answered);
  replayer::Performer performer;
  performer.begin();
  for (const std::uint32_t step : {1u, 2u}) {
    const std::string sent = "SAY " + std::to_string(step) + " x\n";
    const auto& rule = score.page.answers()[steps[step].rule];
    const auto kind = score.page.kind_of(Side::client, sent);
    performer.await({0ms, step, 1, steps[step].rule, score.page.correlation(rule, Side::client, kind, sent)});
  }
  performer.feed(score, score.parts[1], {}, "REFUSED 2\nTOKEN next\nSAID 1\nSAID 3\n", 1ms, notes);
  CHECK(notes.answered == std::vector<std::uint32_t>{2, 1});
  CHECK(notes.values == std::vector<std::string>{"next"});
}

TEST_CASE("what is handed out and what is written anew is not compared", "[values]") {
  auto page = protocol::Page::parse(game, "game.toml");
  REQUIRE(page.has_value());
  std::vector<protocol::FieldSpan> spans;
  const std::string token = "TOKEN abc\n", join = "JOIN abc\n";
  page->masked(Side::server, page->kind_of(Side::server, token), token, spans);
  page->masked(Side::client, page->kind_of(Side::client, join), join, spans);
  REQUIRE(spans.size() == 2);
  CHECK(spans[0].at == 6);
  CHECK(spans[1].at == 5);
}
