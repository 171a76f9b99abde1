// FanoutBook against a reference that is too slow to be wrong.
#include "replayer/fanout.h"

#include <algorithm>
#include <array>
#include <optional>
#include <ostream>
#include <random>
#include <set>

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using chorus::replayer::everybody_room;
using chorus::replayer::Fanout;
using chorus::replayer::FanoutBook;
using chorus::replayer::Nanos;
using chorus::replayer::no_room;
using chorus::replayer::Said;

namespace {

constexpr Nanos patience = 1s;

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

// The definitions, read off a list of everything that was told, each time from its beginning.
class Reference {
 public:
  Reference(std::uint32_t first, std::uint32_t last) : first_(first), last_(last) {}

  struct Event {
    enum Kind { entering, leaving, farewell, entered, connected, gone } kind;
    std::uint32_t client, room;
    Nanos time;
  };
  void happened(const Event& event) { events_.push_back(event); }

  void said(const Said& what) {
    last_sent_ = what.sent;
    using enum Said::What;
    if (what.what == entering) happened({Event::entering, what.client, what.room, what.sent});
    if (what.what == leaving) happened({Event::leaving, what.client, what.room, what.sent});
    if (what.what == farewell) happened({Event::farewell, what.client, no_room, what.sent});
    if (what.what == message) messages_.push_back({what, events_.size(), {}});
  }
  Nanos last_sent() const { return last_sent_; }

  // What a client is to a room (or to everybody) after the first `count` events.
  struct Standing {
    bool known = false, in = false;
    std::optional<Nanos> since, left;
    int owed = 0;
  };
  Standing standing(std::uint32_t client, std::uint32_t room, std::size_t count) const {
    Standing s;
    for (std::size_t i = 0; i < count; ++i) {
      const Event& e = events_[i];
      if (e.client != client) continue;
      if (room == everybody_room) {
        if (e.kind == Event::connected && !s.in) s = {true, true, e.time, {}, 0};
        if (e.kind == Event::gone || e.kind == Event::farewell) s = {true, false, {}, {}, 0};
        continue;
      }
      const bool leaves = e.kind == Event::gone || e.kind == Event::farewell ||
                          (e.kind == Event::leaving && (e.room == room || e.room == no_room));
      if (leaves && s.in) s = {true, false, {}, e.time, s.since ? s.owed : s.owed + 1};
      if (e.kind == Event::gone) s.owed = 0;
      if (e.room != room) continue;
      const bool long_ago = s.left && e.time - *s.left > patience;
      if (e.kind == Event::entering && !s.in) s = {true, true, {}, {}, long_ago ? 0 : s.owed};
      if (e.kind != Event::entered) continue;
      if (!s.known || (!s.in && long_ago)) {
        s = {true, true, e.time, {}, 0};
      } else if (s.owed > 0) {
        --s.owed;
      } else if (s.in && !s.since) {
        s.since = e.time;
      }
    }
    return s;
  }

  void heard(std::uint32_t client, std::uint64_t key) {
    Message* best = nullptr;
    int best_fit = 0;
    for (Message& m : messages_) {
      if (m.said.key != key) continue;
      const int fit = fit_of(m, client);
      if (fit > best_fit) best = &m, best_fit = fit;
    }
    if (best_fit == 0) ++counts.unexpected;
    if (best_fit == 1) ++counts.duplicated;
    if (best_fit == 2 || best_fit == 3) ++counts.ambiguous;
    if (best_fit == 4) ++counts.expected, ++counts.delivered;
    if (best_fit > 1) best->has.insert(client);
  }

  void settle(Nanos sent_until) {
    std::erase_if(messages_, [&](Message& m) {
      if (m.said.sent > sent_until) return false;
      for (std::uint32_t c = first_; c < last_; ++c) {
        const int fit = fit_of(m, c);
        if (fit == 3) ++counts.ambiguous;
        if (fit == 4) ++counts.expected, missed.insert({c, m.said.key});
      }
      return true;
    });
  }

  Counts counts;
  std::multiset<std::pair<std::uint32_t, std::uint64_t>> missed;

 private:
  struct Message {
    Said said;
    std::size_t told;  // so many events were told before it
    std::set<std::uint32_t> has;
  };

  // 4 certain, 3 doubtful, 2 only if it comes, 1 has it, 0 not addressed.
  int fit_of(const Message& m, std::uint32_t client) const {
    using Reaches = Said::Reaches;
    if (m.has.contains(client)) return 1;
    const bool sender = client == m.said.client;
    if (m.said.reaches == Reaches::one && client != m.said.to && !(sender && m.said.echo)) return 0;
    if (m.said.reaches != Reaches::one && sender && !m.said.echo) return 0;
    const auto room = m.said.reaches == Reaches::room ? m.said.room : everybody_room;
    const Standing then = standing(client, room, m.told), now = standing(client, room, events_.size());
    if (then.in) return now.since && *now.since < m.said.sent ? 4 : 3;
    if (room == everybody_room) return 2;
    return now.known && (!now.left || m.said.sent <= *now.left + patience) ? 2 : 0;
  }

