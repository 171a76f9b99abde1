// What `chorus diff` calls a difference, and what it does not.
#include "tests/chat_sample.h"
#include "traces/compare/diff.h"

using namespace chorus;
using namespace chorus::sample;
using compare::Diff;
using compare::Finding;
using compare::Rule;
using compare::Verdict;

namespace {

constexpr auto to_server = EventKind::ToServer, to_client = EventKind::ToClient;

Diff differences(const format::Trace& a, const format::Trace& b, bool allow_partial = false) {
  auto page = protocol::Page::find("irc");
  REQUIRE(page.has_value());
  return compare::diff(a, b, *page, {allow_partial});
}

std::vector<Rule> rules(const Diff& diff) {
  std::vector<Rule> result;
  for (const Finding& finding : diff.findings) result.push_back(finding.rule);
  return result;
}

// A recording, a crowd made from it, and what differs between them after `change`.
struct CrowdTest {
  format::sample::Folder folder;
  format::Trace recording = write(folder / "one.trace", session());
  Crowd run = crowd(recording);
  Diff diff() { return differences(recording, write(folder / "crowd.trace", run.steps, run.tables)); }
};

const compare::NotJudged* not_judged(const Diff& diff, std::string_view what) {
  for (const auto& entry : diff.not_judged)
    if (entry.what.find(what) != std::string::npos) return &entry;
  return nullptr;
}

}  // namespace

TEST_CASE("a recording is the same as itself, with its timing shown", "[compare]") {
  format::sample::Folder folder;
  const auto trace = write(folder / "a.trace", session());
  const Diff diff = differences(trace, trace);
  CHECK(diff.verdict == Verdict::same);
  CHECK(diff.identical);
  CHECK(diff.findings.empty());
  CHECK(diff.hidden.empty());
  CHECK(diff.a.sent == 10);
  CHECK(diff.a.received == 15);
  CHECK_FALSE(diff.timing.empty());
  CHECK(not_judged(diff, "timing"));
}

TEST_CASE("one message less is exactly one finding that names it", "[compare]") {
  format::sample::Folder folder;
  const auto whole = write(folder / "a.trace", session());
  Steps steps = session();
  steps.erase(find(steps, to_client, ":one", 0));
  const Diff diff = differences(whole, write(folder / "b.trace", steps));
  CHECK(diff.verdict == Verdict::differs);
  REQUIRE(rules(diff) == std::vector{Rule::missing});
  const Finding& finding = diff.findings[0];
  CHECK(finding.place.kind == "PRIVMSG");
  CHECK(finding.place.client_a == 0u);
  CHECK(finding.place.time_a == std::chrono::milliseconds(52));
  CHECK(finding.a == ":bob!bob@localhost PRIVMSG #tea :one");
  CHECK_FALSE(finding.b);
  CHECK(finding.change == -1);
  CHECK(finding.place.before_a == "PRIVMSG #tea :hello bob");
}

TEST_CASE("one of several equal messages less is one missing message and none out of order", "[compare]") {
  format::sample::Folder folder;
  Steps steps = session();
  find(steps, to_server, ":one", 1)->payload =
      "PRIVMSG #tea :hm\r\nPRIVMSG #tea :two\r\nPRIVMSG #tea :hm\r\n";
  const auto whole = write(folder / "a.trace", steps);
  find(steps, to_server, ":two", 1)->payload = "PRIVMSG #tea :two\r\nPRIVMSG #tea :hm\r\n";
  CHECK(rules(differences(whole, write(folder / "b.trace", steps))) == std::vector{Rule::missing});
}

TEST_CASE("a message that came twice is a duplicate", "[compare]") {
  format::sample::Folder folder;
  const auto a = write(folder / "a.trace", session());
  Steps steps = session();
  Step& step = *find(steps, to_client, ":hello", 1);
  step.payload += step.payload;
  CHECK(rules(differences(a, write(folder / "b.trace", steps))) == std::vector{Rule::duplicate});
}

TEST_CASE("other blocks, another codec and other chunks are no difference", "[compare]") {
  format::sample::Folder folder;
  const auto a = write(folder / "a.trace", session());
  format::WriterOptions options;
  options.block_events = 3;
  options.codec = format::Codec::None;
  const auto b = write(folder / "b.trace", session(), {}, options);
  CHECK(differences(a, b).verdict == Verdict::same);
  CHECK(differences(a, b).identical);

  Steps cut;
  for (const Step& step : session()) {
    const bool chunk = step.kind == to_server || step.kind == to_client;
    for (std::size_t at = 0; chunk && at < step.payload.size(); at += 7)
      cut.push_back({step.ms, step.connection, step.kind, step.payload.substr(at, 7)});
    if (!chunk) cut.push_back(step);
  }
  const Diff diff = differences(a, write(folder / "c.trace", cut));
  CHECK(diff.verdict == Verdict::same);
  CHECK_FALSE(diff.identical);
}

