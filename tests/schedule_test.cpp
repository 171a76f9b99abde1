#include "replayer/schedule.h"

#include "tests/packet_recording.h"

#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::tests;
using replayer::Due;
using replayer::Nanos;

namespace {

// alice's score and a schedule over it, with the options of one test.
struct Stage {
  explicit Stage(replayer::Options wanted) : options(std::move(wanted)) {
    auto page = protocol::Page::find("packet-chat");
    REQUIRE(page.has_value());
    const auto conversations = protocol::converse(recording.trace(), *page);
    auto compiled = replayer::compile_score(std::move(*page), conversations, protocol::NewNames{});
    REQUIRE(compiled.has_value());
    score = std::move(*compiled);
    plan = replayer::make_plan(score, options);
    schedule.emplace(score, plan, options);
  }
  // The next thing due, as if the sender were never late.
  Due next() {
    now = std::max(now, schedule->next());
    REQUIRE(now != replayer::never);
    const auto due = schedule->take(now);
    REQUIRE(due);
    return *due;
  }

  Recording recording = alice();
  replayer::Options options;
  replayer::Score score;
  replayer::Plan plan;
  std::optional<replayer::Schedule> schedule;
  Nanos now{0};
};

replayer::Options crowd(std::uint32_t clients) {
  replayer::Options options;
  options.phase = chorus::replayer::nanoseconds{0};
  options.clients = clients;
  options.ramp = 5ms;
  return options;
}

}  // namespace

TEST_CASE("intended times follow the planned start and the recorded gaps, never the actual times",
          "[schedule]") {
  Stage stage(crowd(3));
  // Client 2 is planned for 10 ms and was accepted 300 ms late.
  stage.schedule->connected(2, 1, 310ms);
  const auto enter = stage.schedule->take(310ms);
  REQUIRE(enter);
  CHECK(enter->intended == 20ms);   // 2 * ramp + the recorded 10 ms: latency counts from here
  CHECK(enter->possible == 310ms);  // lateness does not: before, there was no connection to be late on
}

TEST_CASE("a message behind a gate waits for it, then for the think time", "[schedule]") {
  Stage stage(crowd(1));
  stage.schedule->connected(0, 1, 0ms);
  CHECK(stage.next().intended == 10ms);
  CHECK_FALSE(stage.schedule->take(20s));  // nothing, until the server answers (or the gate's timeout)
  stage.schedule->gate(0, 1, 0, 400ms);    // in the recording it came at 30 ms
  CHECK(stage.next().intended == 420ms);
  CHECK(stage.next().intended == 1370ms);  // 950 ms after the JOIN's intended time, gap as recorded
  CHECK(stage.next().intended == 2870ms);
}

TEST_CASE("a late sender does not move later intended times", "[schedule]") {
  Stage stage(crowd(1));
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->gate(0, 1, 0, 30ms);
  std::vector<Nanos> intended;
  while (const auto due = stage.schedule->take(10s))
    intended.push_back(due->intended);  // asleep for ten seconds
  CHECK(intended == std::vector<Nanos>{10ms, 50ms, 1000ms, 2500ms, 3000ms, 3012ms});
}

TEST_CASE("speed divides think times and gaps", "[schedule]") {
  auto options = crowd(1);
  options.speed = 2;
  Stage stage(options);
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->gate(0, 1, 0, 30ms);
  CHECK(stage.next().intended == 5ms);
  CHECK(stage.next().intended == 40ms);  // the gate at 30 ms, then half of 20 ms
  CHECK(stage.next().intended == 515ms);
}

TEST_CASE("a gate that never opens gives the client up at its timeout", "[schedule]") {
  auto options = crowd(1);
  options.timeout = 2s;
  Stage stage(options);
  stage.schedule->connected(0, 1, 0ms);
  stage.next();
  const Due due = stage.next();
  CHECK(due.action == Due::Do::give_up);
  CHECK(stage.now == 2010ms);
}

TEST_CASE("the last message and the close are told apart", "[schedule]") {
  Stage stage(crowd(1));
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->gate(0, 1, 0, 30ms);
  for (int i = 0; i < 4; ++i) CHECK_FALSE(stage.next().last_words);
  CHECK(stage.next().last_words);
  CHECK(stage.next().action == Due::Do::close);
  CHECK(stage.schedule->next() == replayer::never);
}

