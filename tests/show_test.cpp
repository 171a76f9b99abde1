// `chorus show`: what a stranger is told about a trace.
#include "traces/convert/show.h"

#include "tests/chat_sample.h"
#include "tests/command_line.h"
#include "traces/convert/printable.h"
#include "traces/convert/show_command.h"
#include "traces/report/describe.h"

#include <boost/json.hpp>

using namespace chorus;
using namespace chorus::sample;
using command_line::Answer;
using command_line::has;
using convert::printable;

namespace {

// A describer that knows one kind and one name, as a page would.
Expected<convert::Seen> described(const format::Trace& trace, const std::string& protocol) {
  if (protocol == "nothing") return Trouble{"there is no protocol \"nothing\""};
  convert::Seen seen;
  seen.protocol = "test";
  seen.because = "for the test";
  seen.raw = false;
  seen.kinds = {{"SAY", 4, 0}, {"HEAR", 0, 12}};
  seen.names = {{"user", "alice", "u{client:07}"}};
  for (const format::Event& event : trace.events)
    if (event.kind == EventKind::ToServer)
      seen.messages.push_back({event.time, event.connection, true, "SAY", event.payload});
  return seen;
}

Expected<convert::Seen> undescribed(const format::Trace&, const std::string&) {
  convert::Seen seen;
  seen.protocol = "raw";
  return seen;
}

Answer show(std::vector<std::string> arguments, const convert::Describe& describe = described) {
  return command_line::run(
      [&](CLI::App& app, int& status) { convert::add_show_command(app, status, describe); }, "show",
      std::move(arguments));
}

}  // namespace

