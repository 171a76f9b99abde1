#include "replayer/fanout.h"

#include <algorithm>
#include <ostream>
#include <random>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using chorus::replayer::Fanout;
using chorus::replayer::FanoutBook;
using chorus::replayer::Nanos;
using chorus::replayer::no_room;
using chorus::replayer::Said;

namespace {

constexpr Nanos patience = 1s;

// A book whose clock goes one millisecond a step.
struct Hall {
  explicit Hall(std::uint32_t clients = 10, std::uint32_t first = 0)
      : book(first, first + clients, patience) {
    for (std::uint32_t c = first; c < first + clients; ++c) book.connected(c, now);
  }
  void tell(Said what) {
    now += 1ms;
    what.intended = now - 500us;
    what.sent = now;
    book.said(what);
  }
  void enter(std::uint32_t client, std::uint32_t room) {
    tell({.what = Said::What::entering, .client = client, .room = room});
  }
  void entered(std::uint32_t client, std::uint32_t room) { book.entered(client, room, now += 1ms); }
  void join(std::uint32_t client, std::uint32_t room) {
    enter(client, room);
    entered(client, room);
  }
  void leave(std::uint32_t client, std::uint32_t room = no_room) {
    tell({.what = Said::What::leaving, .client = client, .room = room});
  }
  void say(std::uint32_t client, std::uint32_t room, std::uint64_t key, bool echo = true) {
    tell({.reaches = Said::Reaches::room, .echo = echo, .client = client, .room = room, .key = key});
  }
  void hear(std::uint32_t client, std::uint64_t key) { book.heard(client, key, now += 1ms); }
  const Fanout& end() {
    book.finish(now);
    return book.result();
  }

  Nanos now = 1s;
  FanoutBook book;
};

struct Counts {
  std::uint64_t expected = 0, delivered = 0, duplicated = 0, ambiguous = 0, unexpected = 0;
  Counts() = default;
  Counts(std::uint64_t e, std::uint64_t d, std::uint64_t dup, std::uint64_t amb, std::uint64_t un)
      : expected(e), delivered(d), duplicated(dup), ambiguous(amb), unexpected(un) {}
  explicit Counts(const Fanout& f)
      : Counts(f.expected, f.delivered, f.duplicated, f.ambiguous, f.unexpected) {}
  friend bool operator==(const Counts&, const Counts&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Counts& c) {
    return out << c.expected << " expected, " << c.delivered << " delivered, " << c.duplicated
               << " duplicated, " << c.ambiguous << " ambiguous, " << c.unexpected << " unexpected";
  }
};

}  // namespace

TEST_CASE("a message to a room is expected at its members, and at its sender if it echoes", "[fanout]") {
  const bool echo = GENERATE(true, false);
  Hall hall;
  for (std::uint32_t c : {1, 2, 3}) hall.join(c, 7);
  hall.join(4, 8);
  hall.say(1, 7, 100, echo);
  for (std::uint32_t c : {1, 2, 3, 4}) hall.hear(c, 100);
  const Fanout& result = hall.end();
  CHECK(Counts(result) == (echo ? Counts(3, 3, 0, 0, 1) : Counts(2, 2, 0, 0, 2)));
  REQUIRE(result.rooms.size() == 1);
  CHECK(result.rooms.at(7).delivered == result.delivered);
  CHECK(result.delivery.count() == result.delivered);
  CHECK(result.delivery.max() == 3500us);  // from the intended time to the third arrival
}

TEST_CASE("who stayed long enough after a message and left without its copy has missed it", "[fanout]") {
  FanoutBook book(0, 4, patience, 500ms);
  for (std::uint32_t c : {1, 2, 3}) {
    book.connected(c, 1ms);
    book.said({.what = Said::What::entering, .client = c, .room = 7, .sent = 2ms});
    book.entered(c, 7, 3ms);
  }
  book.said(
      {.reaches = Said::Reaches::room, .client = 1, .room = 7, .key = 9, .intended = 10ms, .sent = 10ms});
  book.said({.what = Said::What::leaving, .client = 2, .room = 7, .sent = 300ms});
  book.gone(3, 700ms);
  book.finish(2s);
  CHECK(Counts(book.result()) == Counts(1, 0, 0, 1, 0));
  CHECK(book.result().gaps == std::vector<Fanout::Gap>{{3, 1, 7, 9, 10ms}});
}

