// What the tests of bad luck share: replays that run beside each other, and what must hold of every account
// of a run however the run went: each client counted once, reasons given, memory bounded, and an end in time.
#pragma once

#include "tests/loop/chat_fixture.h"

#include <cstdint>
#include <string>
#include <vector>

namespace chorus::test {

// A crowd of 20 needs 12 MiB; what makes it need more is what these tests look for.
inline constexpr std::int64_t most_memory_of_a_small_crowd = 64 * 1024 * 1024;

// `chorus replay tests/traces/packet-chat.trace --json` against a port of this machine, under way.
class Replay {
 public:
  Replay(std::uint16_t port, const std::vector<std::string>& options);
  // `words` go before chorus itself, as {"sh", "-c", "ulimit -n 256; exec \"$0\" \"$@\""}.
  Replay(std::vector<std::string> words, std::uint16_t port, const std::vector<std::string>& options);

  Process& process() { return process_; }
  Finished finish(std::chrono::milliseconds limit = patience);

 private:
  Process process_;
};

// A run: the document of --json, taken apart.
struct Account {
  explicit Account(const Finished& finished);  // throws when there is no document

  std::int64_t count(const char* key) const;    // of "clients"
  std::int64_t outcome(const char* key) const;  // how many clients ended with this reason; 0 if none
  std::int64_t outcome_with(const char* part) const;
  std::int64_t message(const char* key) const;                    // of "messages"
  double micros(const char* sketch, const char* quantile) const;  // "lateness_us" ..
  double latency_micros(const char* kind, const char* quantile) const;
  double seconds() const;
  std::int64_t memory() const;

  std::string brief() const;  // for the log of a failure

  boost::json::object document;
};

// Every client is counted once, by outcome and by reason; whoever was lost has a reason with a step; memory
// and duration are bounded.
void check_account(const Account& account, std::int64_t clients, std::chrono::milliseconds longest,
                   std::int64_t most_memory = most_memory_of_a_small_crowd);

}  // namespace chorus::test
