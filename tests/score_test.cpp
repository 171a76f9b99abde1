#include "replayer/score.h"

#include "tests/packet_recording.h"

#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::tests;
using replayer::Part;
using replayer::Step;

namespace {

replayer::Score compile(const Recording& recording, std::vector<protocol::Rename> renames = {}) {
  auto page = protocol::Page::find("packet-chat");
  REQUIRE(page.has_value());
  const auto conversations = protocol::converse(recording.trace(), *page);
  auto score = replayer::compile_score(std::move(*page), conversations, protocol::NewNames{renames, nullptr});
  REQUIRE(score.has_value());
  return std::move(*score);
}

}  // namespace

TEST_CASE("a step without a gate waits the recorded gap, one behind a gate the recorded think time",
          "[score]") {
  const auto score = compile(alice());
  REQUIRE(score.parts.size() == 1);
  const Part& part = score.parts[0];
  REQUIRE(part.steps.size() == 6);  // five messages and the close
  CHECK(part.steps[0].gate == replayer::no_slot);
  CHECK(part.steps[0].wait == 10ms);
  CHECK(part.steps[1].gate == 0);  // waits for the first SERVER_MESSAGE
  CHECK(part.steps[1].gate_count == 1);
  CHECK(part.steps[1].wait == 20ms);
  CHECK(part.steps[2].gate == replayer::no_slot);  // after login chat is driven by time alone
  CHECK(part.steps[2].wait == 950ms);
  CHECK(part.steps[3].wait == 1500ms);
  CHECK(part.steps[5].action == Step::Do::close);
}

TEST_CASE("a score knows login, chat and farewell apart", "[score]") {
  const auto score = compile(alice());
  const Part& part = score.parts[0];
  CHECK(part.becomes_ready);
  CHECK(part.after_login == 1);
  CHECK(part.first_chat == 2);
  CHECK(part.farewell == 4);
  CHECK(part.server_closes);
  CHECK(score.chat.size() == 2);
  CHECK(score.duration == 3012ms);
}

TEST_CASE("a score expects just the answers that the recording had", "[score]") {
  Recording unanswered;
  const std::string enter = chat::named_packet(chat::Type::server_enter, "alice");
  const std::string hello =
      chat::chat_packet(chat::Type::multicast, "alice", "from the lobby, where nobody hears it");
  unanswered.event(0ms, 0, EventKind::Opened)
      .says(1ms, 0, enter)
      .hears(2ms, 0, created())
      .says(3ms, 0, hello);
  unanswered.event(9ms, 0, EventKind::ClientEnd);
  const auto score = compile(unanswered);
  CHECK(score.parts[0].steps[0].answered);
  CHECK_FALSE(score.parts[0].steps[1].answered);
}

TEST_CASE("somebody else's echo is no answer", "[score]") {
  Recording r = alice();
  Recording other;
  const std::string enter = chat::named_packet(chat::Type::server_enter, "alice");
  other.event(0ms, 0, EventKind::Opened).says(1ms, 0, enter).hears(2ms, 0, created());
  other.says(3ms, 0, chat::chat_packet(chat::Type::multicast, "alice", "hi"));
  other.hears(4ms, 0, chat::chat_packet(chat::Type::multicast, "bob", "hi"));
  const auto score = compile(other);
  CHECK_FALSE(score.parts[0].steps[1].answered);
}

TEST_CASE("a recording without any connection is refused in words", "[score]") {
  auto page = protocol::Page::find("packet-chat");
  REQUIRE(page.has_value());
  const auto score = replayer::compile_score(std::move(*page), {}, {});
  REQUIRE_FALSE(score.has_value());
  CHECK(score.error().what.find("no connection") != std::string::npos);
}

TEST_CASE("what the server said next is kept for the explanation of a failure", "[score]") {
  const auto score = compile(alice());
  CHECK(score.parts[0].then[1].find("SERVER_MESSAGE") == 0);
  CHECK(score.parts[0].then[2].find("ROOM_ENTER") == 0);
}
