// `chorus merge`: several recordings, one group.
#include "traces/convert/merge.h"

#include "tests/convert_sample.h"
#include "traces/convert/merge_command.h"

#include <boost/json.hpp>

using namespace chorus;
using namespace chorus::convert::sample;
using chorus::convert::add_merge_command;

namespace {

Answer merge(std::vector<std::string> arguments) {
  return run([](CLI::App& app, int& status) { add_merge_command(app, status); }, "merge",
             std::move(arguments));
}

std::vector<Said> one_client(const std::string& name) {
  return {{5, 3, EventKind::Opened, "127.0.0.1:5001 127.0.0.1:6667"},
          {7, 3, EventKind::ToServer, "NICK " + name + "\r\n"},
          {50, 3, EventKind::ClientEnd, ""}};
}

}  // namespace

TEST_CASE("two recordings become one group that starts together, with connections of its own", "[merge]") {
  const Folder folder;
  const std::string a = (folder / "a").string(), b = (folder / "b").string(), out = (folder / "out").string();
  record(a, two_clients());
  record(b, one_client("carol"), R"({"mode":"recording","tool":"other","protocol":"irc"})",
         {start.wall_ns + 1'000'000'000, 77});
  const auto answer = merge({a, b, "-o", out});
  INFO(answer.err);
  REQUIRE(answer.status == 0);
  CHECK(has(answer.out, "3 connections, 17 events"));
  const auto trace = loaded(out);
  CHECK(trace.start.wall_ns == start.wall_ns);
  // Carol opened first, so hers is number 0; the others follow in the order in which they opened.
  std::vector<Said> expected;
  for (Said each : two_clients()) {
    ++each.connection;
    expected.push_back(each);
  }
  for (Said each : one_client("carol")) {
    each.connection = 0;
    expected.push_back(each);
  }
  std::stable_sort(expected.begin(), expected.end(),
                   [](const Said& x, const Said& y) { return x.ms < y.ms; });
  CHECK(said(trace) == expected);
  const auto info = boost::json::parse(trace.info).as_object();
  CHECK(info.at("mode") == "recording");
  CHECK(info.at("protocol") == "irc");
  REQUIRE(info.at("merged").as_array().size() == 2);
  CHECK(info.at("merged").as_array()[1].as_object().at("tool") == "other");
}

TEST_CASE("a user of two recordings is told, since a replay would give both one name", "[merge]") {
  const Folder folder;
  const std::string a = (folder / "a").string(), b = (folder / "b").string();
  record(a, two_clients());
  record(b, one_client("carol"));
  const auto merged = [&](std::vector<std::string> files, const char* out) {
    std::vector<std::string> arguments{"-o", (folder / out).string()};
    arguments.insert(arguments.end(), files.begin(), files.end());
    return run(
        [](CLI::App& app, int& status) {
          add_merge_command(app, status, [](const format::Trace& trace, const std::string&) {
            convert::Seen seen;
            for (const auto& event : trace.events)
              if (event.payload.substr(0, 5) == "NICK ")
                seen.names.push_back(
                    {"user", std::string(event.payload.substr(5, event.payload.size() - 7)), ""});
            return Expected<convert::Seen>(std::move(seen));
          });
        },
        "merge", std::move(arguments));
  };
  CHECK(merged({a, b}, "one").err.empty());
  const auto twice = merged({b, b}, "two");
  CHECK(twice.status == 0);
  CHECK(has(twice.err, "both have the user carol"));
}

TEST_CASE("what was left out of the recordings of a group adds up", "[merge]") {
  const Folder folder;
  const std::string a = (folder / "a").string(), b = (folder / "b").string(), out = (folder / "out").string();
  const std::string left_out = R"(, "matches": 0, "blank_bytes": 0})";
  record(a, two_clients(),
         R"({"mode":"recording","redacted":{"secrets":true,"pattern":false,"client":{"secrets":2)" +
             left_out + "}}");
  record(b, one_client("carol"),
         R"({"mode":"recording","redacted":{"secrets":true,"pattern":true,"client":{"secrets":3)" + left_out +
             "}}");
  const auto answer = merge({a, b, "-o", out});
  INFO(answer.err);
  REQUIRE(answer.status == 0);
  const auto redacted = boost::json::parse(loaded(out).info).at("redacted").as_object();
  CHECK(redacted.at("secrets") == true);
  CHECK(redacted.at("pattern") == true);
  CHECK(redacted.at("client").at("secrets") == 5);
}

TEST_CASE("recordings of other payloads make no group", "[merge]") {
  const Folder folder;
  const std::string a = (folder / "a").string(), b = (folder / "b").string(), out = (folder / "out").string();
  record(a, two_clients());
  record(b, one_client("carol"), R"({"mode":"recording","payloads":"none"})");
  for (const auto& files : {std::vector{a, b}, std::vector{b, a}}) {
    const auto answer = merge({files[0], files[1], "-o", out});
    CHECK(answer.status == 2);
    CHECK(has(answer.err, "--payloads none"));
    CHECK(has(answer.err, "--payloads all"));
  }
}

TEST_CASE("a group says which of its recordings was not whole", "[merge]") {
  const Folder folder;
  const std::string a = (folder / "a").string(), b = (folder / "b").string(), out = (folder / "out").string();
  record(a, two_clients());
  record(b, one_client("carol"));
  const std::string bytes = read_file(b);
  write_file(folder / "cut", std::string_view(bytes).substr(0, bytes.size() - 40));
  REQUIRE(merge({a, (folder / "cut").string(), "-o", out}).status == 0);
  const auto trace = format::load(out);
  REQUIRE(trace.has_value());
  CHECK(trace->damage.any());
  CHECK(has(trace->damage.incomplete, "cut: the file is cut"));
  REQUIRE(merge({out, b, "-o", out + "2"}).status == 0);
  CHECK(has(format::load(out + "2")->damage.incomplete, "out: what it was made from was not whole"));
}

TEST_CASE("recordings are aligned by their wall clocks when that is asked for, in any order", "[merge]") {
  const Folder folder;
  const std::string a = (folder / "a").string(), b = (folder / "b").string(), out = (folder / "out").string();
  record(a, one_client("late"), R"({"mode":"recording"})", {start.wall_ns + 250'000'000, 1});
  record(b, one_client("early"));
  REQUIRE(merge({a, b, "-o", out, "--align", "wall"}).status == 0);
  const auto trace = loaded(out);
  CHECK(trace.start.wall_ns == start.wall_ns);
  CHECK(trace.start.mono_ns == start.mono_ns);
  const auto all = said(trace);
  REQUIRE(all.size() == 6);
  CHECK(all[1] == Said{7, 0, EventKind::ToServer, "NICK early\r\n"});
  CHECK(all[4] == Said{257, 1, EventKind::ToServer, "NICK late\r\n"});
}

TEST_CASE("a group of many recordings has every event of each, in order of time", "[merge]") {
  const Folder folder;
  const std::string out = (folder / "out").string();
  std::vector<std::string> arguments;
  for (int i = 0; i < 20; ++i) {
    arguments.push_back((folder / ("r" + std::to_string(i)).c_str()).string());
    record(arguments.back(), two_clients(), R"({"mode":"recording"})", start,
           1 + static_cast<std::uint32_t>(i % 5));
  }
  arguments.insert(arguments.end(), {"-o", out});
  REQUIRE(merge(arguments).status == 0);
  const auto all = said(loaded(out));
  CHECK(all.size() == 20 * two_clients().size());
  CHECK(std::is_sorted(all.begin(), all.end(), [](const Said& a, const Said& b) { return a.ms < b.ms; }));
  std::map<std::uint32_t, std::string> texts;
  for (const Said& each : all) texts[each.connection] += each.payload;
  CHECK(texts.size() == 40);
}

TEST_CASE("recordings that do not agree, and bad words, are refused with one line", "[merge]") {
  const Folder folder;
  const std::string a = (folder / "a").string(), b = (folder / "b").string(), c = (folder / "c").string(),
                    out = (folder / "out").string(), run = (folder / "run").string();
  record(a, one_client("a"), R"({"mode":"recording","protocol":"irc"})");
  record(b, one_client("b"), R"({"mode":"recording","protocol":"mqtt"})");
  record(c, one_client("c"), R"({"mode":"recording"})", {start.wall_ns + 400'000'000'000'000'000, 1});
  format::sample::write(run);
  CHECK(refused(merge({a, b, "-o", out}), "only recordings that agree", out));
  CHECK(refused(merge({a, "-o", out}), "expected two or more", out));
  CHECK(refused(merge({a, run, "-o", out}), "is the trace of a run", out));
  CHECK(refused(merge({a, c, "-o", out, "--align", "moon"}), "expected start or wall", out));
  CHECK(refused(merge({a, c, "-o", out, "--align", "wall"}), "more than ten years apart", out));
  CHECK(refused(merge({a, (folder / "none").string(), "-o", out}), "none", out));
  const std::string before = read_file(a);
  CHECK(has(merge({a, c, "-o", a, "--force"}).err, "would write over its input"));
  CHECK(has(merge({c, a, "-o", a, "--force"}).err, "would write over its input"));
  CHECK(read_file(a) == before);
  write_file(out, "precious");
  CHECK(has(merge({a, c, "-o", out}).err, "exists already"));
  CHECK(read_file(out) == "precious");
}
