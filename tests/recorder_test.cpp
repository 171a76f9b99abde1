// The pure parts of the recorder: what it says, and what it notes about itself. What it forwards is tested
// with real sockets in loop/recorder_loop_test.cpp.
#include "recorder/status.h"
#include "recorder/summary.h"

#include <sstream>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::recorder;
using namespace std::chrono_literals;

namespace json = boost::json;

namespace {

const StatusLine::Clock::time_point start{};

RecordOptions some_options() {
  RecordOptions options;
  options.listen = {"127.0.0.1", 7000};
  options.upstream = {"chat.example", 6667};
  options.output = "alice.trace";
  options.sessions = 2;
  options.duration = 90s;
  options.version = "1.2.3";
  return options;
}

}  // namespace

TEST_CASE("Sizes are rounded for people and change their unit in time") {
  CHECK(rounded_size(0) == "0 B");
  CHECK(rounded_size(1023) == "1023 B");
  CHECK(rounded_size(1024) == "1.0 KiB");
  CHECK(rounded_size(1536) == "1.5 KiB");
  CHECK(rounded_size(1024 * 1024 - 1) == "1.0 MiB");
  CHECK(rounded_size(std::uint64_t{5} << 30) == "5.0 GiB");
  CHECK(rounded_size(~std::uint64_t{0}) == "16384.0 PiB");
}

TEST_CASE("The status says how many connections, bytes and events there are") {
  CHECK(status_text({.connections = 1, .open = 1, .to_server = 10, .to_client = 2048}, 3) ==
        "1 of 1 open, 10 B to server, 2.0 KiB to client, 3 events");
}

TEST_CASE("The status names refused connections when there are any") {
  CHECK(status_text({.connections = 4, .open = 0, .refused = 2}, 1) ==
        "0 of 4 open (2 refused), 0 B to server, 0 B to client, 1 event");
}

TEST_CASE("On a terminal the status is one line that is written over") {
  std::ostringstream out;
  StatusLine status(out, true, start);
  status.update("a long status", start);
  status.update("short", start + 500ms);
  CHECK(out.str() == "\ra long status\rshort        ");
}

TEST_CASE("A message on a terminal stands on a line of its own above the status") {
  std::ostringstream out;
  StatusLine status(out, true, start);
  status.update("status", start);
  status.say("a message");
  CHECK(out.str() == "\rstatus\r      \ra message\n");
}

TEST_CASE("Away from a terminal the status is a plain line every ten seconds") {
  std::ostringstream out;
  StatusLine status(out, false, start);
  status.update("early", start + 9999ms);
  CHECK(out.str().empty());
  status.update("due", start + 10s);
  status.update("again early", start + 19s);
  status.update("due again", start + 20s);
  status.clear();
  CHECK(out.str() == "due\ndue again\n");
}

TEST_CASE("A moment is written as ISO 8601 in UTC with milliseconds") {
  CHECK(iso_time(0) == "1970-01-01T00:00:00.000Z");
  CHECK(iso_time(1'709'210'096'789'999'999) == "2024-02-29T12:34:56.789Z");
}

TEST_CASE("A recording notes what it was asked to do") {
  const json::value info = json::parse(info_json(some_options(), {.wall_ns = 0, .mono_ns = 5}));
  CHECK(info.at("mode") == "recording");
  CHECK(info.at("tool") == "1.2.3");
  CHECK(info.at("started") == "1970-01-01T00:00:00.000Z");
  CHECK(info.at("options").at("listen") == "127.0.0.1:7000");
  CHECK(info.at("options").at("upstream") == "chat.example:6667");
  CHECK(info.at("options").at("sessions") == 2);
  CHECK(info.at("options").at("duration") == "90s");
  CHECK(info.as_object().find("protocol") == info.as_object().end());
}

TEST_CASE("A recording notes the protocol that it was given") {
  RecordOptions options = some_options();
  options.protocol = "irc";
  CHECK(json::parse(info_json(options, {})).at("protocol") == "irc");
}

TEST_CASE("The summary is one sentence with connections, bytes, events, time and file") {
  RecordSummary summary;
  summary.totals = {.connections = 2, .open = 0, .refused = 0, .to_server = 100, .to_client = 2048};
  summary.events = 12;
  summary.duration = 1500ms;
  summary.file = "alice.trace";
  summary.file_size = 640;
  CHECK(summary_sentence(summary) ==
        "recorded 2 connections: 100 B to the server, 2.0 KiB to the client, 12 events in 1.5 s -> "
        "alice.trace (640 B)");
}

TEST_CASE("The summary of an unfinished trace says that it is not complete") {
  RecordSummary summary;
  summary.file = "alice.trace.partial";
  summary.problem = "No space left on device";
  CHECK(summary_sentence(summary).find("alice.trace.partial (0 B), NOT COMPLETE") != std::string::npos);
}

TEST_CASE("The summary's document has every figure under a key of its own") {
  RecordSummary summary;
  summary.totals = {.connections = 2, .open = 0, .refused = 1, .to_server = 100, .to_client = 2048};
  summary.events = 12;
  summary.lost_events = 3;
  summary.duration = 1500ms;
  summary.ended_by = "sessions";
  summary.file = "alice.trace.partial";
  summary.file_size = 640;
  summary.problem = "3 events were lost";
  const json::value document = json::parse(summary_json(summary, some_options()));
  CHECK(document.at("schema") == "chorus.record/1");
  CHECK(document.at("trace") == "alice.trace.partial");
  CHECK(document.at("complete") == false);
  CHECK(document.at("problem") == "3 events were lost");
  CHECK(document.at("ended_by") == "sessions");
  CHECK(document.at("connections") == 2);
  CHECK(document.at("refused") == 1);
  CHECK(document.at("to_server_bytes") == 100);
  CHECK(document.at("to_client_bytes") == 2048);
  CHECK(document.at("events") == 12);
  CHECK(document.at("lost_events") == 3);
  CHECK(document.at("duration_s") == 1.5);
  CHECK(document.at("file_bytes") == 640);
  CHECK(document.at("options").at("upstream") == "chat.example:6667");
}