TEST_CASE("swapped sides mirror every figure", "[compare]") {
  format::sample::Folder folder;
  const auto a = write(folder / "a.trace", session());
  Steps steps = session();
  steps.erase(find(steps, to_client, ":one", 0));
  find(steps, to_client, ":hello", 1)->payload += ":alice!alice@localhost PRIVMSG #tea :more\r\n";
  find(steps, to_server, "QUIT", 0)->payload = "QUIT :later\r\n";
  find(steps, to_client, "ERROR", 0)->ms += 30;
  const auto b = write(folder / "b.trace", steps);
  const Diff there = differences(a, b), back = differences(b, a);
  CHECK(rules(there) == std::vector{Rule::missing, Rule::extra, Rule::payload});
  REQUIRE(rules(back) == std::vector{Rule::missing, Rule::extra, Rule::payload});
  CHECK(there.findings[0].a == back.findings[1].b);
  CHECK(there.findings[0].change == -back.findings[1].change);
  CHECK(there.findings[1].b == back.findings[0].a);
  CHECK(there.findings[2].a == back.findings[2].b);
  CHECK(there.a.received == back.b.received);
  REQUIRE(there.timing.size() == back.timing.size());
  bool moved = false;
  for (std::size_t i = 0; i < there.timing.size(); ++i) {
    REQUIRE(there.timing[i].shift.has_value() == back.timing[i].shift.has_value());
    if (!there.timing[i].shift) continue;
    moved = moved || there.timing[i].shift->count() != 0;
    CHECK(*there.timing[i].shift == -*back.timing[i].shift);
  }
  CHECK(moved);
}

TEST_CASE("a message with another content at the same place is shown with both texts", "[compare]") {
  format::sample::Folder folder;
  const auto a = write(folder / "a.trace", session());
  Steps steps = session();
  find(steps, to_client, ":hello bob", 1)->payload = ":alice!alice@localhost PRIVMSG #tea :hello rob\r\n";
  const Diff diff = differences(a, write(folder / "b.trace", steps));
  REQUIRE(rules(diff) == std::vector{Rule::payload});
  CHECK(diff.findings[0].a == ":alice!alice@localhost PRIVMSG #tea :hello bob");
  CHECK(diff.findings[0].b == ":alice!alice@localhost PRIVMSG #tea :hello rob");
}

TEST_CASE("the order of one sender's messages is judged, the interleaving of two senders is not",
          "[compare]") {
  format::sample::Folder folder;
  Steps steps = session();
  find(steps, to_client, ":two", 0)->payload += ":irc.test PRIVMSG #tea :from a service\r\n";
  const auto a = write(folder / "a.trace", steps);

  Steps interleaved = steps;
  find(interleaved, to_client, ":two", 0)->payload =
      ":irc.test PRIVMSG #tea :from a service\r\n:bob!bob@localhost PRIVMSG #tea :two\r\n";
  CHECK(differences(a, write(folder / "b.trace", interleaved)).verdict == Verdict::same);

  Steps swapped = steps;
  std::swap(find(swapped, to_client, ":one", 0)->payload, find(swapped, to_client, ":two", 0)->payload);
  CHECK(rules(differences(a, write(folder / "c.trace", swapped))) == std::vector{Rule::reordered});
}

TEST_CASE("how a connection ended, and how many there were, is compared", "[compare]") {
  format::sample::Folder folder;
  const auto a = write(folder / "a.trace", session());
  Steps reset = session();
  find(reset, EventKind::ServerEnd, "", 1)->kind = EventKind::ServerReset;
  const Diff diff = differences(a, write(folder / "b.trace", reset));
  REQUIRE(rules(diff) == std::vector{Rule::ending});
  CHECK(diff.findings[0].a == "closed by the client");
  CHECK(diff.findings[0].b == "reset by the server");

  Steps more = session();
  more.push_back({80, 2, EventKind::Refused, "Connection refused"});
  CHECK(rules(differences(a, write(folder / "c.trace", more))) == std::vector{Rule::connections});
}

