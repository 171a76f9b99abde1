// What belongs to which step of a climb.
#include "replayer/steps.h"

#include "replayer/fanout.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace chorus::replayer;

namespace {

const std::vector<StepWindow> two{{10, 0s, 1s, 2s}, {20, 2s, 3s, 5s}};

}  // namespace

TEST_CASE("a step has its first nanosecond and not the one after its last", "[steps]") {
  CHECK_FALSE(step_at(two, -1s));
  CHECK_FALSE(step_at(two, 1s - 1ns));
  CHECK(step_at(two, 1s) == 0u);
  CHECK(step_at(two, 2s - 1ns) == 0u);
  CHECK_FALSE(step_at(two, 2s));
  CHECK_FALSE(step_at(two, 3s - 1ns));
  CHECK(step_at(two, 3s) == 1u);
  CHECK(step_at(two, 5s - 1ns) == 1u);
  CHECK_FALSE(step_at(two, 5s));
  CHECK_FALSE(step_at({}, 1s));
  const std::vector<StepWindow> adjoining{{1, 0s, 0s, 1s}, {2, 1s, 1s, 2s}};
  CHECK(step_at(adjoining, 1s - 1ns) == 0u);
  CHECK(step_at(adjoining, 1s) == 1u);
}

TEST_CASE("tallies of a step are added member by member", "[steps]") {
  StepTally a, b;
  a.sent = 1, a.unanswered = 2, a.expected = 3, a.delivered = 4;
  b.sent = 10, b.unanswered = 20, b.expected = 30, b.delivered = 40;
  a.lateness.add(1us);
  b.lateness.add(2us, 2);
  b.latency.add(3ms, 3);
  b.delivery.add(4ms, 4);
  a.merge(b);
  CHECK(a.sent == 11);
  CHECK(a.unanswered == 22);
  CHECK(a.expected == 33);
  CHECK(a.delivered == 44);
  CHECK(a.lateness.count() == 3);
  CHECK(a.lateness.max() == 2us);
  CHECK(a.latency.count() == 3);
  CHECK(a.latency.max() == 3ms);
  CHECK(a.delivery.count() == 4);
  CHECK(a.delivery.max() == 4ms);
}

TEST_CASE("copies are counted in the step that their message was intended in, whenever they come",
          "[steps][fanout]") {
  std::vector<StepTally> tallies(two.size());
  FanoutBook book(0, 3, 10s);
  book.count_steps(two, tallies);
  for (const std::uint32_t client : {0u, 1u, 2u}) book.connected(client, 100ms);
  const auto say = [&](std::uint64_t key, Nanos intended) {
    book.said({.reaches = Said::Reaches::all,
               .client = 0,
               .key = key,
               .intended = intended,
               .sent = intended + 50ms});
  };
  const auto hear = [&](std::uint64_t key, Nanos now, std::initializer_list<std::uint32_t> clients) {
    for (const std::uint32_t client : clients) book.heard(client, key, now);
  };
  say(1, 990ms);  // sent within the first window, intended before it
  hear(1, 1100ms, {1, 2});
  say(2, 1200ms);
  say(3, 1990ms);  // its copies come after the window
  hear(2, 1300ms, {1});
  hear(3, 2500ms, {1, 2});
  say(4, 2600ms);  // between the two
  hear(4, 3100ms, {1, 2});
  say(5, 4s);
  hear(5, 4010ms, {2, 2});
  book.finish(6s);

  CHECK(tallies[0].expected == 4);
  CHECK(tallies[0].delivered == 3);  // client 2 missed the second message
  CHECK(tallies[0].delivery.count() == 3);
  CHECK(tallies[0].delivery.max() == 510ms);
  CHECK(tallies[1].expected == 2);
  CHECK(tallies[1].delivered == 1);  // a copy that came twice is one
  CHECK(tallies[1].delivery.max() == 10ms);
  CHECK(tallies[0].sent == 0);  // the sender's
  CHECK(book.result().expected == 10);
  CHECK(book.result().delivered == 8);
}
