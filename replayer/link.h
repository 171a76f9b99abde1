// What the sender's thread and a client's worker share of one client; everything else of it is the worker's
// (client.h) or the schedule's (schedule.h). Links live as long as the run.
#pragma once

#include "replayer/direct_send.h"
#include "replayer/handoff.h"
#include "replayer/performer.h"
#include "replayer/token.h"

#include <atomic>

namespace chorus::replayer {

struct alignas(64) Link {  // its cache line is touched by two threads and nobody else
  Token token;
  Handle handle{};                     // written by the worker before token.open(), read under the token
  Handoff<Awaited> awaited;            // sender -> worker, pushed before the message is sent
  std::atomic<std::uint32_t> sent{0};  // sender: messages attempted on this connection
  std::atomic<bool> said_all{false};   // sender: the last message is on its way
  bool kept = false;                   // immutable after start: its bytes go into the trace
};

}  // namespace chorus::replayer