TEST_CASE("a message to all is expected at everybody who was connected before it", "[fanout]") {
  FanoutBook book(5, 9, patience);
  for (std::uint32_t c : {5, 6, 7}) book.connected(c, 10ms);
  book.said({.reaches = Said::Reaches::all, .client = 5, .key = 1, .intended = 19ms, .sent = 20ms});
  book.connected(8, 21ms);
  book.heard(6, 1, 22ms);
  book.heard(8, 1, 22ms);  // it may have got in before
  book.finish(30ms);
  CHECK(Counts(book.result()) == Counts(2, 1, 0, 1, 0));
  CHECK(book.result().gaps == std::vector<Fanout::Gap>{{7, 5, chorus::replayer::everybody_room, 1, 19ms}});
}

TEST_CASE("a message to one is expected there, and at its sender if it echoes", "[fanout]") {
  const bool echo = GENERATE(true, false);
  Hall hall;
  hall.tell({.reaches = Said::Reaches::one, .echo = echo, .client = 1, .to = 2, .key = 5});
  for (std::uint32_t c : {1, 2, 3}) hall.hear(c, 5);
  const Fanout& result = hall.end();
  CHECK(Counts(result) == (echo ? Counts(2, 2, 0, 0, 1) : Counts(1, 1, 0, 0, 2)));
  CHECK(result.rooms.at(chorus::replayer::private_room).expected == result.expected);
}

TEST_CASE("a message to oneself is one copy, echo or not", "[fanout]") {
  Hall hall;
  hall.tell({.reaches = Said::Reaches::one, .echo = GENERATE(true, false), .client = 1, .to = 1, .key = 5});
  hall.hear(1, 5);
  hall.hear(1, 5);
  CHECK(Counts(hall.end()) == Counts(1, 1, 1, 0, 0));
}

TEST_CASE("books of two workers judge a room that spreads over both", "[fanout]") {
  Hall left(10, 0), right(10, 10);
  const auto both = [&](auto act) { act(left), act(right); };
  left.join(9, 3);
  right.join(10, 3);
  right.join(11, 3);
  right.now = left.now = std::max(left.now, right.now);
  both([](Hall& hall) { hall.say(9, 3, 77); });
  left.hear(9, 77);
  right.hear(10, 77);
  Fanout sum = left.end();
  sum.merge(right.end());
  CHECK(Counts(sum) == Counts(3, 2, 0, 0, 0));
  CHECK(sum.rooms.at(3).expected == 3);
  REQUIRE(sum.gaps.size() == 1);
  CHECK(sum.gaps[0].client == 11);
  CHECK(sum.gaps[0].sender == 9);
  CHECK(sum.delivery.count() == 2);
}

TEST_CASE("a repeated text is as many copies as it was said", "[fanout]") {
  Hall hall;
  for (std::uint32_t c : {1, 2, 3}) hall.join(c, 7);
  for (int i = 0; i < 100; ++i) hall.say(1, 7, 5);
  for (int i = 0; i < 100; ++i) hall.hear(2, 5);
  for (int i = 0; i < 99; ++i) hall.hear(3, 5);
  for (int i = 0; i < 101; ++i) hall.hear(1, 5);
  CHECK(Counts(hall.end()) == Counts(300, 299, 1, 0, 0));
}

TEST_CASE("a second copy is a duplicate, also when everybody has its first, and unexpected after patience",
          "[fanout]") {
  Hall hall;
  for (std::uint32_t c : {1, 2}) hall.join(c, 7);
  hall.say(1, 7, 5);
  for (std::uint32_t c : {1, 2, 2, 1}) hall.hear(c, 5);
  hall.book.sweep(hall.now + patience - 10ms);
  hall.hear(2, 5);
  hall.book.sweep(hall.now + patience);
  hall.hear(2, 5);
  CHECK(Counts(hall.end()) == Counts(2, 2, 3, 0, 1));
}

TEST_CASE("an entering that is not confirmed before the message makes the copy ambiguous", "[fanout]") {
  const bool comes = GENERATE(true, false);
  Hall hall;
  hall.join(1, 7);
  hall.enter(2, 7);
  hall.say(1, 7, 5, false);
  hall.entered(2, 7);
  if (comes) hall.hear(2, 5);
  if (comes) hall.hear(2, 5);
  hall.say(1, 7, 6, false);
  hall.hear(2, 6);
  CHECK(Counts(hall.end()) == Counts(1, 1, comes ? 1 : 0, 1, 0));
}

TEST_CASE("a copy of what was said before the entering is ambiguous if it comes, and nothing if not",
          "[fanout]") {
  const bool comes = GENERATE(true, false);
  Hall hall;
  hall.join(1, 7);
  hall.say(1, 7, 5, false);
  hall.join(2, 7);
  if (comes) hall.hear(2, 5);
  CHECK(Counts(hall.end()) == Counts(0, 0, 0, comes ? 1 : 0, 0));
}

