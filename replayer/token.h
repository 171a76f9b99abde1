// Who may write on a client's socket: the timed sender sends directly on sockets that the workers own, and
// this one atomic word keeps them from treading on each other (design.md, "The engine": the rules 1 to 9
// stand there).
//
//   generation (32 bits) | count of messages posted to the worker (16) | CLOSE | TOKEN | OPEN
//
// Only the holder of TOKEN writes. The generation grows when a connection ends, so that what was meant for an
// earlier connection of the same client dies by itself.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>

namespace chorus::replayer {

class Token {
 public:
  enum class Claim : std::uint8_t {
    taken,   // the caller holds the token now
    queued,  // somebody else holds it: count was raised, post the message to the worker
    full,    // as queued, but `most` messages are posted already
    gone     // another generation, not open, or closing
  };

  // Worker: the socket is published; from here on the sender may claim.
  void open(std::uint32_t generation) noexcept {
    word_.store(pack(generation) | open_bit, std::memory_order_release);
  }

  // Sender and worker. `generation` is what the message was meant for.
  Claim claim(std::uint32_t generation, std::uint32_t most) noexcept {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    for (;;) {
      if (generation_of(word) != generation || !(word & open_bit) || (word & close_bit)) return Claim::gone;
      if (ignore_the_token) return Claim::taken;
      const bool held = (word & token_bit) != 0;
      if (held && count_of(word) >= most) return Claim::full;
      const std::uint64_t wanted = held ? word + one_count : (word | token_bit);
      if (word_.compare_exchange_weak(word, wanted, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return held ? Claim::queued : Claim::taken;
      }
    }
  }

  // Sender: done, everything was written. False: something came meanwhile (a queued message, CLOSE); the
  // caller still holds the token and must hand it to the worker.
  bool release(std::uint32_t generation) noexcept {
    if (ignore_the_token) return true;
    std::uint64_t expected = pack(generation) | open_bit | token_bit;
    return word_.compare_exchange_strong(expected, pack(generation) | open_bit, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
  }

  // Worker, holding the token: as release(), but CLOSE is the worker's own business and does not hinder it.
  bool release_by_worker() noexcept {
    std::uint64_t word = word_.load(std::memory_order_acquire);
    while (count_of(word) == 0) {
      if (word_.compare_exchange_weak(word, word & ~token_bit, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return true;
      }
    }
    return false;
  }

  // Worker: a posted message has come.
  void arrived() noexcept {
    [[maybe_unused]] const std::uint64_t before = word_.fetch_sub(one_count, std::memory_order_acq_rel);
    assert(count_of(before) > 0);
  }

  // Anybody: no new claims. True when nobody holds the token: then the worker may close at once.
  bool begin_close() noexcept {
    return (word_.fetch_or(close_bit, std::memory_order_acq_rel) & token_bit) == 0;
  }

  // Worker, after the socket is closed: what was posted for an older generation is void.
  void end(std::uint32_t next_generation) noexcept {
    word_.store(pack(next_generation), std::memory_order_release);
  }

  std::uint32_t generation() const noexcept { return generation_of(word_.load(std::memory_order_acquire)); }
  bool closing() const noexcept { return (word_.load(std::memory_order_acquire) & close_bit) != 0; }

 private:
#ifdef CHORUS_IGNORE_THE_TOKEN  // the proof that tests/token_race_test.cpp can fail
  static constexpr bool ignore_the_token = true;
#else
  static constexpr bool ignore_the_token = false;
#endif
  static constexpr std::uint64_t open_bit = 1, token_bit = 2, close_bit = 4, one_count = 1u << 16;
  static constexpr std::uint64_t pack(std::uint32_t generation) noexcept {
    return std::uint64_t{generation} << 32;
  }
  static constexpr std::uint32_t generation_of(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> 32);
  }
  static constexpr std::uint32_t count_of(std::uint64_t word) noexcept {
    return (word >> 16) & 0xffff;
  }

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace chorus::replayer
