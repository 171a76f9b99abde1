#include "replayer/fanout_pending.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

namespace chorus::replayer {
namespace {

// From this length on a line's marks take no more memory than the bits of its messages.
constexpr std::uint32_t long_line = 32;

std::uint32_t hash_of(std::uint64_t key, std::uint32_t audience) noexcept {
  const std::uint64_t mixed =
      key + (audience + 1) * 0x9e3779b97f4a7c15;  // golden ratio: neighbours lie apart
  return static_cast<std::uint32_t>(((mixed ^ mixed >> 32) * 0xd6e8feb86659fd93) >> 32);
}

}  // namespace

PendingMessages::PendingMessages() : table_(128), shift_(32 - 7) {}

PendingMessages::Message& PendingMessages::push(std::uint64_t key, std::uint32_t audience,
                                                std::span<const std::uint64_t> waiting) {
  const Serial serial = next_++;
  std::uint32_t number = number_of(key, audience);
  if (number == no_line) number = new_line(key, audience);
  Line& line = lines_[number];

  Message& message = messages_.emplace_back();
  message.line = number;
  message.words = static_cast<std::uint16_t>(waiting.size());
  message.bits = take_block(message.words);
  for (std::uint32_t word = 0; word < message.words; ++word) {
    pool_[message.bits + 2 * word] = waiting[word];
    pool_[message.bits + 2 * word + 1] = 0;
  }
  if (line.length++ == 0) {
    line.first = serial;
  } else {
    messages_[line.last - oldest_].next = serial;
  }
  line.last = serial;
  if (line.length == long_line && !line.passed)
    line.passed = std::make_unique<std::vector<Serial>>(waiting.size() * 64, no_message);
  return message;
}

void PendingMessages::pop() {
  assert(!empty());
  const Message& message = front();
  return_block(message.bits, message.words);
  Line& line = lines_[message.line];
  assert(line.first == oldest_);
  line.first = message.next;
  if (--line.length == 0) end_line(message.line);
  messages_.pop_front();
  ++oldest_;
}

std::uint32_t PendingMessages::number_of(std::uint64_t key, std::uint32_t audience) const noexcept {
  const std::uint32_t hash = hash_of(key, audience);
  for (std::size_t i = home(hash); table_[i].line != 0; i = after(i)) {
    if (table_[i].hash != hash) continue;
    const Line& line = lines_[table_[i].line - 1];
    if (line.key == key && line.audience == audience) return table_[i].line - 1;
  }
  return no_line;
}

PendingMessages::Line* PendingMessages::find(std::uint64_t key, std::uint32_t audience) noexcept {
  const std::uint32_t number = number_of(key, audience);
  return number == no_line ? nullptr : &lines_[number];
}

PendingMessages::Serial PendingMessages::start(const Line& line, std::uint32_t slot) const noexcept {
  if (!line.passed || slot >= line.passed->size()) return line.first;
  const Serial passed = (*line.passed)[slot];
  return passed < line.first ? line.first : at(passed).next;
}

void PendingMessages::pass(Line& line, std::uint32_t slot, Serial serial) {
  if (!line.passed) return;
  if (slot >= line.passed->size()) line.passed->resize(slot + 1, no_message);
  (*line.passed)[slot] = serial;
}

void PendingMessages::give(Serial serial, std::uint32_t slot) {
  Message& message = messages_[serial - oldest_];
  if (slot / 64 >= message.words) {  // the audience grew beyond a multiple of 64 after the message was said
    const std::uint32_t words = slot / 64 + 1;
    const std::uint32_t block = take_block(words);
    std::fill_n(pool_.begin() + block, 2 * words, 0);
    std::copy_n(pool_.begin() + message.bits, 2 * message.words, pool_.begin() + block);
    return_block(message.bits, message.words);
    message.bits = block;
    message.words = static_cast<std::uint16_t>(words);
  }
  std::uint64_t* bits = &pool_[message.bits + 2 * (slot / 64)];
  const std::uint64_t bit = std::uint64_t{1} << slot % 64;
  bits[0] &= ~bit;
  bits[1] |= bit;
}

std::uint32_t PendingMessages::take_block(std::uint32_t words) {
  if (words >= free_blocks_.size()) free_blocks_.resize(words + 1, 0);
  if (const std::uint32_t first = free_blocks_[words]) {
    free_blocks_[words] = static_cast<std::uint32_t>(pool_[first - 1]);
    return first - 1;
  }
  const auto block = static_cast<std::uint32_t>(pool_.size());
  pool_.resize(pool_.size() + 2 * words);
  return block;
}

void PendingMessages::return_block(std::uint32_t block, std::uint32_t words) {
  pool_[block] = free_blocks_[words];
  free_blocks_[words] = block + 1;
}

std::uint32_t PendingMessages::new_line(std::uint64_t key, std::uint32_t audience) {
  if (free_line_ == 0) {
    lines_.emplace_back();
    free_line_ = static_cast<std::uint32_t>(lines_.size());
  }
  const std::uint32_t number = free_line_ - 1;
  free_line_ = lines_[number].audience;
  if (2 * ++used_lines_ > table_.size()) grow_table();
  lines_[number].key = key;
  lines_[number].audience = audience;
  enter({hash_of(key, audience), number + 1});
  return number;
}

void PendingMessages::end_line(std::uint32_t number) {
  std::size_t hole = home(hash_of(lines_[number].key, lines_[number].audience));
  while (table_[hole].line != number + 1) hole = after(hole);
  // What probing put behind the hole moves up, unless its home lies between the hole and itself.
  for (std::size_t i = after(hole); table_[i].line != 0; i = after(i)) {
    const std::size_t mask = table_.size() - 1;
    if (((i - home(table_[i].hash)) & mask) < ((i - hole) & mask)) continue;
    table_[hole] = table_[i];
    hole = i;
  }
  table_[hole] = {};
  lines_[number] = {};
  lines_[number].audience = std::exchange(free_line_, number + 1);
  --used_lines_;
}

void PendingMessages::enter(Entry entry) noexcept {
  std::size_t i = home(entry.hash);
  while (table_[i].line != 0) i = after(i);
  table_[i] = entry;
}

void PendingMessages::grow_table() {
  const std::vector<Entry> old = std::exchange(table_, std::vector<Entry>(2 * table_.size()));
  --shift_;
  for (const Entry& entry : old) {
    if (entry.line != 0) enter(entry);
  }
}

std::size_t PendingMessages::bytes() const noexcept {
  std::size_t sum = messages_.size() * sizeof(Message) + lines_.size() * sizeof(Line) +
                    table_.capacity() * sizeof(Entry) + pool_.capacity() * sizeof(std::uint64_t);
  for (const Line& line : lines_)
    if (line.passed) sum += sizeof *line.passed + line.passed->capacity() * sizeof(Serial);
  return sum;
}

}  // namespace chorus::replayer