TEST_CASE("who leaves or is gone before its copy makes it ambiguous, after it changes nothing", "[fanout]") {
  const bool before = GENERATE(true, false), gone = GENERATE(true, false), late = GENERATE(true, false);
  const std::uint32_t which = GENERATE(7u, no_room);
  Hall hall;
  for (std::uint32_t c : {1, 2}) hall.join(c, 7);
  hall.say(1, 7, 5, false);
  if (!before) hall.hear(2, 5);
  if (gone) hall.book.gone(2, hall.now += 1ms);
  if (!gone) hall.leave(2, which);
  if (before && !gone && late) hall.hear(2, 5);
  CHECK(Counts(hall.end()) == (before ? Counts(0, 0, 0, 1, 0) : Counts(1, 1, 0, 0, 0)));
}

TEST_CASE("the echo of a sender that leaves right after its message is ambiguous", "[fanout]") {
  const bool comes = GENERATE(true, false);
  Hall hall;
  for (std::uint32_t c : {1, 2}) hall.join(c, 7);
  hall.say(1, 7, 5);
  hall.leave(1);
  hall.hear(2, 5);
  if (comes) hall.hear(1, 5);
  CHECK(Counts(hall.end()) == Counts(1, 1, 0, 1, 0));
}

TEST_CASE("what is said after a leaving may still reach who left, for as long as patience", "[fanout]") {
  const bool comes = GENERATE(true, false);
  Hall hall;
  for (std::uint32_t c : {1, 2}) hall.join(c, 7);
  hall.leave(2, 7);
  hall.say(1, 7, 5, false);
  if (comes) {
    hall.hear(2, 5);
    hall.now += patience;
    hall.say(1, 7, 6, false);
    hall.hear(2, 6);
    CHECK(Counts(hall.end()) == Counts(0, 0, 0, 1, 1));
  } else {
    CHECK(Counts(hall.end()) == Counts());
  }
}

TEST_CASE("leaving all rooms is not leaving everybody; a farewell is", "[fanout]") {
  Hall hall;
  const bool farewell = GENERATE(true, false);
  if (farewell) hall.tell({.what = Said::What::farewell, .client = 2});
  if (!farewell) hall.leave(2);
  hall.tell({.reaches = Said::Reaches::one, .client = 1, .to = 2, .key = 5});
  CHECK(Counts(hall.end()) == (farewell ? Counts() : Counts(1, 0, 0, 0, 0)));
}

TEST_CASE("the confirmation of an entering that was taken back does not confirm the next one", "[fanout]") {
  Hall hall;
  hall.join(1, 7);
  hall.enter(2, 7);
  hall.leave(2, 7);
  hall.enter(2, 7);
  hall.entered(2, 7);  // of the first
  hall.say(1, 7, 5, false);
  hall.entered(2, 7);
  hall.say(1, 7, 6, false);
  CHECK(Counts(hall.end()) == Counts(1, 0, 0, 1, 0));
}

TEST_CASE("a doubt does not eat the copy of a certain message that looks the same", "[fanout]") {
  Hall hall;
  hall.join(1, 7);
  hall.say(1, 7, 5, false);
  hall.enter(2, 7);
  hall.say(1, 7, 5, false);
  hall.entered(2, 7);
  hall.say(1, 7, 5, false);
  hall.hear(2, 5);  // the server let it in after the second
  CHECK(Counts(hall.end()) == Counts(1, 1, 0, 1, 0));
}

TEST_CASE("a room that outgrows its bits while copies are on their way loses none", "[fanout]") {
  Hall hall(70);
  for (std::uint32_t c = 0; c < 64; ++c) hall.join(c, 7);
  hall.say(0, 7, 5);
  for (std::uint32_t c = 0; c < 10; ++c) hall.hear(c, 5);
  hall.join(64, 7);
  for (std::uint32_t c : {64, 64, 3}) hall.hear(c, 5);
  for (std::uint32_t c = 10; c < 63; ++c) hall.hear(c, 5);
  const Fanout& result = hall.end();
  CHECK(Counts(result) == Counts(64, 63, 2, 1, 0));
  REQUIRE(result.gaps.size() == 1);
  CHECK(result.gaps[0].client == 63);
}

TEST_CASE("a confirmation with an early time does not reach back to messages told before it", "[fanout]") {
  FanoutBook book(0, 3, patience);
  book.said({.what = Said::What::entering, .client = 2, .room = 7, .sent = 1ms});
  book.said({.client = 1, .room = 7, .key = 5, .sent = 10ms});
  book.entered(2, 7, 5ms);
  book.finish(20ms);
  CHECK(Counts(book.result()) == Counts(0, 0, 0, 1, 0));
}

