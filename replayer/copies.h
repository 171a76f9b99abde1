// A worker's part of the fan-out: what the sender says of messages with an audience, and the book that judges
// which of the worker's clients got their copies. The queue is filled by the sender before a message goes out
// and emptied by the worker before it looks at what a client heard.
#pragma once

#include "replayer/fanout.h"
#include "replayer/handoff.h"

namespace chorus::replayer {

struct Copies {
  Copies(std::uint32_t first, std::uint32_t last, Nanos patience, Nanos doubt)
      : book(first, last, patience, doubt) {}

  // Worker's thread.
  void catch_up() {
    while (const auto one = said.pop()) {
      book.said(*one);
      // An entering that no answer will confirm counts from the moment it is said.
      if (one->what == Said::What::entering && one->echo) book.entered(one->client, one->room, one->sent);
    }
  }

  Handoff<Said> said;
  FanoutBook book;
};

}  // namespace chorus::replayer