TEST_CASE("what a page masks is hidden and counted", "[compare]") {
  format::sample::Folder folder;
  Steps steps = session();
  find(steps, to_client, "003", 0)->payload += ":irc.test 251 alice :There are 2 users\r\n";
  const auto a = write(folder / "a.trace", steps);
  find(steps, to_client, "003", 0)->payload =
      ":irc.test 003 alice :This server was started Tue\r\n:irc.test 376 alice :End\r\n"
      ":irc.test 251 alice :There are 9 users\r\n:irc.test NOTICE alice :Connection statistics: client 1 "
      "kb, server 2 kb\r\n";
  const auto b = write(folder / "b.trace", steps);
  const Diff diff = differences(a, b);
  CHECK(rules(diff) == std::vector{Rule::extra});  // the NOTICE itself
  REQUIRE(diff.hidden.size() == 2);
  for (const compare::Hidden& hidden : diff.hidden) {
    CHECK(hidden.a == 1);
    CHECK(hidden.b == 1);
    CHECK(hidden.hid == (hidden.kind == "003" ? 1 : 2));
  }
  find(steps, to_client, "003", 0)->payload =
      replaced(find(steps, to_client, "003", 0)->payload, "1 kb", "3 kb");
  const Diff masked = differences(b, write(folder / "c.trace", steps));
  CHECK(masked.verdict == Verdict::same);
  REQUIRE(masked.hidden.size() == 1);
  CHECK(masked.hidden[0].kind == "NOTICE");
}

TEST_CASE("a crowd in which everything went as recorded is the same as its recording", "[compare]") {
  CrowdTest test;
  const Diff diff = test.diff();
  for (const Finding& finding : diff.findings)
    UNSCOPED_INFO(finding.a.value_or("-") + " / " + finding.b.value_or("-"));
  CHECK(diff.verdict == Verdict::same);
  CHECK(diff.b.clients == 4);
  CHECK(diff.b.compared == 4);
  CHECK_FALSE(not_judged(diff, "outside the copy"));
}

TEST_CASE("a crowd's client that misses one delivery is found, from either side", "[compare]") {
  CrowdTest test;
  test.run.steps.erase(find(test.run.steps, to_client, "hello", 3));
  const Diff diff = test.diff();
  REQUIRE(rules(diff) == std::vector{Rule::missing});
  CHECK(diff.findings[0].place.client_a == 1u);
  CHECK(diff.findings[0].place.client_b == 3u);
  CHECK(diff.findings[0].a == ":alice!alice@localhost PRIVMSG #tea :hello bob");

  const Diff back =
      differences(write(test.folder / "again.trace", test.run.steps, test.run.tables), test.recording);
  REQUIRE(rules(back) == std::vector{Rule::extra});
  CHECK(back.findings[0].place.client_a == 3u);
  CHECK(back.findings[0].b == diff.findings[0].a);
}

TEST_CASE("a broadcast from another copy is no difference, and counted as not judged", "[compare]") {
  CrowdTest test;
  test.run.steps.push_back({45, 1, to_client, ":u0000002!u0000002@localhost PRIVMSG #tea00000 :to all\r\n"});
  test.run.steps.push_back(
      {45, 1, to_client, ":alice!alice@localhost PRIVMSG #tea00000 :from the canary\r\n"});
  const Diff diff = test.diff();
  CHECK(diff.verdict == Verdict::same);
  REQUIRE(not_judged(diff, "outside the copy"));
  CHECK(not_judged(diff, "outside the copy")->b == 2);
}

TEST_CASE("what somebody said who was not recorded is not missing from a crowd", "[compare]") {
  format::sample::Folder folder;
  Steps steps = session();
  steps.push_back({45, 1, to_client, ":carol!carol@localhost PRIVMSG #tea :I was not recorded\r\n"});
  const auto recording = write(folder / "a.trace", steps);
  const Crowd run = crowd(recording);
  const Diff diff = differences(recording, write(folder / "b.trace", run.steps, run.tables));
  CHECK(diff.verdict == Verdict::same);
  REQUIRE(not_judged(diff, "not recorded"));
  CHECK(not_judged(diff, "not recorded")->a == 2);  // by bob, in two copies
}

