// The sender's paces on the embedded chat server: whatever the pace, the same is said, and nothing is early.
#include "tests/loop/chat_fixture.h"
#include "traces/format/reader.h"

#include <boost/json/value.hpp>
#include <catch2/catch.hpp>

using namespace chorus::test;
namespace json = boost::json;

namespace {

using namespace std::chrono_literals;

// The kept sends of a run, each with its time and what it was intended for, and what the run came to.
struct Played {
  json::object result;
  std::vector<chorus::format::Event> sends;
  chorus::format::Trace trace;  // holds the bytes of `sends`
};

Played play(const std::string& pace) {
  ScratchFolder folder;
  ChatServer server;
  const std::string crowd = folder / "crowd.trace";
  Played played;
  const Finished finished = run_chorus(replay(
      sample("packet-chat.trace"), server,
      {"--clients", "40", "--ramp", "1ms", "--cohort", "10", "--keep", "40", "--pace", pace, "-o", crowd}));
  INFO(finished.out << finished.err);
  played.result = document_of(finished);
  auto loaded = chorus::format::load(crowd);
  REQUIRE(loaded.has_value());
  played.trace = std::move(*loaded);
  for (const auto& event : played.trace.events) {
    if (event.kind == chorus::format::EventKind::ToServer) played.sends.push_back(event);
  }
  return played;
}

}  // namespace

TEST_CASE("the whole recording is said at every pace, by everybody to everybody, and never early", "[loop]") {
  for (const std::string pace : {"exact", "spin", "grid=1ms", "grid=100ms"}) {
    INFO(pace);
    const Played played = play(pace);
    const auto& result = played.result;
    INFO(json::value(result));
    CHECK(result.at("clients").at("completed") == 40);
    CHECK(result.at("messages").at("unanswered") == 0);
    CHECK(result.at("messages").at("sent") == result.at("messages").at("scheduled"));
    CHECK(result.at("fanout").at("delivered") == result.at("fanout").at("expected"));
    CHECK(result.at("divergences").as_array().empty());
    CHECK(played.sends.size() == 40 * 7);
    for (const auto& send : played.sends) CHECK(send.time >= send.intended.value());
  }
}

TEST_CASE("on a grid nothing goes out before the tick that it waits for", "[loop]") {
  const Played played = play("grid=20ms");
  REQUIRE(!played.sends.empty());
  for (const auto& send : played.sends) CHECK(send.time / 20ms * 20ms >= send.intended.value());
}
