// How the answer of `chorus diff` looks, and the command line itself.
#include "tests/chat_sample.h"
#include "traces/report/describe.h"
#include "traces/report/diff_command.h"
#include "traces/report/diff_report.h"

#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

using namespace chorus;
using namespace chorus::sample;
namespace json = boost::json;

namespace {

// What a command wrote and its exit status.
struct Answer {
  int status = -1;
  std::string out, err;
  json::object json() const { return json::parse(out).as_object(); }
};

class Redirected {
 public:
  Redirected(std::ostream& stream, std::ostream& to) : stream_(stream), old_(stream.rdbuf(to.rdbuf())) {}
  ~Redirected() { stream_.rdbuf(old_); }

 private:
  std::ostream& stream_;
  std::streambuf* old_;
};

Answer diff(std::vector<std::string> arguments) {
  CLI::App app;
  Answer answer;
  std::ostringstream out, err;
  report::add_diff_command(app, answer.status);
  arguments.insert(arguments.begin(), "diff");
  std::reverse(arguments.begin(), arguments.end());
  {
    const Redirected cout(std::cout, out), cerr(std::cerr, err);
    app.parse(arguments);
  }
  answer.out = out.str();
  answer.err = err.str();
  return answer;
}

// a: session(); b: the same without one message; both recordings.
struct Two {
  Two() {
    write(folder / "a.trace", session());
    Steps steps = session();
    steps.erase(find(steps, EventKind::ToClient, ":one", 0));
    write(folder / "b.trace", steps);
  }
  format::sample::Folder folder;
  std::string a = (folder / "a.trace").string(), b = (folder / "b.trace").string();
};

}  // namespace

TEST_CASE("diff of a file with itself says SAME in its first line and exits with 0", "[report]") {
  const Two two;
  const Answer answer = diff({two.a, two.a});
  CHECK(answer.status == 0);
  CHECK(answer.out.substr(0, answer.out.find('\n')) ==
        "SAME: 2 connections, 10 messages sent and 15 received, byte for byte");
  CHECK(answer.out.find('\x1b') == std::string::npos);
  CHECK(answer.err.empty());
}

TEST_CASE("diff names the message that is missing, with what came before it, and exits with 1", "[report]") {
  const Two two;
  const Answer answer = diff({two.a, two.b});
  CHECK(answer.status == 1);
  CHECK(answer.out.rfind("DIFFERS: 1 message missing\n", 0) == 0);
  CHECK(answer.out.find("\nmissing: only A has it (1)\n"
                        "  connection 0, to client, PRIVMSG, at 0.052000 s\n"
                        "    after  PRIVMSG #tea :hello bob\n"
                        "    A      :bob!bob@localhost PRIVMSG #tea :one\n") != std::string::npos);
}

TEST_CASE("the JSON of diff has the keys of its contract", "[report]") {
  const Two two;
  const Answer answer = diff({two.a, two.b, "--json"});
  CHECK(answer.status == 1);
  const json::object document = answer.json();
  CHECK(document.at("schema") == "chorus.diff/1");
  CHECK(document.at("verdict") == "DIFFERS");
  CHECK(document.at("hidden").as_array().empty());
  REQUIRE(document.at("findings").as_array().size() == 1);
  const json::object& finding = document.at("findings").as_array()[0].as_object();
  CHECK(finding.at("rule") == "missing");
  CHECK(finding.at("where") == "connection 0, to client, PRIVMSG, at 0.052000 s");
  CHECK(finding.at("a") == ":bob!bob@localhost PRIVMSG #tea :one");
  CHECK(finding.at("b").is_null());
  CHECK(finding.at("change") == -1);
  CHECK(finding.at("interval").is_null());
  CHECK(finding.at("verdict") == "DIFFERS");
  bool latency = false;
  for (const json::value& row : document.at("not_judged").as_array()) {
    CHECK(row.at("verdict") == "NOT_JUDGED");
    CHECK(row.at("interval").is_null());
    latency = latency || row.at("rule") == "latency";
  }
  CHECK(latency);
}

