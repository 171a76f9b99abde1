// The performer: what one simulated client makes of the bytes that the server sends. Pure: it takes bytes and
// a time and answers what is to be done; the worker obeys. One performer a client, owned by that client's
// worker.
//
// It finds the messages (framing), counts them by kind, notices gates and the end of login, says what must be
// replied at once, joins answers with the messages they answer, and recognises failures.
#pragma once

#include "replayer/score.h"

#include <string>
#include <vector>

namespace chorus::replayer {

// A message that was sent and that the recording has an answer for. Made by the sender before it sends.
struct Awaited {
  Nanos intended{};
  std::uint32_t step = 0;
  std::uint16_t part = 0;         // whose step: the random schedule draws from all parts
  std::uint16_t rule = 0;         // index into page.answers()
  std::uint64_t correlation = 0;  // of the message as it was sent; see Page::correlation
};

// What the worker must do. The performer calls these while it looks at bytes.
class Stage {
 public:
  virtual void on_gate(std::uint16_t slot, Nanos now) = 0;
  virtual void on_ready(Nanos now) = 0;
  virtual void on_reply(std::string bytes) = 0;
  virtual void on_answer(const Awaited& awaited, KindId kind, Nanos now) = 0;
  // The server said a value that later messages carry on.
  virtual void on_variable(std::uint16_t variable, std::string value, Nanos now) = 0;
  virtual void on_removed(std::string_view room) = 0;          // somebody put this client out of a room
  virtual void on_delivery(std::uint64_t key, Nanos now) = 0;  // a copy of what somebody said to an audience
  // A rule of the page was broken by `message`; the client is given up.
  virtual void on_failure(const protocol::FailureRule& rule, KindId kind, protocol::Bytes message) = 0;
  // Framing failed: the server sends what the page does not know.
  virtual void on_broken(const char* why) = 0;
  virtual void on_message(KindId kind) = 0;  // every one, before the others

 protected:
  ~Stage() = default;
};

class Performer {
 public:
  // Takes up a connection from its start.
  void begin() noexcept;
  void feed(const Score& score, const Part& part, std::span<const std::string> self, protocol::Bytes bytes,
            Nanos now, Stage& stage);
  void stop() noexcept { dead_ = true; }  // looks at nothing any more, until begin()
  void await(const Awaited& awaited) { awaited_.push_back(awaited); }

  bool heard() const noexcept { return heard_; }  // any whole message yet
  bool ready() const noexcept { return ready_; }
  const std::vector<Awaited>& awaited() const noexcept { return awaited_; }
  void forget_awaited() noexcept { awaited_.clear(); }

 private:
  // False: the client was given up, stop looking.
  bool message(const Score& score, const Part& part, std::span<const std::string> self, KindId kind,
               protocol::Bytes bytes, Nanos now, Stage& stage);
  static void removed(const Score& score, std::span<const std::string> self, KindId kind,
                      protocol::Bytes bytes, Stage& stage);
  void answer(const Score& score, KindId kind, protocol::Bytes bytes, Nanos now, Stage& stage);

  std::string partial_;           // a message that is not whole yet
  protocol::Scan scan_;           // of partial_
  std::vector<Awaited> awaited_;  // oldest first
  bool heard_ = false, ready_ = false, dead_ = false;
};

}  // namespace chorus::replayer