TEST_CASE("one delivery lost in 1,000 among 10,000 clients in rooms of 50 is found, each by name",
          "[fanout]") {
  constexpr std::uint32_t clients = 10'000, in_room = 50, workers = 14;
  std::vector<FanoutBook> books;
  std::vector<std::uint32_t> owner(clients);
  for (std::uint32_t w = 0; w < workers; ++w) {
    const std::uint32_t first = clients * w / workers, last = clients * (w + 1) / workers;  // rooms are cut
    books.emplace_back(first, last, patience);
    std::fill(owner.begin() + first, owner.begin() + last, w);
  }
  for (std::uint32_t c = 0; c < clients; ++c) books[owner[c]].entered(c, c / in_room, 1ms);
  std::mt19937_64 random(20);
  std::vector<Fanout::Gap> lost;
  Nanos now = 2ms;
  std::uint32_t copies = 0;
  for (std::uint64_t k = 0; k < 10'000; ++k) {
    now += 1ms;
    const auto sender = static_cast<std::uint32_t>(random() % clients);
    const std::uint32_t room = sender / in_room;
    const Said message{.echo = true, .client = sender, .room = room, .key = k, .intended = now, .sent = now};
    const std::uint32_t front = owner[room * in_room], back = owner[(room + 1) * in_room - 1];
    books[front].said(message);
    if (back != front) books[back].said(message);
    for (std::uint32_t c = room * in_room; c < (room + 1) * in_room; ++c) {
      if (++copies % 1'000 == 0) {
        lost.push_back({c, sender, room, k, now});
      } else {
        books[owner[c]].heard(c, k, now + 1us);
      }
    }
    for (auto& book : books) book.sweep(now);
  }
  Fanout sum;
  for (auto& book : books) {
    book.finish(now);
    sum.merge(book.result());
  }
  CHECK(Counts(sum) == Counts(500'000, 499'500, 0, 0, 0));
  CHECK(sum.missing() == 500);
  CHECK(sum.rooms.size() == 200);
  CHECK(sum.gaps == lost);
  CHECK(sum.most_pending < 2'500);  // a second of 1,000 messages/s, some of them in two books
}

TEST_CASE("of many gaps the first 1,000 are kept and all are counted", "[fanout]") {
  Hall hall(3);
  for (std::uint64_t k = 0; k < 700; ++k) hall.tell({.reaches = Said::Reaches::all, .client = 0, .key = k});
  Fanout sum = hall.end();
  CHECK(sum.missing() == 1'400);
  CHECK(sum.gaps.size() == 1'000);
  sum.merge(Fanout(sum));
  CHECK(sum.missing() == 2'800);
  CHECK(sum.gaps.size() == 1'000);
}

TEST_CASE("memory follows the messages within patience, not copies, time, rooms or churn", "[fanout]") {
  Hall hall(700);
  std::size_t early = 0;
  for (std::uint64_t k = 0; k < 40'000; ++k) {
    const auto c = static_cast<std::uint32_t>(k % 700), room = static_cast<std::uint32_t>(k);
    hall.leave(c);
    hall.join(c, room);  // a room nobody was in before
    hall.say(c, room, k / 3);
    hall.say(9'999, 1'000'000 + room, k);  // another worker's client, where nobody is
    for (int i = 0; i < 20; ++i) hall.book.heard(c, k / 3, hall.now);
    for (std::uint64_t i = 0; i < 20; ++i) hall.book.heard(c, k ^ i << 40, hall.now);
    hall.book.sweep(hall.now);
    if (k == 10'000) early = hall.book.bytes();
  }
  CHECK(hall.book.result().delivered == 40'000);
  CHECK(hall.book.result().most_pending <= 404);  // two in 5 ms, and patience 1 s
  CHECK(hall.book.bytes() <= early + early / 10);
}

TEST_CASE("a text repeated without end in one breath costs no more memory or time than others", "[fanout]") {
  Hall hall(100);
  for (std::uint32_t c = 0; c < 100; ++c) hall.join(c, 1);
  const Nanos then = hall.now += 1ms;
  for (int i = 0; i < 20'000; ++i) {
    hall.book.said({.echo = true, .client = 0, .room = 1, .key = 9, .sent = then + Nanos(i)});
  }
  // 2,000,000 copies and as many duplicates: hours, were each looked for from the start.
  for (int i = 0; i < 40'000; ++i) {
    for (std::uint32_t c = 0; c < 100; ++c) hall.book.heard(c, 9, then + 1ms);
  }
  CHECK(Counts(hall.end()) == Counts(2'000'000, 2'000'000, 2'000'000, 0, 0));
  CHECK(hall.book.bytes() < 20'000 * 250);
}