TEST_CASE("what belongs to an ended connection is not sent", "[schedule]") {
  Stage stage(crowd(1));
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->gone(0, 1);
  stage.schedule->gate(0, 1, 0, 30ms);
  CHECK_FALSE(stage.schedule->take(1h));
}

TEST_CASE("a retried connection starts from its own time", "[schedule]") {
  Stage stage(crowd(1));
  stage.schedule->connected(0, 1, 0ms);
  stage.next();
  stage.schedule->gone(0, 1);
  stage.schedule->connected(0, 2, 900ms);
  const Due due = stage.next();
  CHECK(due.intended == 910ms);
  CHECK(due.generation == 2);
}

TEST_CASE("the random schedule sends on an absolute grid once the first client has joined", "[schedule]") {
  auto options = crowd(4);
  options.schedule = replayer::ScheduleKind::random;
  options.send_every = 30ms;
  Stage stage(options);
  stage.schedule->connected(1, 1, 5ms);
  stage.schedule->gate(1, 1, 0, 30ms);
  CHECK(stage.next().intended == 15ms);  // SERVER_ENTER
  CHECK(stage.next().intended == 50ms);  // ROOM_ENTER; then the client is on stage
  for (int tick = 1; tick < 100; ++tick) {
    const Due due = stage.next();
    CHECK(due.client == 1);
    CHECK(due.intended == 50ms + 30ms * tick);
    CHECK(stage.score.messages[stage.score.parts[due.part].steps[due.step].message].kind() !=
          protocol::unknown_kind);
  }
}

TEST_CASE("the curtain sends everybody to the recorded farewell, apart from each other", "[schedule]") {
  auto options = crowd(2);
  options.schedule = replayer::ScheduleKind::random;
  Stage stage(options);
  for (std::uint32_t client = 0; client < 2; ++client) {
    stage.schedule->connected(client, 1, 0ms);
    stage.schedule->gate(client, 1, 0, 30ms);
  }
  for (int i = 0; i < 10; ++i) stage.next();
  stage.schedule->curtain(10s, 1ms);
  const Due first = stage.next(), second = stage.next();
  CHECK(first.step == 4);  // SERVER_EXIT, 500 ms after the last words as recorded
  CHECK(first.intended == 10500ms);
  CHECK(second.intended == 10501ms);
  CHECK(first.last_words);
}

TEST_CASE("who connects after the curtain, or has not logged in by then, leaves without a word",
          "[schedule]") {
  Stage stage(crowd(2));
  stage.schedule->connected(0, 1, 0ms);
  stage.next();  // SERVER_ENTER, not answered yet
  stage.schedule->curtain(10s, 0ms);
  stage.now = 10s;
  CHECK(stage.next().action == Due::Do::leave);
  stage.schedule->connected(1, 1, 11s);
  CHECK(stage.next().action == Due::Do::leave);
}

TEST_CASE("a random schedule that cannot be kept drops what is hopelessly late, and counts it",
          "[schedule]") {
  auto options = crowd(1);
  options.schedule = replayer::ScheduleKind::random;
  options.send_every = 1us;
  Stage stage(options);
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->gate(0, 1, 0, 30ms);
  stage.next();
  stage.next();
  const auto due = stage.schedule->take(20s);
  REQUIRE(due);
  CHECK(20s - due->intended <= 1s);
  CHECK(stage.schedule->dropped() > 18'000'000);
}

TEST_CASE("a loop repeats the chat without logging in again, until the curtain", "[schedule]") {
  auto options = crowd(1);
  options.loop = true;
  options.duration = 1min;
  Stage stage(options);
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->gate(0, 1, 0, 30ms);
  std::vector<std::uint32_t> steps;
  for (int i = 0; i < 8; ++i) {
    steps.push_back(stage.next().step);
  }
  CHECK(steps == std::vector<std::uint32_t>{0, 1, 2, 3, 2, 3, 2, 3});
  // A round is as long as from the first recorded chat message (1 s) to the farewell (3 s).
  CHECK(stage.score.round == 2s);
  CHECK(stage.now == 1s + 2 * 2s + 1500ms);
  stage.schedule->curtain(stage.now, 0ms);
  CHECK(stage.next().step == 4);
  CHECK(stage.next().action == Due::Do::close);
}

TEST_CASE("messages that were due and are not sent any more are counted", "[schedule]") {
  Stage stage(crowd(2));
  stage.schedule->connected(0, 1, 0ms);
  stage.schedule->connected(1, 1, 0ms);
  CHECK(stage.schedule->drop_due(12ms) == 1);  // client 1 starts 5 ms later
}
