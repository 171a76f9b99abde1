// One simulated client, as its worker holds it: the connection, what still has to be written, and its fate.
// Everything here runs on the worker's thread. The sender writes on the socket too, under the token
// (token.h).
#pragma once

#include "replayer/connection.h"
#include "replayer/copies.h"
#include "replayer/engine.h"
#include "replayer/performer.h"
#include "replayer/tally.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace chorus::replayer {

// A message on its way through the worker.
struct Outgoing {
  std::string bytes;
  Nanos attempted{-1};  // when the sender first tried; -1 = a reply of the worker's own
};

// What a client needs of its worker.
struct Desk {
  Engine& engine;
  Port& port;
  Tally& tally;
  Live& live;
  LiveTimes& latency;
  std::string& read_buffer;
  std::vector<std::uint32_t>& watched;  // clients that have a deadline
  Copies* copies = nullptr;             // nullptr: no message has an audience
  // Resting (worker.h): how many clients would suffer from it, and how many answers are awaited.
  std::uint32_t& restless;
  std::atomic<std::int64_t>& awaiting;
};

class Client final : private Stage, private Connection::User {
 public:
  Client(Desk& desk, std::uint32_t index);
  Client(Client&&) = default;

  void open();  // the connector's order; again after a refusal that is retried
  // From the sender. A message that was queued behind the token, and the token itself with what is left to
  // write (may be nothing) or with the error that the sender met.
  void message_comes(std::uint32_t generation, Outgoing message);
  void token_comes(std::uint32_t generation, Outgoing rest, boost::system::error_code error);
  void finish(std::uint32_t generation);  // the script is over: wait for the last answers, then close
  void give_up(std::uint32_t generation, const std::string& missing);  // a gate did not open in time
  void cannot_carry(std::uint32_t generation);  // a value of the server does not fit where it belongs
  void interrupt();                             // the run ends now
  void
  dismiss();  // the run ends before it came in: refused if it was turned away, else what it still waits for

  // Looks at the deadline; false when there is none any more.
  bool check(Nanos now);
  format::ClientRow row() const;

 private:
  enum class State : std::uint8_t { idle, connecting, open, draining, closing, concluded };

  void on_connected(const boost::system::error_code& error) override;
  void on_readable(bool ends) override;
  void on_written(const boost::system::error_code& error) override;
  void refused(const std::string& what, const std::string& advice, std::string got = {});
  void hear(protocol::Bytes bytes, Nanos arrived);
  void weigh();                            // whether the worker may rest as far as this client is concerned
  void note_settled(std::size_t answers);  // so many are not awaited any more
  void server_ended(const boost::system::error_code& error);
  void note_awaited();
  void leave_unanswered(const Awaited& awaited);
  StepTally* step_of(Nanos intended) const;  // of a climb; nullptr between two steps
  void write_failed(const boost::system::error_code& error);
  void pump();
  std::deque<Outgoing>& outbox();
  void note_unwritten();  // what is still queued when the connection ends
  const Awaited* owed() const;
  void settle();  // after the script's end: completed, or what is missing
  void end(format::Outcome outcome, Reason reason = {}, std::string got = {});
  void close_now();
  void conclude();
  void diverge(std::string expected, std::string got);
  void answered_otherwise(const protocol::AnswerRule& rule, const Step& step, std::uint32_t number,
                          KindId kind);
  void keep(format::EventKind kind, protocol::Bytes payload = {});
  std::string expected() const;
  void end_unanswered(const std::string& until, const std::string& why);
  std::string advice(const protocol::FailureRule& rule) const;

  void on_gate(std::uint16_t slot, Nanos now) override;
  void on_ready(Nanos now) override;
  void on_reply(std::string bytes) override;
  void on_answer(const Awaited& awaited, KindId kind, Nanos now) override;
  void on_variable(std::uint16_t variable, std::string value, Nanos now) override;
  void on_removed(std::string_view room) override;
  void on_delivery(std::uint64_t key, Nanos now) override;
  void on_failure(const protocol::FailureRule& rule, KindId kind, protocol::Bytes message) override;
  void on_broken(const char* why) override;
  void on_message(KindId kind) override;

  Desk& desk_;
  std::uint32_t index_;
  std::uint32_t generation_ = 1;
  State state_ = State::idle;
  bool holding_ = false, writing_ = false, pumping_ = false;  // the token; a write is under way
  bool retrying_ = false, dismissed_ = false, restless_ = false;
  std::uint8_t attempts_ = 0;
  std::uint16_t own_queued_ = 0;  // replies that wait for the token, counted in its word
  Connection connection_;
  Performer performer_;
  std::vector<std::string> self_;  // the names it gives itself
  // Oldest first; while writing_ the first one is what a write works on. Null when there is nothing.
  std::unique_ptr<std::deque<Outgoing>> outbox_;
  Nanos planned_{}, deadline_{never_}, courtesy_ends_{};
  Nanos connect_{-1}, ready_{-1};
  format::Outcome outcome_ = format::Outcome::None;
  std::unique_ptr<Stop> stop_;             // why it did not complete
  const std::string* expected_ = nullptr;  // the answer that it waited for in vain; the score's
  static constexpr Nanos never_ = Nanos::max();
};

}  // namespace chorus::replayer
