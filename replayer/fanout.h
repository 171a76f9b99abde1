// Fan-out: for every message to a room, to everybody or to one user, who should get a copy, who did, when,
// twice, or never. A FanoutBook judges the clients [first, last) of one worker, on that worker's thread, and
// shares nothing; each book is told of every message whose audience has members among its clients, before the
// message is sent. Results are added after the join. Pure: bytes, sockets and clocks are elsewhere.
//
// Events count in the order they are told; `sent` must not go back. For one client and one message:
// - Certain: its entering was confirmed (`entered`, for all and one: `connected`) before `sent`, and it has
//   neither said it leaves nor gone until its copy comes or the message is settled. Expected once, delivered
//   once or never; never is a gap.
// - Ambiguous, counted once whether or not the copy comes: its entering was said but not confirmed before
//   `sent`; or it was certain and leaves, or is gone, before the copy. Who stayed for longer than `doubt`,
//   and than the slowest copy so far took, after `sent` and has no copy has missed it.
// - Ambiguous, counted once if a copy comes: it entered after `sent`, or said within patience before `sent`
//   that it leaves; for all and one also: it was not known to be connected.
// - Further copies: duplicated. A copy to whom nothing was said, or later than patience: unexpected.
// Copies that look alike (same key) go to the oldest certain message without one, else to the oldest
// ambiguous one, so that a doubt never eats the copy of a certain message and makes a gap of it. The
// confirmation of an entering that the client left again before it came does not confirm the next one. `one`
// with echo is two receivers; to oneself it is one. An echo is expected only while the sender is in the room.
//
// A message is settled and forgotten once it is `patience` old, at the next sweep. Memory: see
// fanout_pending.h; copies never add to it, however many come. Read what has arrived before a sweep: a copy
// still in the socket would be called missing.
#pragma once

#include "replayer/fanout_audience.h"
#include "replayer/fanout_pending.h"
#include "replayer/steps.h"
#include "traces/format/sketch.h"

#include <map>

namespace chorus::replayer {

inline constexpr std::uint32_t no_room = 0xffffffff, everybody_room = 0xfffffffe, private_room = 0xfffffffd;

// From the sender, in the order of sending.
struct Said {
  enum class What : std::uint8_t { message, entering, leaving, farewell };  // farewell: leaves everything
  enum class Reaches : std::uint8_t { room, all, one };
  What what = What::message;
  Reaches reaches = Reaches::room;
  bool echo = false;             // the sender itself gets a copy too
  std::uint32_t client = 0;      // who sends
  std::uint32_t room = no_room;  // unique over all cohorts; leaving without one: all rooms it is in
  std::uint32_t to = 0;          // `one`: the receiver
  std::uint64_t key = 0;         // what its copies look like; equal for repeated texts
  Nanos intended{}, sent{};      // `sent`: when the write is attempted
};

struct Fanout {
  struct Copies {
    std::uint64_t expected = 0, delivered = 0;
  };
  struct Gap {
    std::uint32_t client = 0, sender = 0, room = no_room;  // client: who missed it
    std::uint64_t key = 0;
    Nanos intended{};
    friend bool operator==(const Gap&, const Gap&) = default;
  };
  static constexpr std::size_t most_rooms = 100'000, most_gaps = 1'000;

  std::uint64_t expected = 0, delivered = 0, duplicated = 0, ambiguous = 0, unexpected = 0;
  format::Sketch delivery;                // from the intended time to each certain copy's arrival
  std::map<std::uint32_t, Copies> rooms;  // with anything expected; all and one: everybody_, private_room
  Copies unlisted;                        // in rooms beyond most_rooms; the totals have them too
  std::vector<Gap> gaps;                  // the first ones; merged: by intended time
  std::size_t most_pending = 0;           // messages held at once; of several books: the sum

  std::uint64_t missing() const noexcept { return expected - delivered; }
  void count_room(std::uint32_t room, Copies copies);
  void merge(const Fanout& other);
};

class FanoutBook {
 public:
  FanoutBook(std::uint32_t first, std::uint32_t last, Nanos patience, Nanos doubt = Nanos::max());
  // Copies of what was intended within a step are counted there too. Both must outlive the book.
  void count_steps(std::span<const StepWindow> windows, std::span<StepTally> steps);

  void said(const Said& what);
  void entered(std::uint32_t client, std::uint32_t room, Nanos now);  // the server confirmed it
  void connected(std::uint32_t client, Nanos now);                    // login done: one of `all` from now on
  void removed(std::uint32_t client, std::uint32_t room, Nanos now);  // the server put it out
  void gone(std::uint32_t client, Nanos now);                         // connection over
  void heard(std::uint32_t client, std::uint64_t key, Nanos now);
  void sweep(Nanos now);
  void finish(Nanos now);  // what still waits is a gap; end no connection before, or it is ambiguous

  const Fanout& result() const noexcept { return result_; }  // whole after finish()
  std::size_t bytes() const noexcept;                        // of messages and rooms

 private:
  StepTally* step_of(Nanos intended) const noexcept;

  // How well a message fits a copy, from worst to best.
  enum class Fit : std::uint8_t { none, has_one, unasked, doubtful, certain };
  struct Match {
    Fit fit = Fit::none;
    PendingMessages::Serial serial = 0;
    std::uint32_t slot = 0;
  };
  struct Ear;  // a client as a member of one audience

  void say(const Said& what, std::uint32_t room, std::uint32_t audience,
           std::span<const std::uint64_t> waiting);
  void match(std::uint64_t key, const Ear& ear, Match& best);
  void settle();
  void close(std::uint32_t room);
  bool ours(std::uint32_t client) const noexcept { return client - first_ < last_ - first_; }

  const std::uint32_t first_, last_;
  const Nanos patience_, doubt_;
  Nanos slowest_{};  // copy so far
  Nanos last_sent_ = Nanos::min();
  Audiences audiences_;
  PendingMessages pending_;
  std::vector<std::uint64_t> waiting_;  // of the message being said
  std::span<const StepWindow> windows_;
  std::span<StepTally> steps_;
  Fanout result_;
};

}  // namespace chorus::replayer
