// The schedule: which message of which client is due when. Pure: times are passed in, so tests play hours in
// no time.
//
// The recorded schedule follows the recursion of design.md ("What the words mean"): only intended times enter
// it, never actual ones, so lateness cannot accumulate and a frozen server cannot hide. The random one is the
// original stress tool's: everybody logs in and joins as recorded, then a random client sends a random
// recorded chat message every `send_every`, on an absolute grid. Owned by the sender's thread; one entry in a
// heap for each client.
#pragma once

#include "replayer/plan.h"

#include <limits>
#include <optional>
#include <queue>
#include <random>
#include <vector>

namespace chorus::replayer {

inline constexpr Nanos never = Nanos::max();

struct Due {
  enum class Do : std::uint8_t { send, close, give_up, leave };
  Do action = Do::send;
  bool last_words = false;  // nothing will be sent after this
  std::uint32_t client = 0, generation = 0;
  std::uint32_t part = 0, step = 0;  // of Score::parts
  Nanos intended{};                  // I: what latency counts from
  Nanos possible{};  // the later of I and the connection's being up: what lateness counts from
};

class Schedule {
 public:
  Schedule(const Score& score, const Plan& plan, const Options& options);

  // Notices, in any order; those of an older generation than a client's latest are ignored.
  void connected(std::uint32_t client, std::uint32_t generation, Nanos now);
  void gate(std::uint32_t client, std::uint32_t generation, std::uint16_t gate, Nanos arrival);
  void variable(std::uint32_t client, std::uint32_t generation, std::uint16_t variable, Nanos arrival);
  void gone(std::uint32_t client, std::uint32_t generation);
  // No more chat: whoever is on stage says the recorded farewell, `spread` apart, and closes.
  void curtain(Nanos now, Nanos spread);

  Nanos next() const noexcept;         // when take() has something; `never` while nothing is planned
  std::optional<Due> take(Nanos now);  // what is due, earliest first
  std::uint64_t dropped() const noexcept {
    return dropped_;
  }  // random messages that were too late to be sent at all
  std::uint64_t proceeded() const noexcept { return proceeded_; }  // went on though their gate stayed shut
  // What the client waits for in vain: "SERVER_MESSAGE", "376 or 422", "a value for {token}".
  std::string missing(const Due& due) const;
  std::uint64_t drop_due(Nanos now);  // how many sends were due and will never be attempted

 private:
  struct Cue {
    Nanos intended{}, connected{};
    std::uint32_t generation = 0;
    std::uint32_t step = 0;
    std::uint32_t serial = 0;     // entries of the heap with another one are stale
    std::uint32_t talker = none;  // place in talkers_
    bool waiting = false, on = false, leaving = false, lost = false, closed = false;
    Nanos said{};   // when it last said anything
    Nanos round{};  // when this round of --loop began
  };
  struct Entry {
    Nanos time;
    std::uint32_t client, serial;
    bool operator>(const Entry& other) const noexcept { return time > other.time; }
  };
  struct Seen {
    Nanos at{};
    std::uint32_t count = 0;
  };
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  const Part& part(std::uint32_t client) const { return score_.parts[plan_.part_of(client)]; }
  // Slots of a client: the page's gates, then its variables.
  Cue& cue_of(std::uint32_t client) { return cues_[client - plan_.mine.first]; }
  Seen& seen(std::uint32_t client, std::size_t slot) {
    return seen_[(client - plan_.mine.first) * slots_ + slot];
  }
  const Seen& seen(std::uint32_t client, std::size_t slot) const {
    return seen_[(client - plan_.mine.first) * slots_ + slot];
  }
  std::size_t slot_of(const Need& need) const { return score_.page.gates().size() + need.variable; }
  std::uint32_t fellow(std::uint32_t client, std::uint32_t part) const {
    return plan_.copy_of(client) * plan_.members + part;
  }
  void opened(std::uint32_t client, std::uint32_t generation, std::size_t slot, Nanos arrival);
  // Whether all that the step waits for has come; `base` is then moved to the latest arrival.
  bool is_open(std::uint32_t client, const Step& step, Nanos& base) const;
  void wait_for(std::uint32_t client, const Step& step, Nanos now);
  void arm(std::uint32_t client, Nanos now);
  void push(std::uint32_t client, Nanos time);
  void skip_stale();
  std::optional<Due> perform(std::uint32_t client, Nanos time);
  std::optional<Due> draw(Nanos now);
  void watch_silence(std::uint32_t client, Nanos from);
  std::optional<Due> break_silence();
  void step_on_stage(std::uint32_t client, Nanos now);
  void step_off_stage(std::uint32_t client);
  Nanos think(Nanos recorded) const;

  const Score& score_;
  const Plan& plan_;
  const Options& options_;
  std::size_t slots_;
  std::vector<Cue> cues_;
  std::vector<Seen> seen_;
  std::uint64_t proceeded_ = 0;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> silences_;  // serial: of the connection
  bool curtain_ = false;
  // random schedule
  std::vector<std::uint32_t> talkers_;
  Nanos draw_at_ = never, drawn_from_{};
  std::uint64_t drawn_ = 0, dropped_ = 0;
  std::mt19937_64 random_;
};

}  // namespace chorus::replayer
