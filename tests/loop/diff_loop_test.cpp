// show and diff as a shell sees them: pipes that close early, a full disk, exit status, and a crowd on a real
// server.
#include "tests/loop/chat_fixture.h"
#include "traces/format/reader.h"
#include "traces/format/writer.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace chorus::test;
namespace format = chorus::format;
namespace json = boost::json;

namespace {

Finished shell(const std::string& command) {
  Process process({"bash", "-c", command});
  Finished finished;
  finished.status = process.wait();
  finished.out = process.out_rest();
  finished.err = process.err_rest();
  return finished;
}

format::WriterOptions whole(const format::Start& start) {
  format::WriterOptions options;
  options.start = start;
  options.wait_when_full = true;
  return options;
}

// A run written anew, with all its tables, without its first event for which `leave_out` holds.
template <class Condition>
void without_one(const std::string& from, const std::string& to, Condition leave_out) {
  const auto trace = format::load(from);
  REQUIRE(trace.has_value());
  auto writer = format::Writer::create(to, whole(trace->start));
  REQUIRE(writer.has_value());
  (*writer)->info(trace->info);
  bool left_out = false;
  for (const format::Event& event : trace->events) {
    if (left_out || !leave_out(event))
      (*writer)->add(event);
    else
      left_out = true;
  }
  REQUIRE(left_out);
  (*writer)->clients(trace->clients);
  (*writer)->bindings(trace->bindings);
  (*writer)->divergences(trace->divergences);
  (*writer)->sketches(trace->sketches);
  REQUIRE((*writer)->close().has_value());
}

}  // namespace

TEST_CASE("show into a pipe that closes early ends quietly and well", "[loop][diff]") {
  ScratchFolder folder;
  const std::string file = folder / "long.trace";
  auto writer = format::Writer::create(file, whole({}));
  REQUIRE(writer.has_value());
  for (int i = 0; i < 20000; ++i)  // more text than a pipe holds
    (*writer)->add(
        {format::Nanos(i), 0, format::EventKind::ToServer, "a line of some length for the pipe\n", {}});
  REQUIRE((*writer)->close().has_value());
  const Finished shown =
      shell(std::string("set -o pipefail; ") + CHORUS_EXECUTABLE + " show --events " + file + " | head -n 1");
  CHECK(shown.status == 0);
  CHECK(shown.err.empty());
  CHECK(shown.out == "0.000000  0  ->  a line of some length for the pipe\\n\n");
}

TEST_CASE("output that cannot be written is no success", "[loop][diff]") {
  for (const std::string& command :
       {" show " + sample("packet-chat.trace"),
        " diff " + sample("packet-chat.trace") + " " + sample("packet-chat.trace"),
        std::string(" protocols irc"), std::string(" protocols")}) {
    const Finished failed = shell(CHORUS_EXECUTABLE + command + " > /dev/full");
    CHECK(failed.status == 2);
    CHECK(failed.err.find("stdout could not be written") != std::string::npos);
  }
}

TEST_CASE("what is said to everybody on a shared server is no difference, one delivery less is",
          "[loop][diff]") {
  ScratchFolder folder;
  ChatServer server;
  const std::string recording = sample("packet-chat.trace"), crowd = folder / "crowd.trace",
                    less = folder / "less.trace";
  const Finished replayed =
      run_chorus(replay(recording, server, {"--scale", "5x", "--speed", "4", "-o", crowd}));
  const json::object result = document_of(replayed);
  INFO(replayed.out);
  CHECK(result.at("clients").at("completed") == 10);
  if (result.at("verdict") != "VALID") return;  // a busy machine: diff would refuse to say anything

  const Finished same = run_chorus({"diff", recording, crowd, "--json"});
  INFO(same.out << same.err);
  CHECK(same.status == 0);
  bool others = false;  // the sample has broadcasts, so each copy hears four others
  const json::object judged = document_of(same);
  for (const json::value& row : judged.at("not_judged").as_array())
    others =
        others || (row.at("rule") == "messages from users outside the copy" && row.at("b").as_int64() > 0);
  CHECK(others);

  // u0000002 is alice of the second copy: what she says in her room reaches her bob, client 3.
  without_one(crowd, less, [](const format::Event& event) {
    return event.kind == format::EventKind::ToClient && event.connection == 3 && event.payload.size() > 4 &&
           event.payload[2] == 32 && event.payload.find("u0000002") != std::string_view::npos;
  });
  const Finished found = run_chorus({"diff", recording, less, "--json"});
  CHECK(found.status == 1);
  const json::object what = document_of(found);
  const json::array& findings = what.at("findings").as_array();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].at("rule") == "missing");
  CHECK(findings[0].at("kind") == "CHAT_MULTICAST");
  CHECK(findings[0].at("client").at("b") == 3);
  const Finished mirrored = run_chorus({"diff", less, recording, "--json"});
  CHECK(document_of(mirrored).at("findings").at(0).at("rule") == "extra");
}
