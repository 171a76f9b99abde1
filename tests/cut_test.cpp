// `chorus cut`: a part of a recording is a recording.
#include "traces/convert/cut.h"

#include "tests/convert_sample.h"
#include "traces/convert/cut_command.h"

#include <boost/json.hpp>

using namespace chorus;
using namespace chorus::convert::sample;
using chorus::convert::add_cut_command;
using chorus::convert::CutOptions;
using std::chrono::milliseconds;

namespace {

Answer cut(std::vector<std::string> arguments) {
  return run(add_cut_command, "cut", std::move(arguments));
}

std::vector<Said> part(const Folder& folder, const CutOptions& wanted) {
  record(folder / "whole.trace", two_clients());
  CutOptions options = wanted;
  options.input = folder / "whole.trace";
  options.output = folder / "part.trace";
  const auto report = convert::cut(options);
  INFO((report ? "" : report.error().what));
  REQUIRE(report.has_value());
  return said(loaded(folder / "part.trace"));
}

}  // namespace

TEST_CASE("a cut keeps what lies within it, and its times count from its own start", "[cut]") {
  const Folder folder;
  CutOptions options;
  options.from = milliseconds(30);
  options.to = milliseconds(60);
  const std::vector<Said> expected = {{0, 0, EventKind::Opened, "127.0.0.1:5001 127.0.0.1:6667"},
                                      {0, 1, EventKind::Opened, "127.0.0.1:5002 127.0.0.1:6667"},
                                      {0, 1, EventKind::ToServer, "NICK bob\r\n"},
                                      {10, 0, EventKind::ToServer, "PRIVMSG bob :hello\r\n"},
                                      {11, 1, EventKind::ToClient, ":alice PRIVMSG bob :hello\r\n"},
                                      {30, 0, EventKind::Closed, "the cut ends here"},
                                      {30, 1, EventKind::Closed, "the cut ends here"}};
  CHECK(part(folder, options) == expected);
  const auto trace = loaded(folder / "part.trace");
  CHECK(trace.start.wall_ns == start.wall_ns + 30'000'000);
  CHECK(trace.start.mono_ns == start.mono_ns + 30'000'000);
}

TEST_CASE("a cut says in its Info what was left out, and a cut of a cut keeps the note", "[cut]") {
  const Folder folder;
  CutOptions options;
  options.from = milliseconds(30);
  part(folder, options);
  auto info = boost::json::parse(loaded(folder / "part.trace").info).as_object();
  const auto& note = info.at("cut").as_object();
  CHECK(info.at("mode") == "recording");
  CHECK(info.at("started") == "2023-11-14T22:13:20.030Z");
  CHECK(note.at("left_out_events") == 4);
  CHECK(note.at("open_at_from") == 2);
  CHECK(note.at("from") == "30ms");

  REQUIRE(cut({(folder / "part.trace").string(), "-o", (folder / "again.trace").string(), "--to", "20ms"})
              .status == 0);
  info = boost::json::parse(loaded(folder / "again.trace").info).as_object();
  CHECK(info.at("cut").as_object().at("before").as_object().at("from") == "30ms");
}

TEST_CASE("a part of a cut recording is not whole either, and invents no time", "[cut]") {
  const Folder folder;
  record(folder / "whole.trace", two_clients());
  const std::string whole = read_file(folder / "whole.trace");
  const std::string killed = (folder / "killed.trace.partial").string(),
                    part = (folder / "part.trace").string();
  write_file(killed, std::string_view(whole).substr(0, whole.size() * 2 / 3));
  REQUIRE(cut({killed, "-o", part, "--to", "1m"}).status == 0);
  const auto trace = format::load(part);
  REQUIRE(trace.has_value());
  CHECK(trace->damage.any());
  CHECK_FALSE(trace->damage.cut);
  CHECK(has(trace->damage.incomplete, "the file is cut"));
  REQUIRE(trace->events.size() > 2);
  CHECK(trace->events.back().kind == EventKind::Closed);
  CHECK(trace->events.back().time < milliseconds(100));

  REQUIRE(cut({part, "-o", (folder / "again.trace").string(), "--connection", "0"}).status == 0);
  CHECK(has(format::load(folder / "again.trace")->damage.incomplete, "the file is cut"));
}

TEST_CASE("a cut of one connection leaves out the same, whether or not the index helps", "[cut]") {
  const Folder folder;
  record(folder / "whole.trace", two_clients());
  const std::string whole = (folder / "whole.trace").string();
  const auto answer = cut({whole, "-o", (folder / "one.trace").string(), "--connection", "1"});
  CHECK(has(answer.out, "kept 7 events of 1 connection, left out 7"));
  const std::string bytes = read_file(whole);
  write_file(folder / "cut.trace.partial", std::string_view(bytes).substr(0, bytes.size() - 40));  // no index
  const auto other = cut(
      {(folder / "cut.trace.partial").string(), "-o", (folder / "two.trace").string(), "--connection", "1"});
  CHECK(has(other.out, "kept 7 events of 1 connection, left out 7"));
  CHECK(said(*format::load(folder / "two.trace")) == said(loaded(folder / "one.trace")));
}