TEST_CASE("text of a chat is shown without anything that a terminal could obey", "[show]") {
  CHECK(printable("h\xc3\xa9llo \xe2\x82\xac") == "h\xc3\xa9llo \xe2\x82\xac");
  CHECK(printable(std::string_view("a\0b\x1b[31m\r\n\t\\", 12)) == "a\\x00b\\x1b[31m\\r\\n\\t\\\\");
  CHECK(printable(std::string("bob") + std::string(29, '\0') + "x") == "bob\\0{29}x");
  CHECK(convert::printable_words("expected \\x04\n") == "expected \\x04\\n");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");           // a C1 control
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // a surrogate
  CHECK(printable("0123456789", 10) == "0123456789");
  CHECK(printable("0123456789a", 10) == "0123456...");
  CHECK(printable("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 4) == "\xc3\xa9...");
}

TEST_CASE("the summary of a recording says what it is, how its connections ended and what is in it",
          "[show]") {
  format::sample::Folder folder;
  Steps steps = session();
  steps.push_back({80, 2, EventKind::Refused, "Connection refused"});
  write(folder / "a.trace", steps);
  const Answer answer = show({(folder / "a.trace").string()});
  CHECK(answer.status == 0);
  CHECK(answer.err.empty());
  CHECK(has(answer.out, "a.trace: a recording\n"));
  CHECK(has(answer.out, "started    2023-11-14T22:13:20.000Z, 80ms long\n"));
  CHECK(has(answer.out, "protocol   test (for the test)\n"));
  CHECK(has(answer.out, "4 messages"));
  CHECK(has(answer.out, "connections (3)\n"));
  CHECK(has(answer.out, "server ended, client ended\n"));
  CHECK(has(answer.out, "refused (Connection refused)\n"));
  CHECK(has(answer.out, "HEAR          -         12\n"));
  CHECK(has(answer.out, "user  alice  u{client:07}\n"));
}

TEST_CASE("events are one aligned line for each message, cut unless all of it is wanted", "[show]") {
  format::sample::Folder folder;
  const std::string text(100, 'x');
  write(folder / "a.trace", {{0, 7, EventKind::Opened, "a b"},
                             {5, 7, EventKind::ToServer, "hello\n"},
                             {1500, 7, EventKind::ToServer, text},
                             {1600, 7, EventKind::ClientEnd, ""}});
  const std::string file = (folder / "a.trace").string();
  CHECK(show({file, "--events"}).out ==
        "0.000000  7  --        opened: a b\n"
        "0.005000  7  ->  SAY   hello\\n\n"
        "1.500000  7  ->  SAY   " +
            text.substr(0, 57) +
            "...\n"
            "1.600000  7  --        client ended\n");
  CHECK(has(show({file, "--events", "--full"}).out, text + "\n"));
}

TEST_CASE("without a page events are one line for each chunk", "[show]") {
  format::sample::Folder folder;
  write(folder / "a.trace", {{0, 0, EventKind::Opened, "a b"},
                             {5, 0, EventKind::ToServer, "hel"},
                             {6, 0, EventKind::ToClient, "lo"}});
  CHECK(show({(folder / "a.trace").string(), "--events"}, undescribed).out ==
        "0.000000  0  --  opened: a b\n"
        "0.005000  0  ->  hel\n"
        "0.006000  0  <-  lo\n");
}

TEST_CASE("events of some connections and of a part of the time", "[show]") {
  format::sample::Folder folder;
  write(folder / "a.trace", session());
  const std::string file = (folder / "a.trace").string();
  CHECK(show({file, "--events", "--connection", "1", "--from", "30ms", "--to", "71ms"}).out ==
        "0.030000  1  ->  SAY   JOIN #tea\\r\\n\n"
        "0.050000  1  ->  SAY   PRIVMSG #tea :one\\r\\nPRIVMSG #tea :two\\r\\n\n"
        "0.070000  1  --        client ended\n");
  CHECK(has(show({file, "--connection", "1"}).out, "connections (1)\n"));
  const auto document = boost::json::parse(
      show({file, "--json", "--events", "--connection", "0", "--connection", "1", "--from", "60ms"}).out);
  CHECK(document.at("messages").as_array().size() == 1);

  for (const auto& [arguments, says] :
       {std::pair{std::vector<std::string>{file, "--from", "1s"}, "of --events"},
        {{file, "--events", "--from", "2s", "--to", "1s"}, "not before --to"},
        {{file, "--events", "--to", "soon"}, "--to"},
        {{file, "--connection", "1", "--connection", "9"}, "nothing of connection 9"},
        {{file, "--events", "--connection", "1", "--to", "10ms"}, "nothing of connection 1 before --to"}}) {
    const Answer answer = show(arguments);
    CHECK(answer.status == 2);
    CHECK(answer.out.empty());
    CHECK(has(answer.err, says));
  }
}

TEST_CASE("a recording says which times it has, and what it was told to leave out", "[show]") {
  format::sample::Folder folder;
  Tables tables;
  tables.info = R"({"mode":"recording","times":"kernel","payloads":"client",)"
                R"("redacted":{"secrets":true,"pattern":true}})";
  write(folder / "a.trace", session(), tables);
  const Answer answer = show({(folder / "a.trace").string()});
  CHECK(has(answer.out, "times      kernel\n"));
  CHECK(has(answer.out,
            "left out   the server's bytes (only sizes and times were kept), passwords (blank, at the same "
            "length), what --redact matched (blank, at the same length)\n"));
}

TEST_CASE("of a long trace all is counted, and its beginning says what it is", "[show]") {
  format::sample::Folder folder;
  constexpr int events = 600'000;
  {
    format::WriterOptions options;
    options.codec = format::Codec::None;  // so that it is no small file
    options.wait_when_full = true;
    auto writer = format::Writer::create(folder / "long.trace", options);
    REQUIRE(writer.has_value());
    for (int i = 0; i < events; ++i)
      (*writer)->add({std::chrono::microseconds(i),
                      static_cast<std::uint32_t>(i % 3),
                      i % 2 == 0 ? EventKind::ToServer : EventKind::ToClient,
                      "x",
                      {}});
    REQUIRE((*writer)->close().has_value());
  }
  const std::string file = (folder / "long.trace").string();
  const Answer text = show({file});
  CHECK(has(text.out, "connections (3)\n"));
  CHECK(has(text.out, "messages by kind (of the first "));
  const auto document = boost::json::parse(show({file, "--json"}).out);
  CHECK(document.at("events") == events);
  CHECK(document.at("to_server").at("chunks") == events / 2);
  CHECK(document.at("duration_us") == events - 1);
  CHECK(document.at("described_events").to_number<int>() >= 500'000);
  CHECK(document.at("described_events").to_number<int>() < events);
  CHECK(document.at("content_hash").is_null());
  const auto one = boost::json::parse(show({file, "--json", "--connection", "2"}).out);
  CHECK(one.at("events") == events / 3);
  CHECK(one.at("connections").as_array().size() == 1);
}

TEST_CASE("bytes that were not kept are shown by their size", "[show]") {
  format::sample::Folder folder;
  Tables tables;
  tables.info = R"({"mode":"recording","payloads":"none"})";
  write(folder / "a.trace",
        {{0, 0, EventKind::Opened, "a b"}, {5, 0, EventKind::ToServer, std::string(3, '\0')}}, tables);
  CHECK(show({(folder / "a.trace").string(), "--events"}, undescribed).out ==
        "0.000000  0  --  opened: a b\n"
        "0.005000  0  ->  (3 bytes, not kept)\n");
  const Answer page = show({(folder / "a.trace").string()}, report::describer());
  CHECK(has(page.out, "protocol   raw (its bytes were not kept)\n"));

  tables.info = R"({"mode":"recording","payloads":"client"})";
  Steps steps = session();
  for (Step& step : steps)
    if (step.kind == EventKind::ToClient) step.payload.assign(step.payload.size(), '\0');
  write(folder / "b.trace", steps, tables);
  const Answer half = show({(folder / "b.trace").string(), "--events"}, report::describer());
  CHECK(has(half.out, "NICK alice"));
  CHECK(has(half.out, "bytes, not kept)\n"));
  CHECK_FALSE(has(half.out, "\\x00"));
}

TEST_CASE("a run's summary has its verdict, outcomes with reasons, divergences and times", "[show]") {
  format::sample::Folder folder;
  const auto recording = write(folder / "a.trace", session());
  Crowd run = crowd(recording, "INVALID");
  run.tables.clients.push_back({4, 2, 0, format::Outcome::Failed, 1, 2, -1, -1, false});
  run.tables.divergences = {{4, 2, std::chrono::milliseconds(30), "001 Welcome", "433\r\n"}};
  format::NamedSketch sketch{"latency/JOIN", Nanos(0), std::chrono::seconds(1), {}};
  sketch.sketch.add(std::chrono::milliseconds(8), 40);
  run.tables.sketches = {sketch, sketch};
  write(folder / "crowd.trace", run.steps, run.tables);
  const std::string out = show({(folder / "crowd.trace").string()}).out;
  CHECK(has(out, "crowd.trace: a run\n"));
  CHECK(has(out, "the run is INVALID\n  lateness at p99 is 4 ms\n"));
  CHECK(has(out, "clients (5)\n  4  completed\n  1  failed     433 Nickname in use\n"));
  CHECK(has(out, "  client 4 after 2 sent, at 0.030000\n    expected 001 Welcome\n    got      433\\r\\n\n"));
  CHECK(has(out, "latency/JOIN     80"));
}

TEST_CASE("the JSON of show has the facts of its text and the messages when asked for", "[show]") {
  format::sample::Folder folder;
  write(folder / "a.trace", session());
  const Answer answer = show({(folder / "a.trace").string(), "--json", "--events"});
  const auto document = boost::json::parse(answer.out).as_object();
  CHECK(document.at("schema") == "chorus.show/1");
  CHECK(document.at("mode") == "recording");
  CHECK(document.at("duration_us") == 71000);
  CHECK(document.at("connections").as_array().size() == 2);
  CHECK(document.at("protocol").at("name") == "test");
  CHECK(document.at("run").is_null());
  REQUIRE(document.at("messages").as_array().size() == 7);
  CHECK(document.at("messages").at(0).at("text") == "NICK alice\\r\\nUSER alice 0 * :Alice\\r\\n");
}

TEST_CASE("a cut trace and a .partial one show what they have and say what is lost", "[show]") {
  format::sample::Folder folder;
  format::WriterOptions options;
  options.block_events = 4;
  write(folder / "a.trace", session(), {}, options);
  const std::string bytes = format::sample::read_file(folder / "a.trace");
  format::sample::write_file(folder / "b.trace.partial", std::string_view(bytes).substr(0, bytes.size() / 2));
  const Answer answer = show({(folder / "b.trace.partial").string()});
  CHECK(answer.status == 0);
  CHECK(has(answer.out, "damage     the file is cut: "));
  CHECK(has(answer.err, "the file is cut: "));

  const Answer missing = show({(folder / "b.trace").string()});
  CHECK(missing.status == 2);
  CHECK(has(missing.err, "b.trace.partial does, which is not finished"));
}

TEST_CASE("what is no trace, or no protocol, is one line and exit status 2", "[show]") {
  format::sample::Folder folder;
  format::sample::write_file(folder / "text",
                             "this is no trace, this is some text that is long enough to be one........");
  write(folder / "a.trace", session());
  for (const auto& arguments : {std::vector<std::string>{(folder / "text").string()},
                                {(folder / "a.trace").string(), "--protocol", "nothing"}}) {
    const Answer answer = show(arguments);
    CHECK(answer.status == 2);
    CHECK(answer.out.empty());
    CHECK(std::count(answer.err.begin(), answer.err.end(), '\n') == 1);
  }
}
