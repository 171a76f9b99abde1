// The messages of the last seconds and, for each, who of a book's clients still waits for its copy. The
// rules stand in fanout.h; this is their memory.
//
// A message's receivers are slots of its audience: two bits each, one for "waits" and one for "has it", in
// blocks of a pool that is used again and again. Messages stand in the order of sending, so the oldest leaves
// first. Messages that look alike (same key, same audience) form a line, oldest first, and a
// hash table finds the line. A line that grows long remembers for each slot how far it has looked, so that a
// text repeated ten thousand times costs no more than ten thousand texts.
//
// Bytes: 40 a message, 16 for each 64 slots of its audience, 48 to 56 a line. Messages and lines stand in
// deques, whose blocks come and go; only the pool and the table double when they are full (with
// rings of doubled size each of 10,000 clients in rooms of two took 200 bytes more). A long line adds 8 a
// slot, as much as its bits take.
#pragma once

#include "traces/format/event.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace chorus::replayer {

using format::Nanos;

class PendingMessages {
 public:
  using Serial = std::uint64_t;  // counts messages; larger is later
  static constexpr Serial no_message = 0;

  struct Message {
    Nanos intended{}, sent{};
    Serial next = no_message;  // in its line
    std::uint32_t line = 0, sender = 0;
    std::uint32_t bits = 0;  // where its block begins
    std::uint16_t words = 0;
    bool spares_sender = false;  // no echo
  };

  struct Line {
    std::uint64_t key = 0;
    Serial first = no_message, last = no_message;
    std::uint32_t audience = 0, length = 0;  // without messages: the next free line + 1, and 0
    // By slot: up to here nothing can still be certain. Null while short.
    std::unique_ptr<std::vector<Serial>> passed{};
  };

  PendingMessages();
  PendingMessages(PendingMessages&&) = default;

  // `waiting`: a bit for each slot of the audience that awaits a copy.
  Message& push(std::uint64_t key, std::uint32_t audience, std::span<const std::uint64_t> waiting);
  void pop();

  bool empty() const noexcept { return oldest_ == next_; }
  std::size_t size() const noexcept { return next_ - oldest_; }
  const Message& front() const noexcept { return messages_.front(); }
  const Message& at(Serial serial) const noexcept { return messages_[serial - oldest_]; }
  const Line& line_of(const Message& message) const noexcept { return lines_[message.line]; }
  Line* find(std::uint64_t key, std::uint32_t audience) noexcept;

  // The first message of a line that this slot has not passed.
  Serial start(const Line& line, std::uint32_t slot) const noexcept;
  static void pass(Line& line, std::uint32_t slot, Serial serial);

  bool waits(const Message& message, std::uint32_t slot) const noexcept {
    return slot / 64 < message.words && (pair(message, slot)[0] >> slot % 64 & 1) != 0;
  }
  bool has(const Message& message, std::uint32_t slot) const noexcept {
    return slot / 64 < message.words && (pair(message, slot)[1] >> slot % 64 & 1) != 0;
  }
  void give(Serial serial, std::uint32_t slot);
  std::uint64_t waiting_word(const Message& message, std::uint32_t word) const noexcept {
    return pool_[message.bits + 2 * word];
  }

  std::size_t bytes() const noexcept;  // held, used or not

 private:
  struct Entry {
    std::uint32_t hash = 0, line = 0;  // line + 1; 0: free
  };

  const std::uint64_t* pair(const Message& message, std::uint32_t slot) const noexcept {
    return &pool_[message.bits + 2 * (slot / 64)];
  }
  std::size_t home(std::uint32_t hash) const noexcept { return hash >> shift_; }
  std::size_t after(std::size_t entry) const noexcept { return (entry + 1) & (table_.size() - 1); }
  std::uint32_t take_block(std::uint32_t words);
  void return_block(std::uint32_t block, std::uint32_t words);
  static constexpr std::uint32_t no_line = 0xffffffff;
  std::uint32_t number_of(std::uint64_t key, std::uint32_t audience) const noexcept;
  std::uint32_t new_line(std::uint64_t key, std::uint32_t audience);
  void end_line(std::uint32_t line);
  void enter(Entry entry) noexcept;
  void grow_table();

  std::deque<Message> messages_;  // oldest_ to next_
  Serial oldest_ = 1, next_ = 1;
  std::deque<Line> lines_;
  std::size_t used_lines_ = 0;
  std::uint32_t free_line_ = 0;  // the first of a chain through the lines, + 1
  std::vector<Entry> table_;     // a power of two, at most half full, linear probing
  std::uint32_t shift_;          // 32 - log2 of its size
  std::vector<std::uint64_t> pool_;
  std::vector<std::uint32_t> free_blocks_;  // by words: the first of a chain through the blocks, + 1
};

}  // namespace chorus::replayer
