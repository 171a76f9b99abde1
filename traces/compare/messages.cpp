#include "traces/compare/messages.h"

#include "traces/compare/align.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace chorus::compare {
namespace {

std::string shown(const Page& page, Side from, Bytes text) {
  return std::string(protocol::without_delimiter(page.framing(from), text));
}

// The last thing this client saw before: what a reader looks for in a log.
std::string before(const Page& page, const Client& client, const Line& line) {
  for (auto i = static_cast<std::size_t>(&line - client.lines.data()); i-- > 0;) {
    const Line& last = client.lines[i];
    if (!last.foreign) return shown(page, last.from, last.text);
  }
  return {};
}

std::string ended(const protocol::Conversation& talk) {
  if (talk.refused) return "refused: " + *talk.refused;
  if (talk.client_reset) return "reset by the client";
  if (talk.server_reset) return "reset by the server";
  if (talk.client_end && (!talk.server_end || *talk.client_end <= *talk.server_end))
    return "closed by the client";
  if (talk.server_end) return "closed by the server";
  return talk.closed ? "closed" : "still open";
}

}  // namespace

// What one sender sent to the client, on both sides.
struct MessageJudge::Stream {
  std::vector<const Line*> a, b;
};

void MessageJudge::judge(const Pair& pair) {
  ending(pair);
  find_farewells(pair);
  for (const Side side : {Side::client, Side::server}) {
    if (page_.is_raw())
      bytes(pair, side);
    else
      streams(pair, side);
  }
  if (!page_.is_raw()) framing(pair);
  ++found_.a.compared;
  ++found_.b.compared;
}

void MessageJudge::streams(const Pair& pair, Side from) {
  std::map<std::string, Stream> by_sender;
  std::map<std::tuple<Mask, KindId>, std::unordered_map<std::uint64_t, std::int64_t>> masked;
  const auto sort = [&](const Client& client, bool is_a) {
    for (const Line& line : client.lines) {
      if (line.from != from) continue;
      if (line.foreign) {
        ++others_[is_a ? 0 : 1];
      } else if (line.mask == Mask::ignored || line.mask == Mask::reply) {
        masked[{line.mask, line.kind}][std::hash<Bytes>{}(line.text)] += is_a ? 1 : -1;
        Hidden& hidden = hidden_[{line.mask, from, line.kind}];
        ++(is_a ? hidden.a : hidden.b);
      } else {
        Stream& stream = by_sender[line.sender];
        (is_a ? stream.a : stream.b).push_back(&line);
        Extent& extent = is_a ? found_.a : found_.b;
        ++(from == Side::client ? extent.sent : extent.received);
      }
    }
  };
  sort(*pair.a, true);
  sort(*pair.b, false);
  for (const auto& [mask, balance] : masked)
    for (const auto& [text, surplus] : balance)
      hidden_[{std::get<0>(mask), from, std::get<1>(mask)}].hid +=
          static_cast<std::uint64_t>(std::abs(surplus));
  for (const auto& [sender, stream] : by_sender) compare(pair, from, stream);
}

void MessageJudge::compare(const Pair& pair, Side from, const Stream& stream) {
  const auto tokens = [](const std::vector<const Line*>& lines) {
    std::vector<Token> result;
    for (const Line* line : lines) result.push_back({line->key, line->kind});
    return result;
  };
  const std::vector<Token> a = tokens(stream.a), b = tokens(stream.b);
  const Alignment joined = align(a, b);
  std::unordered_set<std::uint64_t> common;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (joined.a[i].fate == Fate::kept || joined.a[i].fate == Fate::moved)
      common.insert(a[i].key ^ a[i].kind);

  for (std::size_t i = 0; i < a.size(); ++i) {
    const Line& line = *stream.a[i];
    const Slot slot = joined.a[i];
    if (slot.fate == Fate::alone) {
      alone(pair, line, true, common.contains(a[i].key ^ a[i].kind));
      continue;
    }
    const Line& other = *stream.b[slot.partner];
    if (line.mask != Mask::none && slot.fate != Fate::changed) {
      Hidden& hidden = hidden_[{line.mask, from, line.kind}];
      ++hidden.a, ++hidden.b;
      if (line.text != other.text) ++hidden.hid;
    }
    if (slot.fate == Fate::changed) found_.findings.push_back(place(pair, Rule::payload, &line, &other));
    if (slot.fate == Fate::moved) {
      Finding finding = place(pair, Rule::reordered, &line, &other);
      finding.change = static_cast<std::int64_t>(slot.partner) - static_cast<std::int64_t>(i);
      found_.findings.push_back(std::move(finding));
    }
  }
  for (std::size_t j = 0; j < b.size(); ++j)
    if (joined.b[j].fate == Fate::alone)
      alone(pair, *stream.b[j], false, common.contains(b[j].key ^ b[j].kind));
}

