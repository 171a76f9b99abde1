// A recorded chat of two users in a room, and the run of a crowd made from it: what tests of show and diff
// read. Both are plain lists of events that a test may change before it writes them.
#pragma once

#include "tests/trace_sample.h"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace chorus::sample {

using format::EventKind;
using format::Nanos;

struct Step {
  std::int64_t ms = 0;
  std::uint32_t connection = 0;
  EventKind kind = EventKind::None;
  std::string payload;
};
using Steps = std::vector<Step>;

// alice (connection 0) and bob (connection 1) log in, meet in #tea and talk.
inline Steps session() {
  const auto to_server = EventKind::ToServer, to_client = EventKind::ToClient;
  return {
      {0, 0, EventKind::Opened, "127.0.0.1:50000 127.0.0.1:6667"},
      {1, 0, to_server, "NICK alice\r\nUSER alice 0 * :Alice\r\n"},
      {5, 0, to_client, ":irc.test 001 alice :Welcome alice!alice@localhost\r\n"},
      {5, 0, to_client, ":irc.test 003 alice :This server was started Mon\r\n:irc.test 376 alice :End\r\n"},
      {10, 1, EventKind::Opened, "127.0.0.1:50001 127.0.0.1:6667"},
      {11, 1, to_server, "NICK bob\r\nUSER bob 0 * :Bob\r\n"},
      {15, 1, to_client, ":irc.test 001 bob :Welcome bob!bob@localhost\r\n:irc.test 376 bob :End\r\n"},
      {20, 0, to_server, "JOIN #tea\r\n"},
      {22, 0, to_client, ":alice!alice@localhost JOIN :#tea\r\n:irc.test 366 alice #tea :End\r\n"},
      {30, 1, to_server, "JOIN #tea\r\n"},
      {32, 1, to_client, ":bob!bob@localhost JOIN :#tea\r\n:irc.test 366 bob #tea :End\r\n"},
      {32, 0, to_client, ":bob!bob@localhost JOIN :#tea\r\n"},
      {40, 0, to_server, "PRIVMSG #tea :hello bob\r\n"},
      {42, 1, to_client, ":alice!alice@localhost PRIVMSG #tea :hello bob\r\n"},
      {50, 1, to_server, "PRIVMSG #tea :one\r\nPRIVMSG #tea :two\r\n"},
      {52, 0, to_client, ":bob!bob@localhost PRIVMSG #tea :one\r\n"},
      {53, 0, to_client, ":bob!bob@localhost PRIVMSG #tea :two\r\n"},
      {60, 0, to_server, "QUIT :bye\r\n"},
      {61, 0, to_client, "ERROR :Closing connection\r\n"},
      {61, 1, to_client, ":alice!alice@localhost QUIT :bye\r\n"},
      {62, 0, EventKind::ServerEnd, ""},
      {63, 0, EventKind::ClientEnd, ""},
      {63, 0, EventKind::Closed, ""},
      {70, 1, EventKind::ClientEnd, ""},
      {71, 1, EventKind::ServerEnd, ""},
      {71, 1, EventKind::Closed, ""}};
}

// The first step whose payload has `part`, from `kind`'s direction; the test fails when there is none.
inline Steps::iterator find(Steps& steps, EventKind kind, std::string_view part, std::uint32_t connection) {
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const Step& step) {
    return step.kind == kind && step.connection == connection && step.payload.find(part) != std::string::npos;
  });
  REQUIRE(found != steps.end());
  return found;
}

inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

struct Tables {
  std::string info = R"({"mode":"recording"})";
  std::vector<format::ClientRow> clients;
  std::vector<format::Binding> bindings;
  std::vector<format::Divergence> divergences;
  std::vector<format::NamedSketch> sketches;
};

// A crowd of two copies of session(), both kept, in which everything went as recorded.
struct Crowd {
  Steps steps;
  Tables tables;
};

inline std::string hash_of(const format::Trace& trace) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(trace.content_hash));
  return text;
}

inline Crowd crowd(const format::Trace& recording, const std::string& verdict = "VALID") {
  Crowd crowd;
  crowd.tables.info =
      R"({"mode":"run","protocol":"irc","source":")" + hash_of(recording) +
      R"(","options":{"schedule":"recorded"},"result":{"verdict":")" + verdict +
      R"(","reasons":["lateness at p99 is 4 ms"],"clients":{"reasons":["","433 Nickname in use"]}}})";
  for (std::uint32_t copy = 0; copy < 2; ++copy) {
    const std::string own[] = {"u000000" + std::to_string(copy * 2),
                               "u000000" + std::to_string(copy * 2 + 1)};
    const std::string room = "#tea0000" + std::to_string(copy);
    crowd.tables.bindings.push_back({copy, 0, "alice", own[0]});
    crowd.tables.bindings.push_back({copy, 1, "bob", own[1]});
    crowd.tables.bindings.push_back({copy, format::shared_by_all, "#tea", room});
    for (std::uint32_t member = 0; member < 2; ++member)
      crowd.tables.clients.push_back(
          {copy * 2 + member, copy, member, format::Outcome::Completed, 0, 5, 1000, 5000, true});
    for (Step step : session()) {
      step.ms += copy * 5;
      step.connection += copy * 2;
      step.payload = replaced(step.payload, "alice", own[0]);
      step.payload = replaced(step.payload, "bob", own[1]);
      step.payload = replaced(step.payload, "#tea", room);
      crowd.steps.push_back(step);
    }
  }
  return crowd;
}

inline format::Trace write(const std::filesystem::path& path, Steps steps, const Tables& tables = {},
                           format::WriterOptions options = {}) {
  options.start = format::sample::start;
  std::stable_sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) { return a.ms < b.ms; });
  auto writer = format::Writer::create(path, options);
  REQUIRE(writer.has_value());
  (*writer)->info(tables.info);
  for (const Step& step : steps)
    (*writer)->add({std::chrono::milliseconds(step.ms), step.connection, step.kind, step.payload, {}});
  if (!tables.clients.empty()) (*writer)->clients(tables.clients);
  if (!tables.bindings.empty()) (*writer)->bindings(tables.bindings);
  if (!tables.divergences.empty()) (*writer)->divergences(tables.divergences);
  if (!tables.sketches.empty()) (*writer)->sketches(tables.sketches);
  REQUIRE((*writer)->close().has_value());
  auto trace = format::load(path);
  REQUIRE(trace.has_value());
  return std::move(*trace);
}

}  // namespace chorus::sample
