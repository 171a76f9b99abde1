// One client against the same client on the other side: its messages, direction by direction.
//
// The order between the two directions, and between what different users send to one receiver, is a matter of
// time and of the server's threads; so the order is judged only within what one sender sent to one receiver.
#pragma once

#include "traces/compare/diff.h"

#include <map>
#include <optional>
#include <tuple>

namespace chorus::compare {

struct Pair {
  const Client* a = nullptr;
  const Client* b = nullptr;
};

// What the clients have in common, added up over all pairs.
class MessageJudge {
 public:
  MessageJudge(const Page& page, const Subject& a, const Subject& b) : page_(page), a_(a), b_(b) {}

  void judge(const Pair& pair);
  void finish(Diff& diff);  // findings, hidden, not judged and how many messages were compared

 private:
  struct Stream;
  void streams(const Pair& pair, Side from);
  void compare(const Pair& pair, Side from, const Stream& stream);
  void alone(const Pair& pair, const Line& line, bool on_a, bool has_equal);
  void bytes(const Pair& pair, Side from);
  void framing(const Pair& pair);
  void ending(const Pair& pair);
  Finding place(const Pair& pair, Rule rule, const Line* a, const Line* b) const;
  bool after_farewell(const Line& line, bool on_a) const;
  void find_farewells(const Pair& pair);
  bool nobodys(const Line& line) const;
  bool stranger(const Line& line) const;
  bool behind_the_end(const Pair& pair, const Line& line, bool on_a) const;

  const Page& page_;
  const Subject& a_;
  const Subject& b_;
  Diff found_;
  std::map<std::tuple<Mask, Side, KindId>, Hidden> hidden_;
  std::optional<Nanos> farewell_[2];  // of the pair being judged
  std::uint64_t others_[2] = {0, 0}, strangers_[2] = {0, 0}, farewells_[2] = {0, 0};
  std::uint64_t behind_[2] = {0, 0}, unended_[2] = {0, 0};
};

}  // namespace chorus::compare