  std::uint32_t first_, last_;
  Nanos last_sent_{0};
  std::vector<Event> events_;
  std::vector<Message> messages_;
};

struct Play {
  std::uint32_t clients, rooms;
  unsigned keys;
  unsigned calm;  // of 100 steps so many are copies
  int steps = 600;
  Nanos pace = 20ms;  // the longest step
};

// A random run, told to a book and to the reference.
Counts play(std::uint64_t seed, const Play& p) {
  INFO("seed " << seed << ", " << p.clients << " clients");
  constexpr std::uint32_t first = 3;
  FanoutBook book(first, first + p.clients, patience);
  Reference reference(first, first + p.clients);
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return static_cast<std::uint32_t>(random() % n); };
  using Event = Reference::Event;
  Nanos now = 1s;
  for (int step = 0; step < p.steps; ++step) {
    now += Nanos(below(static_cast<std::uint64_t>(p.pace.count())));
    const std::uint32_t client = first + below(p.clients), room = below(p.rooms);
    const auto confirmed = std::max(now, reference.last_sent());
    if (below(100) < p.calm) {
      const std::uint64_t key = below(p.keys);
      book.heard(client, key, now);
      reference.heard(client, key);
      continue;
    }
    Said said{.echo = below(2) == 0,
              .client = client,
              .room = room,
              .to = first + below(p.clients + 2),
              .key = below(p.keys),
              .intended = now,
              .sent = now};
    switch (below(16)) {
      case 0:
        book.connected(client, now);
        reference.happened({Event::connected, client, no_room, confirmed});
        continue;
      case 1:
        if (below(4) != 0) continue;
        book.gone(client, now);
        reference.happened({Event::gone, client, no_room, now});
        continue;
      case 2:
      case 3:
      case 4:
        book.entered(client, room, now);
        reference.happened({Event::entered, client, room, confirmed});
        continue;
      case 5:
        book.sweep(now);
        reference.settle(now - patience);
        continue;
      case 6:
      case 7:
      case 8:
        said.what = Said::What::entering;
        break;
      case 9:
        said.what = Said::What::leaving;
        if (below(3) == 0) said.room = no_room;
        break;
      case 10:
        if (below(4) == 0) said.what = Said::What::farewell;
        break;
      default:
        if (below(8) == 0) said.client = 0;  // of another worker
        said.reaches = std::array{Said::Reaches::room, Said::Reaches::room, Said::Reaches::all,
                                  Said::Reaches::one}[below(4)];
    }
    book.said(said);
    reference.said(said);
  }
  book.finish(now);
  reference.settle(now);
  const Fanout& result = book.result();
  CHECK(Counts(result) == reference.counts);
  std::multiset<std::pair<std::uint32_t, std::uint64_t>> missed;
  for (const auto& gap : result.gaps) missed.insert({gap.client, gap.key});
  CHECK(missed.size() == std::min(reference.missed.size(), Fanout::most_gaps));
  CHECK(std::includes(reference.missed.begin(), reference.missed.end(), missed.begin(), missed.end()));
  Fanout::Copies sum;
  for (const auto& [room, copies] : result.rooms) {
    sum.expected += copies.expected;
    sum.delivered += copies.delivered;
  }
  CHECK(sum.expected == result.expected);
  CHECK(sum.delivered == result.delivered);
  return reference.counts;
}

}  // namespace

TEST_CASE("the book agrees with a reference that reads all from the beginning", "[fanout]") {
  const auto [name, what] = GENERATE(table<const char*, Play>({
      {"everything happens to everybody, texts repeat", {4, 2, 3, 60}},
      {"few copies come", {6, 2, 30, 30}},
      {"slots are used again", {20, 4, 3, 40, 1500, 60ms}},
      {"more than a word of slots", {90, 2, 2, 70, 1200}},
      {"long lines", {5, 1, 1, 70, 1500, 500us}},
      {"times coincide", {4, 2, 3, 60, 600, 3ns}},
  }));
  INFO(name);
  Counts sum;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Counts counts = play(seed, what);
    sum.expected += counts.expected;
    sum.delivered += counts.delivered;
    sum.duplicated += counts.duplicated;
    sum.ambiguous += counts.ambiguous;
    sum.unexpected += counts.unexpected;
  }
  INFO(sum);  // everything must have happened, or the agreement means little
  CHECK(sum.expected > sum.delivered + 50);
  CHECK(sum.delivered > 300);
  CHECK(sum.duplicated > 100);
  CHECK(sum.ambiguous > 300);
  CHECK(sum.unexpected > 100);
}