TEST_CASE("the same inputs give the same bytes", "[report]") {
  const Two two;
  CHECK(diff({two.a, two.b, "--json"}).out == diff({two.a, two.b, "--json"}).out);
  CHECK(diff({two.a, two.b}).out == diff({two.a, two.b}).out);
}

TEST_CASE("diff refuses what it cannot compare with one line and exit status 2", "[report]") {
  const Two two;
  const auto refused = [](const Answer& answer, std::string_view part) {
    CHECK(answer.status == 2);
    CHECK(answer.out.empty());
    CHECK(std::count(answer.err.begin(), answer.err.end(), '\n') == 1);
    CHECK(answer.err.find(part) != std::string::npos);
  };
  refused(diff({two.a, two.a + "x"}), "a.tracex");
  refused(diff({two.a}), "exactly two");
  refused(diff({two.a, two.b, "--", two.a, two.b}), "come with the statistics");
  refused(diff({two.a, two.b, "--protocol", "nothing"}), "nothing");
  const std::string bytes = format::sample::read_file(two.a);
  format::sample::write_file(two.folder / "cut.trace", std::string_view(bytes).substr(0, bytes.size() - 8));
  const std::string cut = (two.folder / "cut.trace").string();
  refused(diff({two.a, cut}), "--allow-partial");

  for (const auto& [payloads, part] : {std::pair{"client", "the server's bytes"}, {"none", "its bytes"}}) {
    Tables tables;
    tables.info = std::string(R"({"mode":"recording","payloads":")") + payloads + "\"}";
    const auto path = two.folder / payloads;
    write(path, session(), tables);
    refused(diff({two.a, path.string()}), part);
  }
  Tables from_cut;
  from_cut.info = R"({"mode":"recording","incomplete":"the file is cut"})";
  write(two.folder / "part.trace", session(), from_cut);
  refused(diff({two.a, (two.folder / "part.trace").string()}), "the file is cut");

  const Answer partial = diff({two.a, cut, "--allow-partial"});
  CHECK(partial.status == 0);
  CHECK(partial.out.rfind("INCONCLUSIVE: ", 0) == 0);
  CHECK(diff({two.a, cut, "--allow-partial", "--strict"}).status == 3);
}

TEST_CASE("trouble is a document too when JSON was asked for", "[report]") {
  const Two two;
  const Answer answer = diff({two.a, two.a + "x", "--json"});
  CHECK(answer.status == 2);
  CHECK(answer.json().at("verdict") == "TROUBLE");
  CHECK(answer.json().at("reasons").as_array().size() == 1);
}

TEST_CASE("a verdict is coloured when it is asked for", "[report]") {
  compare::Diff same;
  std::ostringstream out;
  report::diff_text(out, same, {"a", "b"}, true);
  CHECK(out.str().rfind("\x1b[32mSAME\x1b[0m: ", 0) == 0);
}

TEST_CASE("a page describes a recording: kinds, names and what will stand for them", "[report]") {
  format::sample::Folder folder;
  const auto trace = write(folder / "a.trace", session());
  const auto seen = report::describe(trace, "");
  REQUIRE(seen.has_value());
  CHECK(seen->protocol == "irc");
  CHECK(seen->messages.size() == 25);
  const auto kind = std::find_if(seen->kinds.begin(), seen->kinds.end(),
                                 [](const convert::KindCount& row) { return row.kind == "PRIVMSG"; });
  REQUIRE(kind != seen->kinds.end());
  CHECK(kind->to_server == 3);
  CHECK(kind->to_client == 3);
  REQUIRE(seen->names.size() == 3);
  CHECK(seen->names[0].recorded == "alice");
  CHECK(seen->names[0].value == "u{client:07}");
  CHECK_FALSE(report::describe(trace, "nothing").has_value());
}