TEST_CASE("clients that were not kept are judged by their outcomes", "[compare]") {
  CrowdTest test;
  for (std::uint32_t client = 4; client < 10; ++client)
    test.run.tables.clients.push_back({client, client / 2, client % 2,
                                       client < 6 ? format::Outcome::Completed : format::Outcome::Failed,
                                       client < 6 ? 0u : 1u, 2, 1000, -1, false});
  test.run.tables.divergences = {{6, 2, std::chrono::milliseconds(30), "001 Welcome", "433 u0000006"},
                                 {7, 2, std::chrono::milliseconds(31), "001 Welcome", "433 u0000007"},
                                 {4, 5, std::chrono::milliseconds(32), "JOIN #tea", "471 u0000004"},
                                 {5, 5, std::chrono::milliseconds(32), "JOIN #tea", "471 u0000005"}};
  const Diff diff = test.diff();
  REQUIRE(rules(diff) == std::vector{Rule::outcome, Rule::divergence, Rule::divergence});
  CHECK(diff.findings[0].a == "after 2 sent: 001 Welcome");
  CHECK(diff.findings[0].b == "4 clients failed: 433 Nickname in use; client 6 got 433 u0000006");
  CHECK(diff.findings[0].change == 4);
  CHECK(diff.findings[1].a == "after 5 sent: JOIN #tea");  // by two clients, of two recorded ones
  CHECK(diff.findings[1].b == "1 client got 471 u0000004");
}

TEST_CASE("clients of whom nothing tells whether they succeeded keep a crowd from being the same",
          "[compare]") {
  CrowdTest test;
  test.run.tables.clients[3].outcome = format::Outcome::Unjudged;
  CHECK(test.diff().verdict == Verdict::inconclusive);
}

TEST_CASE("a run that proves nothing is trouble, with its reasons", "[compare]") {
  CrowdTest test;
  const auto trouble = [&](const std::string& info) {
    test.run.tables.info = info;
    static int number = 0;
    const auto run =
        write(test.folder / ("run" + std::to_string(++number)).c_str(), test.run.steps, test.run.tables);
    const Diff diff = differences(test.recording, run);
    REQUIRE(diff.verdict == Verdict::trouble);
    REQUIRE(diff.reasons.size() == 1);
    return diff.reasons[0];
  };
  const std::string info = test.run.tables.info;
  CHECK(trouble(replaced(info, "VALID", "INVALID")).find("lateness at p99 is 4 ms") != std::string::npos);
  CHECK(trouble(replaced(info, R"("recorded")", R"("random")")).find("random schedule") != std::string::npos);
  CHECK(trouble(replaced(info, hash_of(test.recording), "00ff")).find("another recording") !=
        std::string::npos);
  CHECK(trouble(replaced(info, "result", "no")).find("no result") != std::string::npos);
}

TEST_CASE("two runs are compared client by client", "[compare]") {
  CrowdTest test;
  const auto a = write(test.folder / "a.trace", test.run.steps, test.run.tables);
  CHECK(differences(a, a).verdict == Verdict::same);
  Crowd other = crowd(test.recording);
  other.steps.erase(find(other.steps, to_client, ":two", 2));
  other.tables.clients[1].outcome = format::Outcome::Disconnected;
  const Diff diff = differences(a, write(test.folder / "b.trace", other.steps, other.tables));
  REQUIRE(rules(diff) == std::vector{Rule::outcome, Rule::missing});
  CHECK(diff.findings[0].b == "1 client disconnected");
  CHECK(diff.findings[1].place.client_b == 2u);
}

TEST_CASE("a cut trace is refused unless partial ones are allowed", "[compare]") {
  format::sample::Folder folder;
  const auto whole = write(folder / "a.trace", session());
  const std::string bytes = format::sample::read_file(folder / "a.trace");
  format::sample::write_file(folder / "cut.trace", std::string_view(bytes).substr(0, bytes.size() - 40));
  const auto cut = format::load(folder / "cut.trace");
  REQUIRE(cut.has_value());
  CHECK(differences(whole, *cut).verdict == Verdict::trouble);
  CHECK(differences(whole, *cut, true).verdict == Verdict::inconclusive);
}

