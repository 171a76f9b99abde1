// The other side of the wire: what the crowds of the benchmarks talk to. Each is run in a process of its own,
// until it is killed.
#pragma once

#include "tests/bench/processes.h"

namespace chorus::bench {

// Accepts everybody and counts what they say.
void sink(const Listener& listener, Board& board);

// Accepts `clients`, then says the same line to all of them, over and over: `rate` deliveries a second in
// all. They get it in the order in which they came (blocks = 1); or the clients are seen as that many blocks,
// and one of each block gets it in turn.
void broadcast(const Listener& listener, unsigned clients, unsigned rate, unsigned blocks, Board& board);

}  // namespace chorus::bench
