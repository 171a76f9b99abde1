#include "traces/compare/align.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <unordered_map>
#include <utility>

namespace chorus::compare {
namespace {

using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  // (index in a, index in b)

struct TokenHash {
  std::size_t operator()(const Token& t) const noexcept { return t.key ^ (std::uint64_t{t.kind} << 32); }
};

void keep(Alignment& out, std::uint32_t i, std::uint32_t j, Fate fate) {
  out.a[i] = {fate, j};
  out.b[j] = {fate, i};
}

// The furthest point on each diagonal, for every number of edits: what the way back is read from.
class Search {
 public:
  Search(std::span<const Token> a, std::span<const Token> b) : a_(a), b_(b) {}

  // False when more than `edits` insertions and deletions are needed.
  bool run(std::uint32_t edits, Pairs& common) {
    const auto n = static_cast<std::int64_t>(a_.size()), m = static_cast<std::int64_t>(b_.size());
    for (std::int64_t d = 0; d <= std::min<std::int64_t>(edits, n + m); ++d) {
      rows_.emplace_back(static_cast<std::size_t>(2 * d + 1), 0);
      for (std::int64_t k = -d; k <= d; k += 2) {
        std::int64_t x = enter(d, k).x;
        if (x != outside)
          while (x < n && x - k < m && a_[at(x)] == b_[at(x - k)]) ++x;
        rows_[at(d)][at(k + d)] = static_cast<std::int32_t>(x);
        if (x >= n && x - k >= m) return back(d, common), true;
      }
    }
    return false;
  }

 private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  std::int64_t reach(std::int64_t d, std::int64_t k) const {
    return k < -d || k > d ? outside : rows_[at(d)][at(k + d)];
  }
  // Where diagonal k begins after d edits: one step down (an element of b alone) or right (one of a alone).
  struct Entry {
    std::int64_t x = outside;
    bool down = false;
  };
  Entry enter(std::int64_t d, std::int64_t k) const {
    if (d == 0) return {0, false};
    std::int64_t down = reach(d - 1, k + 1), right = reach(d - 1, k - 1);
    if (down != outside && down - k > static_cast<std::int64_t>(b_.size())) down = outside;
    if (right != outside && ++right > static_cast<std::int64_t>(a_.size())) right = outside;
    return {std::max(down, right), down >= right};
  }
  void back(std::int64_t d, Pairs& common) const {
    std::int64_t k = static_cast<std::int64_t>(a_.size()) - static_cast<std::int64_t>(b_.size());
    for (; d >= 0; --d) {
      const Entry entry = enter(d, k);
      for (std::int64_t x = reach(d, k); x > entry.x; --x)
        common.emplace_back(static_cast<std::uint32_t>(x - 1), static_cast<std::uint32_t>(x - 1 - k));
      k += entry.down ? 1 : -1;
    }
    std::reverse(common.begin(), common.end());
  }

  static constexpr std::int64_t outside = -1;
  std::span<const Token> a_, b_;
  std::vector<std::vector<std::int32_t>> rows_;
};

// The n-th occurrence in a belongs to the n-th in b. Only elements without a partner take part.
Pairs join_by_occurrence(std::span<const Token> a, std::span<const Token> b, const Alignment& known,
                         std::size_t begin, std::size_t end_a, std::size_t end_b) {
  std::unordered_map<Token, std::deque<std::uint32_t>, TokenHash> waiting;
  for (std::size_t j = begin; j < end_b; ++j)
    if (known.b[j].fate == Fate::alone) waiting[b[j]].push_back(static_cast<std::uint32_t>(j));
  Pairs pairs;
  for (std::size_t i = begin; i < end_a; ++i) {
    if (known.a[i].fate != Fate::alone) continue;
    const auto found = waiting.find(a[i]);
    if (found == waiting.end() || found->second.empty()) continue;
    pairs.emplace_back(static_cast<std::uint32_t>(i), found->second.front());
    found->second.pop_front();
  }
  return pairs;
}

// The pairs of a longest increasing subsequence of the second numbers.
std::vector<bool> in_order(const Pairs& pairs) {
  constexpr auto none = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> tails, before(pairs.size(), none);
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto place = std::lower_bound(tails.begin(), tails.end(), pairs[i].second,
                                        [&](std::size_t t, std::uint32_t v) { return pairs[t].second < v; });
    if (place != tails.begin()) before[i] = *(place - 1);
    if (place == tails.end())
      tails.push_back(i);
    else
      *place = i;
  }
  std::vector<bool> result(pairs.size(), false);
  for (std::size_t i = tails.empty() ? none : tails.back(); i != none; i = before[i]) result[i] = true;
  return result;
}

// Two lonely elements of one kind between the same two neighbours that were kept.
void pair_changed(std::span<const Token> a, std::span<const Token> b, Alignment& out) {
  std::size_t j = 0;
  for (std::size_t i = 0; i <= a.size();) {
    std::unordered_map<std::uint32_t, std::deque<std::uint32_t>> lonely;  // by kind
    const std::size_t gap = i;
    while (i < a.size() && out.a[i].fate != Fate::kept) ++i;
    const std::size_t end_b = i < a.size() ? out.a[i].partner : b.size();
    for (; j < end_b; ++j)
      if (out.b[j].fate == Fate::alone) lonely[b[j].kind].push_back(static_cast<std::uint32_t>(j));
    for (std::size_t g = gap; g < i; ++g) {
      auto& same = lonely[a[g].kind];
      if (out.a[g].fate != Fate::alone || same.empty()) continue;
      keep(out, static_cast<std::uint32_t>(g), same.front(), Fate::changed);
      same.pop_front();
    }
    ++i;
    ++j;
  }
}

}  // namespace

Alignment align(std::span<const Token> a, std::span<const Token> b, std::uint32_t edits) {
  Alignment out{std::vector<Slot>(a.size()), std::vector<Slot>(b.size())};
  std::size_t begin = 0, end_a = a.size(), end_b = b.size();
  const auto same = [&](std::size_t i, std::size_t j) {
    keep(out, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j), Fate::kept);
  };
  for (; begin < std::min(end_a, end_b) && a[begin] == b[begin]; ++begin) same(begin, begin);
  for (; std::min(end_a, end_b) > begin && a[end_a - 1] == b[end_b - 1]; --end_a, --end_b)
    same(end_a - 1, end_b - 1);

  Pairs common;
  if (Search(a.subspan(begin, end_a - begin), b.subspan(begin, end_b - begin)).run(edits, common)) {
    for (const auto& [i, j] : common) same(begin + i, begin + j);
  } else {
    const Pairs pairs = join_by_occurrence(a, b, out, begin, end_a, end_b);
    const std::vector<bool> ordered = in_order(pairs);
    for (std::size_t p = 0; p < pairs.size(); ++p)
      if (ordered[p]) same(pairs[p].first, pairs[p].second);
  }
  for (const auto& [i, j] : join_by_occurrence(a, b, out, begin, end_a, end_b)) keep(out, i, j, Fate::moved);
  pair_changed(a, b, out);
  return out;
}

}  // namespace chorus::compare
