#include "traces/compare/timing.h"

#include <algorithm>
#include <deque>
#include <map>

namespace chorus::compare {
namespace {

using format::Sketch;
using protocol::AnswerRule;
using protocol::Message;

struct Measured {
  Sketch sketch;
  std::uint64_t unanswered = 0;
};
// By what is measured ("latency", "ready", ...) and of what (a kind or "").
using Measures = std::map<std::pair<std::string, std::string>, Measured>;

Figures figures(const Measured& measured) {
  const Sketch& s = measured.sketch;
  return {s.count(), measured.unanswered, s.quantile(0.5), s.quantile(0.9), s.quantile(0.99), s.max()};
}

// From each message of a client to the first own answer that the page names; FIFO where several are under
// way.
class Latency {
 public:
  Latency(const Page& page, const Subject& subject, Measures& out)
      : page_(page), subject_(subject), out_(out) {}

  void operator()(const Client& client) {
    std::map<std::size_t, std::deque<Nanos>> waiting;  // by rule
    bool ready = false;
    for (const Message& message : client.talk->messages) {
      if (message.from == Side::client) {
        for (std::size_t r = 0; r < rules().size(); ++r)
          if (rules()[r].to == message.kind) waiting[r].push_back(message.intended.value_or(message.time));
        continue;
      }
      if (page_.has_ready() && !ready && page_.is_ready(message.kind, message.bytes)) {
        ready = true;
        out_[{"ready", ""}].sketch.add(message.time - client.talk->opened);
      }
      if (page_.use(Side::server, message.kind).answers) answer(client, message, waiting);
    }
    for (const auto& [rule, times] : waiting)
      for (const Nanos since : times) enter(rule, subject_.length - since, true);
  }

 private:
  const std::vector<AnswerRule>& rules() const { return page_.answers(); }

  void answer(const Client& client, const Message& message,
              std::map<std::size_t, std::deque<Nanos>>& waiting) {
    if (!page_.is_own(message.kind, message.bytes, client.self)) return;
    for (auto& [rule, times] : waiting) {
      const auto& by = rules()[rule].by;
      if (times.empty() || std::find(by.begin(), by.end(), message.kind) == by.end()) continue;
      enter(rule, message.time - times.front(), false);
      times.pop_front();
    }
  }

  void enter(std::size_t rule, Nanos latency, bool unanswered) {
    Measured& measured = out_[{"latency", std::string(page_.kind_name(rules()[rule].to))}];
    measured.sketch.add(latency);
    if (unanswered) ++measured.unanswered;
  }

  const Page& page_;
  const Subject& subject_;
  Measures& out_;
};

// What the run measured of all its clients; windows are added up where there is no row of the whole.
void from_sketches(const Subject& run, Measures& out) {
  Measures whole, windows;
  for (const format::NamedSketch& row : run.trace->sketches) {
    const std::size_t slash = row.name.find('/');
    const std::pair<std::string, std::string> key{
        row.name.substr(0, slash), slash == std::string::npos ? "" : row.name.substr(slash + 1)};
    (row.window.count() == 0 ? whole : windows)[key].sketch.merge(row.sketch);
  }
  for (auto& measures : {&windows, &whole})
    for (auto& [key, measured] : *measures) out[key] = std::move(measured);
}

Measures measures_of(const Page& page, const Subject& subject) {
  Measures out;
  Latency latency(page, subject, out);
  if (!page.is_raw())
    for (const Client& client : subject.clients) latency(client);
  if (subject.run) from_sketches(subject, out);
  return out;
}

Nanos median(std::vector<Nanos> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

// Offsets of sends since the connection was opened: think times, added up.
std::vector<Nanos> sends(const Page& page, const Client& client) {
  std::vector<Nanos> times;
  for (const Message& message : client.talk->messages)
    if (message.from == Side::client && !page.use(Side::client, message.kind).dropped)
      times.push_back(message.time - client.talk->opened);
  return times;
}

Figures spread(const std::vector<Nanos>& times) {
  Measured measured;
  for (const Nanos time : times) measured.sketch.add(time);
  return figures(measured);
}

// Sends correspond by their number, as long as both sides have as many.
std::optional<Timing> offsets(const Page& page, const Subject& b, const Pair& pair) {
  const std::vector<Nanos> x = sends(page, *pair.a), y = sends(page, *pair.b);
  if (x.empty() || x.size() != y.size()) return std::nullopt;
  std::vector<Nanos> shift(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) shift[i] = y[i] - x[i];
  Timing row{"offset", std::string(b.run ? "client " : "connection ") + std::to_string(pair.b->number),
             spread(x), spread(y), median(std::move(shift))};
  return row;
}

// A canary is the recording once more: beside what it measured stands what the recording had of that kind.
std::optional<Figures> figures_of(const Measures& side, std::pair<std::string, std::string> key, bool run) {
  auto found = side.find(key);
  if (found == side.end() && !run && key.first == "canary")
    found = side.find({"latency", key.second.substr(key.second.rfind('/') + 1)});
  if (found == side.end()) return std::nullopt;
  return figures(found->second);
}

}  // namespace

void measure(const Page& page, const Subject& a, const Subject& b, std::span<const Pair> pairs, Diff& diff) {
  const Measures x = measures_of(page, a), y = measures_of(page, b);
  Measures all = x;
  all.insert(y.begin(), y.end());
  for (const auto& [key, ignored] : all) {
    Timing row{key.first, key.second, std::nullopt, std::nullopt, std::nullopt};
    row.a = figures_of(x, key, a.run);
    row.b = figures_of(y, key, b.run);
    if (row.a && row.b) row.shift = row.b->p50 - row.a->p50;
    diff.timing.push_back(std::move(row));
  }
  for (const Pair& pair : pairs)
    if (auto row = offsets(page, b, pair)) diff.timing.push_back(std::move(*row));
}

}  // namespace chorus::compare