void MessageJudge::alone(const Pair& pair, const Line& line, bool on_a, bool has_equal) {
  if (on_a && stranger(line)) {
    ++strangers_[0];
    return;
  }
  if (after_farewell(line, on_a)) {
    ++farewells_[on_a ? 0 : 1];
    return;
  }
  if (behind_the_end(pair, line, on_a)) {
    ++behind_[on_a ? 0 : 1];
    return;
  }
  if (!on_a && nobodys(line)) {
    ++others_[1];
    return;
  }
  Finding finding =
      place(pair, on_a ? Rule::missing : Rule::extra, on_a ? &line : nullptr, on_a ? nullptr : &line);
  finding.change = on_a ? -1 : 1;
  finding.has_equal = has_equal;
  found_.findings.push_back(std::move(finding));
}

// Somebody the recording heard of, but who was not recorded: no run has anyone to play that part.
bool MessageJudge::stranger(const Line& line) const {
  return !a_.run && b_.run && !line.sender.empty() && !b_.group.contains(line.sender) &&
         !b_.senders.contains(line.sender);
}

// What the server still says to a client that says its last words and hangs up: whether it is heard is
// chance. The last words are those that one of the two sides said in a row.
bool MessageJudge::after_farewell(const Line& line, bool on_a) const {
  const auto& farewell = farewell_[on_a ? 0 : 1];
  return line.from == Side::server && farewell && line.time >= *farewell;
}

void MessageJudge::find_farewells(const Pair& pair) {
  constexpr Nanos hangs_up_soon = std::chrono::seconds(1);
  const auto own = [](const Line& one) { return one.from == Side::client; };
  std::ptrdiff_t words = 0;
  for (const Client* side : {pair.a, pair.b}) {
    const auto last = std::find_if(side->lines.rbegin(), side->lines.rend(), own);
    words = std::max(words, std::find_if_not(last, side->lines.rend(), own) - last);
  }
  for (const bool on_a : {true, false}) {
    const Client& client = on_a ? *pair.a : *pair.b;
    auto& farewell = farewell_[on_a ? 0 : 1];
    farewell.reset();
    std::ptrdiff_t left = words;
    for (auto one = client.lines.rbegin(); one != client.lines.rend() && left > 0; ++one) {
      if (!own(*one)) continue;
      farewell = one->time;
      --left;
    }
    const auto end = client.talk->client_end ? client.talk->client_end : client.talk->closed;
    if (!end || (farewell && *end - *farewell > hangs_up_soon)) farewell.reset();
  }
}

// Whether the other side's file was cut before this message could have been in it. Times count from each
// client's first message, since a copy plays the recording later; what came close to the cut may have come
// behind it.
bool MessageJudge::behind_the_end(const Pair& pair, const Line& line, bool on_a) const {
  constexpr Nanos close_to_it = std::chrono::seconds(1);
  const Subject& other = on_a ? b_ : a_;
  if (!other.cut()) return false;
  const Client &here = on_a ? *pair.a : *pair.b, &there = on_a ? *pair.b : *pair.a;
  if (there.lines.empty()) return true;
  return line.time - here.lines.front().time + close_to_it > other.length - there.lines.front().time;
}

// In rooms that copies share, a copy of somebody's words that does not say whose they are may be another's.
bool MessageJudge::nobodys(const Line& line) const {
  return b_.run && b_.setting("cohort") != "1" && line.sender.empty() &&
         page_.use(Side::server, line.kind).delivers && line.from == Side::server;
}

Finding MessageJudge::place(const Pair& pair, Rule rule, const Line* a, const Line* b) const {
  Finding finding;
  finding.rule = rule;
  finding.place.client_a = pair.a->number;
  finding.place.client_b = pair.b->number;
  if (const Line* line = a ? a : b) {
    finding.place.from = line->from;
    finding.place.kind = page_.kind_name(line->kind);
  }
  if (a) {
    finding.a = shown(page_, a->from, a->text);
    finding.place.time_a = a->time;
    finding.place.before_a = before(page_, *pair.a, *a);
  }
  if (b) {
    finding.b = shown(page_, b->from, b->text);
    finding.place.time_b = b->time;
    finding.place.before_b = before(page_, *pair.b, *b);
  }
  if (a && b && rule == Rule::payload && finding.a == finding.b) {  // only the delimiter differs
    finding.a = a->text;
    finding.b = b->text;
  }
  return finding;
}

