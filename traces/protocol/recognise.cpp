// Which page a trace belongs to. A trace that says it itself is believed; else every built-in page is tried
// on what the connections said first, and on framing everything that they said.
#include "traces/protocol/builtin_pages.h"
#include "traces/protocol/conversation.h"

#include <algorithm>
#include <unordered_map>

#include <boost/json.hpp>

namespace chorus::protocol {
namespace {

using format::EventKind;

constexpr std::size_t looked_at = 4096;  // first bytes of each side of a connection
constexpr double likely = 0.5;           // of Page::recognises(), averaged over the connections

struct First {
  std::string by_side[2];
};

std::optional<std::string> info_text(const format::Trace& trace, const char* key) {
  boost::system::error_code error;
  const auto info = boost::json::parse(trace.info, error);
  if (error || !info.is_object()) return std::nullopt;
  const auto* value = info.as_object().if_contains(key);
  if (!value || !value->is_string() || value->as_string().empty()) return std::nullopt;
  return std::string(value->as_string());
}

std::vector<First> first_bytes(const format::Trace& trace) {
  std::unordered_map<std::uint32_t, First> by_connection;
  for (const auto& event : trace.events) {
    if (event.kind != EventKind::ToServer && event.kind != EventKind::ToClient) continue;
    std::string& first = by_connection[event.connection].by_side[event.kind == EventKind::ToClient];
    if (first.size() < looked_at) first.append(event.payload.substr(0, looked_at - first.size()));
  }
  std::vector<First> all;
  for (auto& [connection, first] : by_connection) all.push_back(std::move(first));
  return all;
}

double score_of(const Page& page, const std::vector<First>& connections) {
  double sum = 0;
  for (const First& first : connections) {
    const double score = page.recognises(first.by_side[0], first.by_side[1]);
    if (score == 0) return 0;
    sum += score;
  }
  return connections.empty() ? 0 : sum / static_cast<double>(connections.size());
}

bool frames_all(const format::Trace& trace, Page& page) {
  const auto conversations = converse(trace, page);
  return std::all_of(conversations.begin(), conversations.end(),
                     [](const Conversation& c) { return c.broken.empty(); });
}

// The server's port as the recorder saw it, 0 = unknown.
int server_port(const format::Trace& trace) {
  for (const auto& event : trace.events) {
    if (event.kind != EventKind::Opened) continue;
    const auto colon = event.payload.rfind(':');
    if (colon == Bytes::npos) return 0;
    int port = 0;
    for (const char c : event.payload.substr(colon + 1)) {
      if (c < '0' || c > '9' || port > 65535) return 0;
      port = port * 10 + (c - '0');
    }
    return port;
  }
  return 0;
}

bool lists(const Page& page, int port) {
  return std::any_of(page.ports().begin(), page.ports().end(), [&](int listed) { return listed == port; });
}

}  // namespace

Expected<Recognised> recognise(const format::Trace& trace) {
  if (const auto text = info_text(trace, "page")) {
    auto page = Page::parse(*text, "the page in " + trace.path.string());
    if (!page) return page.error();
    return Recognised{std::move(*page), "named by the run"};
  }
  if (const auto name = info_text(trace, "protocol")) {
    auto page = Page::find(*name);
    if (!page)
      return Trouble{"the recording names its protocol, but " + page.error().what +
                     "; give it with --protocol"};
    return Recognised{std::move(*page), "named by the recording"};
  }
  // The most likely one; of equally likely ones the one at home on the server's port, then the first by name.
  const auto connections = first_bytes(trace);
  const int port = server_port(trace);
  std::optional<Page> best;
  double best_score = 0;
  for (const BuiltinPage& builtin : builtin_pages()) {
    auto page = Page::parse(builtin.text, std::string(builtin.name) + ".toml (built in)");
    if (!page) return page.error();
    const double score = score_of(*page, connections);
    if (score < likely || score < best_score) continue;
    if (best && score == best_score) {
      const bool ours = lists(*page, port), theirs = lists(*best, port);
      if (ours == theirs ? best->name() < page->name() : theirs) continue;
    }
    auto fresh = Page::parse(builtin.text, builtin.name);
    if (!frames_all(trace, *fresh)) continue;
    best = std::move(*page);
    best_score = score;
  }
  if (!best)
    return Recognised{Page::raw(), "no built-in protocol fits its first messages and all of its framing"};
  const std::string because = "recognised " + std::string(best->name()) + " by its first messages";
  return Recognised{std::move(*best), because};
}

}  // namespace chorus::protocol