TEST_CASE("what lies behind the end of a cut file is not judged, and what is missing before it is",
          "[compare]") {
  format::sample::Folder folder;
  Steps steps = session();
  for (Step& step : steps) step.ms *= 1000;
  const auto whole = write(folder / "a.trace", steps);
  std::erase_if(steps, [](const Step& step) { return step.ms > 45'000; });
  auto cut = write(folder / "cut.trace", steps);
  cut.damage.cut = true;
  const Diff rest = differences(whole, cut, true);
  CHECK(rest.findings.empty());
  CHECK(rest.verdict == Verdict::inconclusive);
  REQUIRE(not_judged(rest, "behind the end of a cut file"));
  CHECK(not_judged(rest, "behind the end of a cut file")->a == 7);
  CHECK(not_judged(rest, "open at the end of a cut file"));

  steps.erase(find(steps, to_client, ":bob!bob@localhost JOIN", 0));
  auto holed = write(folder / "holed.trace", steps);
  holed.damage.cut = true;
  CHECK(rules(differences(whole, holed, true)) == std::vector{Rule::missing});

  std::erase_if(steps, [](const Step& step) { return step.connection == 1; });
  auto one = write(folder / "one.trace", steps);
  one.damage.cut = true;
  CHECK(not_judged(differences(whole, one, true), "connections"));
}

TEST_CASE("without a page the bytes of each connection are compared", "[compare]") {
  format::sample::Folder folder;
  const auto raw = [](const format::Trace& a, const format::Trace& b) {
    auto page = protocol::Page::raw();
    return compare::diff(a, b, page, {});
  };
  const auto a = write(folder / "a.trace", session());
  Steps steps = session();
  CHECK(raw(a, a).verdict == Verdict::same);
  find(steps, to_client, ":hello bob", 1)->payload = ":alice!alice@localhost PRIVMSG #tea :hello rob!\r\n";
  const Diff diff = raw(a, write(folder / "b.trace", steps));
  REQUIRE(rules(diff) == std::vector{Rule::bytes});
  CHECK(diff.findings[0].a->substr(0, 4) == "bob\r");
  CHECK(diff.findings[0].change == 1);
}

TEST_CASE("latency is taken from a message to its first own answer, of a run from its sketches",
          "[compare]") {
  CrowdTest test;
  format::NamedSketch sketch{"latency/JOIN", Nanos(0), Nanos(0), {}};
  sketch.sketch.add(std::chrono::milliseconds(8), 40);
  test.run.tables.sketches = {sketch};
  const Diff diff = test.diff();
  const auto row = std::find_if(diff.timing.begin(), diff.timing.end(), [](const compare::Timing& timing) {
    return timing.measure == "latency" && timing.what == "JOIN";
  });
  REQUIRE(row != diff.timing.end());
  REQUIRE(row->a);
  REQUIRE(row->b);
  CHECK(row->a->count == 2);
  CHECK(std::abs(row->a->p50.count() - 2'000'000) < 20'000);
  CHECK(row->b->count == 40);
  CHECK(*row->shift == row->b->p50 - row->a->p50);
}

TEST_CASE("a page says which kinds are not compared, and which parts of a message", "[compare]") {
  const std::string head =
      "name = \"x\"\n[framing]\ntype = \"line\"\n[kind]\nword = 1\nnames = [\"SAY\", \"STATS\", "
      "\"DATE\"]\n[compare]\n";
  const auto page =
      protocol::Page::parse(head +
                                "kind_only = [\"DATE\"]\nignored = [\"STATS\"]\n[[compare.masked]]\n"
                                "kinds = [\"SAY\"]\npattern = 'id=(\\d+) .*at=(\\d+)'\n",
                            "x.toml");
  REQUIRE(page.has_value());
  const auto kind = [&](protocol::Bytes message) { return page->kind_of(protocol::Side::server, message); };
  CHECK(page->comparison(protocol::Side::server, kind("DATE now\n")) == protocol::Comparison::kind_only);
  CHECK(page->comparison(protocol::Side::client, kind("STATS 1\n")) == protocol::Comparison::ignored);
  CHECK(page->comparison(protocol::Side::server, kind("SAY x\n")) == protocol::Comparison::exact);
  std::vector<protocol::FieldSpan> spans;
  page->masked(protocol::Side::server, kind("SAY x\n"), "SAY x id=17 hello at=5\n", spans);
  REQUIRE(spans.size() == 2);
  CHECK(spans[0].at == 9);
  CHECK(spans[0].size == 2);
  CHECK(spans[1].at == 21);

  const auto mistake = [&](const std::string& text) {
    const auto parsed = protocol::Page::parse(head + text, "x.toml");
    REQUIRE_FALSE(parsed.has_value());
    return parsed.error().what;
  };
  CHECK(mistake("ignored = [\"STAT\"]\n").find("compare.ignored") != std::string::npos);
  CHECK(mistake("[[compare.masked]]\nkinds = [\"SAY\"]\npattern = 'x'\n").find("groups") !=
        std::string::npos);
  CHECK(mistake("hidden = 1\n").find("hidden") != std::string::npos);
}