TEST_CASE("a connection with one direction ended keeps that end in a cut", "[cut]") {
  const Folder folder;
  CutOptions options;
  options.from = milliseconds(65);
  options.connections = {1};
  CHECK(part(folder, options) == std::vector<Said>{{0, 1, EventKind::Opened, "127.0.0.1:5002 127.0.0.1:6667"},
                                                   {0, 1, EventKind::ClientEnd, ""},
                                                   {5, 1, EventKind::ToClient, "bye\r\n"},
                                                   {15, 1, EventKind::ServerEnd, ""},
                                                   {15, 1, EventKind::Closed, ""}});
}

TEST_CASE("a connection that is silent within a cut is still there, one that is over is not", "[cut]") {
  const Folder folder;
  CutOptions options;
  options.from = milliseconds(82);
  options.to = milliseconds(85);
  CHECK(part(folder, options) == std::vector<Said>{{0, 0, EventKind::Opened, "127.0.0.1:5001 127.0.0.1:6667"},
                                                   {3, 0, EventKind::Closed, "the cut ends here"}});
}

TEST_CASE("the two parts of a recording hold all of its bytes, wherever it is cut", "[cut]") {
  const auto all = two_clients();
  for (int at = 0; at <= 100; at += 5) {
    const Folder folder;
    std::string got[2][2];
    for (const bool second : {false, true}) {
      record(folder / "whole.trace", all);
      CutOptions options{
          folder / "whole.trace", folder / (second ? "b.trace" : "a.trace"), false, {}, {}, {}};
      (second ? options.from : options.to) = milliseconds(at);
      std::filesystem::remove(folder / "part.trace");
      const auto report = convert::cut(options);
      std::filesystem::remove(folder / "whole.trace");
      if (!report) continue;  // nothing of it on this side
      for (const Said& event : said(loaded(options.output)))
        if (event.kind == EventKind::ToServer || event.kind == EventKind::ToClient)
          got[event.connection][event.kind == EventKind::ToClient] += event.payload;
    }
    for (const std::uint32_t connection : {0u, 1u}) {
      std::string up, down;
      for (const Said& event : all) {
        if (event.connection != connection) continue;
        if (event.kind == EventKind::ToServer) up += event.payload;
        if (event.kind == EventKind::ToClient) down += event.payload;
      }
      INFO("cut at " << at << " ms");
      CHECK(got[connection][0] == up);
      CHECK(got[connection][1] == down);
    }
  }
}

TEST_CASE("bad words to cut are answered with one line, and nothing is left behind", "[cut]") {
  const Folder folder;
  const std::string in = (folder / "in.trace").string(), out = (folder / "out.trace").string();
  record(in, two_clients());
  CHECK(refused(cut({in, "-o", out}), "give --from, --to or --connection", out));
  CHECK(refused(cut({in, "-o", out, "--from", "5 parsecs"}), "--from: ", out));
  CHECK(refused(cut({in, "-o", out, "--from", "2s", "--to", "1s"}), "is not before --to", out));
  CHECK(refused(cut({in, "-o", out, "--from", "2s"}), "nothing of ", out));
  CHECK(refused(cut({in, "-o", out, "--connection", "7"}), "has no connection 7", out));
  CHECK(refused(cut({(folder / "none").string(), "-o", out, "--to", "1s"}), "none", out));
  write_file(folder / "text",
             "this is no trace at all, but long enough to be looked at as if it were one....");
  CHECK(refused(cut({(folder / "text").string(), "-o", out, "--to", "1s"}), "text", out));
  const std::string run = (folder / "run.trace").string();
  format::sample::write(run);
  CHECK(refused(cut({run, "-o", out, "--to", "1s"}), "is the trace of a run", out));

  const std::string before = read_file(in);
  CHECK(has(cut({in, "-o", in, "--to", "1s", "--force"}).err, "would write over its input"));
  CHECK(read_file(in) == before);
  std::filesystem::rename(in, out + ".partial");
  CHECK(has(cut({out + ".partial", "-o", out, "--to", "1s", "--force"}).err, "would write over its input"));
  CHECK(read_file(out + ".partial") == before);
  std::filesystem::rename(out + ".partial", in);

  write_file(out, "precious");
  CHECK(has(cut({in, "-o", out, "--to", "1s"}).err, "exists already"));
  CHECK(read_file(out) == "precious");
  CHECK(cut({in, "-o", out, "--to", "1s", "--force"}).status == 0);
  CHECK(loaded(out).events.size() == two_clients().size());
}

TEST_CASE("what can be read of a damaged recording is cut, and the damage is said", "[cut]") {
  const Folder folder;
  record(folder / "in.trace", two_clients());
  const std::string whole = read_file(folder / "in.trace");
  write_file(folder / "in.trace", whole.substr(0, whole.size() * 2 / 3));
  const auto answer =
      cut({(folder / "in.trace").string(), "-o", (folder / "out.trace").string(), "--to", "1s"});
  CHECK(answer.status == 0);
  CHECK(has(answer.err, "the file is cut"));
  CHECK(has(format::load(folder / "out.trace")->info, "the file is cut"));
}