void MessageJudge::bytes(const Pair& pair, Side from) {
  constexpr std::size_t context = 48;                    // bytes shown from the first difference on
  if (a_.run != b_.run && from == Side::server) return;  // see finish()
  const std::string& a = pair.a->stream[static_cast<std::size_t>(from)];
  const std::string& b = pair.b->stream[static_cast<std::size_t>(from)];
  (from == Side::client ? found_.a.sent : found_.a.received) += a.size();
  (from == Side::client ? found_.b.sent : found_.b.received) += b.size();
  if (a == b) return;
  if ((a_.cut() && b.starts_with(a)) || (b_.cut() && a.starts_with(b))) {
    ++behind_[a.size() > b.size() ? 0 : 1];
    return;
  }
  const auto at =
      static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  Finding finding = place(pair, Rule::bytes, nullptr, nullptr);
  finding.place.from = from;
  finding.place.kind = "byte " + std::to_string(at);
  finding.a = a.substr(at, context);
  finding.b = b.substr(at, context);
  finding.change = static_cast<std::int64_t>(b.size()) - static_cast<std::int64_t>(a.size());
  found_.findings.push_back(std::move(finding));
}

void MessageJudge::framing(const Pair& pair) {
  const auto say = [&](const std::string& a, const std::string& b, std::int64_t change, Side from) {
    Finding finding = place(pair, Rule::framing, nullptr, nullptr);
    finding.place.from = from;
    finding.a = a;
    finding.b = b;
    finding.change = change;
    found_.findings.push_back(std::move(finding));
  };
  const auto state = [](const std::string& broken) { return broken.empty() ? "well framed" : broken; };
  const protocol::Conversation &a = *pair.a->talk, &b = *pair.b->talk;
  if (a.broken.empty() != b.broken.empty())
    say(state(a.broken), state(b.broken), b.broken.empty() ? -1 : 1, Side::server);
  for (const Side side : {Side::client, Side::server}) {
    const std::uint64_t x = a.unfinished[static_cast<std::size_t>(side)],
                        y = b.unfinished[static_cast<std::size_t>(side)];
    const auto words = [](std::uint64_t n) {
      return "ends with " + std::to_string(n) + " bytes of a cut message";
    };
    if (x != y && a.broken.empty() && b.broken.empty() && !(a_.cut() && x > 0) && !(b_.cut() && y > 0))
      say(words(x), words(y), static_cast<std::int64_t>(y) - static_cast<std::int64_t>(x), side);
  }
  if (!a.broken.empty() && !b.broken.empty())
    found_.not_judged.push_back({"what follows the place where framing failed", 1, 1, a.broken});
}

// A replayed client closes when its script is done, so who was first means something only between equals.
void MessageJudge::ending(const Pair& pair) {
  const protocol::Conversation &x = *pair.a->talk, &y = *pair.b->talk;
  const std::string a = ended(x), b = ended(y);
  if (a == b) return;
  if ((a_.cut() && !x.closed) || (b_.cut() && !y.closed)) {
    ++unended_[x.closed ? 1 : 0];
    return;
  }
  if (a_.run != b_.run && x.refused.has_value() == y.refused.has_value() && x.server_reset == y.server_reset)
    return;
  Finding finding = place(pair, Rule::ending, nullptr, nullptr);
  finding.place.time_a = x.closed;
  finding.place.time_b = y.closed;
  finding.a = a;
  finding.b = b;
  found_.findings.push_back(std::move(finding));
}

void MessageJudge::finish(Diff& diff) {
  diff.a.compared = found_.a.compared, diff.b.compared = found_.b.compared;
  diff.a.sent = found_.a.sent, diff.b.sent = found_.b.sent;
  diff.a.received = found_.a.received, diff.b.received = found_.b.received;
  for (Finding& finding : found_.findings) diff.findings.push_back(std::move(finding));
  for (NotJudged& entry : found_.not_judged) diff.not_judged.push_back(std::move(entry));
  for (auto& [key, hidden] : hidden_) {
    if (hidden.hid == 0) continue;
    std::tie(hidden.mask, hidden.from, std::ignore) = key;
    hidden.kind = page_.kind_name(std::get<2>(key));
    diff.hidden.push_back(hidden);
  }
  if (others_[0] + others_[1] > 0)
    diff.not_judged.push_back({"messages from users outside the copy", others_[0], others_[1],
                               "only what a copy says itself is compared"});
  if (farewells_[0] + farewells_[1] > 0)
    diff.not_judged.push_back({"messages after a client's last words", farewells_[0], farewells_[1],
                               "whether they come before it hangs up is chance"});
  if (behind_[0] + behind_[1] > 0)
    diff.not_judged.push_back({"messages behind the end of a cut file", behind_[0], behind_[1],
                               "what the other side had there is lost"});
  if (unended_[0] + unended_[1] > 0)
    diff.not_judged.push_back({"connections that were open at the end of a cut file", unended_[0],
                               unended_[1], "how they ended is lost"});
  if (strangers_[0] > 0)
    diff.not_judged.push_back({"messages from users who were not recorded", strangers_[0], 0,
                               "nobody in the run plays their part"});
  if (page_.is_raw() && a_.run != b_.run)
    diff.not_judged.push_back({"what the server sent", 0, 0,
                               "without a page nothing tells a client's own messages from those of others; "
                               "name the protocol with --protocol"});
}

}  // namespace chorus::compare
