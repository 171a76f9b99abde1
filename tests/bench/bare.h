// The baselines with sockets: the same jobs as the replayer's in nothing but system calls, one thread, no
// checks beyond what keeps the figures true. Both are run in a process of their own.
#pragma once

#include "tests/bench/processes.h"

namespace chorus::bench {

inline constexpr unsigned message_size = 100;  // bytes

struct SendPlan {
  unsigned clients = 0, each = 0;  // messages of each client
  std::chrono::nanoseconds apart;  // two clients' messages: clients * apart is a client's own period
  std::chrono::nanoseconds lead;   // for connecting, before the first message
};

// How bare_send() waits for a message: asleep until it is due.
struct Waiting {
  std::chrono::nanoseconds awake{0};  // but for so long before
  std::chrono::nanoseconds grid{0};   // 0: until it is due itself, else until the next tick of so much
};

// Open-loop sending; ends after the last message, with lateness and calls on the board.
void bare_send(const sockaddr_in& server, const SendPlan& plan, const Waiting& waiting, Board& board);

// Receives from `clients` connections until it is killed, with calls on the board. Sleeps for `rest` whenever
// it has read all there was.
void bare_receive(const sockaddr_in& server, unsigned clients, std::chrono::nanoseconds rest, Board& board);

}  // namespace chorus::bench
