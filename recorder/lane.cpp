#include "recorder/lane.h"

#include "recorder/session.h"
#include "traces/format/turn.h"

namespace chorus::recorder {

namespace {

constexpr std::size_t chunk_size =
    64 * 1024;  // one read; also the most that waits for a peer in one direction

}  // namespace

Lane::Lane() : chunk_(chunk_size) {}
Lane::~Lane() = default;

void Lane::run() noexcept {
  format::ask_for_short_turns();
  try {
    context.run();
  } catch (...) {
    failure = std::current_exception();
  }
}

}  // namespace chorus::recorder
