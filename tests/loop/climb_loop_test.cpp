// A crowd that climbs in steps: a row for each, and the last good one is named.
#include "tests/loop/chat_fixture.h"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace chorus::test;
namespace json = boost::json;

namespace {

std::int64_t number(const json::value& row, const char* key) {
  return row.at(key).to_number<std::int64_t>();
}

std::vector<std::string> climb(ChatServer& server, const std::string& steps,
                               std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{
      "--clients", steps,    "--hold", "500ms",   "--speed",
      "4",         "--ramp", "2ms",    "--watch", std::to_string(server.process().pid())};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return replay(sample("packet-chat.trace"), server, arguments);
}

// A busy machine may make a step not good ("the generator was late"); what was counted holds all the same.
bool punctual(const json::object& document) {
  if (document.at("verdict") != "VALID") return false;
  for (const json::value& row : document.at("steps").at("rows").as_array())
    if (row.at("trouble").as_string().starts_with("the generator was late")) return false;
  return true;
}

// Where a step was late the climb proves nothing, which is trouble.
bool ended_badly(const Finished& replayed) {
  const bool late = replayed.out.find("the generator was late") != std::string::npos;
  return ended_with(replayed, 1) || (late && replayed.status == 2);
}

void expect_usage(const std::vector<std::string>& more, const std::string& text) {
  std::vector<std::string> arguments{"replay", sample("packet-chat.trace"), "--target", "127.0.0.1:1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Finished refused = run_chorus(arguments);
  INFO(more[1] << ": " << refused.err);
  CHECK(refused.status == 2);
  CHECK(refused.out.empty());
  CHECK(refused.err.find(text) != std::string::npos);
  CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("a crowd climbs in three steps, each held and counted for itself", "[loop][slow]") {
  ChatServer server;
  const Finished replayed = run_chorus(climb(server, "20..60:20"));
  INFO(replayed.out << replayed.err);
  const auto document = document_of(replayed);
  CHECK(document.at("clients").at("completed").to_number<int>() == 60);
  const auto& rows = document.at("steps").at("rows").as_array();
  REQUIRE(rows.size() == 3);
  std::int64_t sent = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const json::value& row = rows[i];
    const auto clients = static_cast<std::int64_t>(20 * (i + 1));
    CHECK(number(row, "clients") == clients);
    CHECK(number(row, "connected") == clients);
    CHECK(number(row, "failed") == 0);
    CHECK(number(row, "unanswered") == 0);
    CHECK(number(row, "sent") > 0);
    CHECK(number(row.at("lateness_us"), "count") == number(row, "sent"));
    CHECK(number(row.at("latency_us"), "count") == number(row, "sent"));
    CHECK(number(row, "fanout_expected") > number(row, "sent"));  // rooms of two, and everybody
    CHECK(number(row, "fanout_delivered") == number(row, "fanout_expected"));
    CHECK(number(row, "received") > 0);
    CHECK(row.at("server_cpu_share").is_number());
    sent += number(row, "sent");
  }
  CHECK(number(rows[2], "sent") > number(rows[0], "sent"));
  CHECK(sent < document.at("messages").at("sent").to_number<int>());  // ramps belong to no step
  CHECK(document.at("options").at("climb").at("by").to_number<int>() == 20);
  if (punctual(document)) {
    CHECK(replayed.status == 0);
    CHECK(number(document.at("steps"), "last_good_clients") == 60);
    for (const json::value& row : rows) CHECK(row.at("good").as_bool());
  }
}

TEST_CASE("a server that is full at 45 is found out at the third step", "[loop][slow]") {
  ChatServer server({"--max-clients", "45"});
  std::vector<std::string> arguments = climb(server, "20..60:20");
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--json"));
  const Finished replayed = run_chorus(arguments);
  INFO(replayed.out << replayed.err);
  CHECK(ended_badly(replayed));
  const auto table = replayed.out.find("steps, each held for 500ms");
  REQUIRE(table != std::string::npos);
  CHECK(replayed.out.find("15 clients failed", table) != std::string::npos);
  if (replayed.status == 1 && replayed.out.find("the generator was late") == std::string::npos)
    CHECK(replayed.out.find("the last good step: 40 clients\n", table) != std::string::npos);
  CHECK(replayed.out.find("all steps were good") == std::string::npos);
}

TEST_CASE("a climb ends at the first step in which more failed than is tolerated", "[loop][slow]") {
  ChatServer server({"--max-clients", "25"});
  const Finished replayed = run_chorus(climb(server, "20..60:20"));
  INFO(replayed.out << replayed.err);
  const auto document = document_of(replayed);
  CHECK(ended_badly(replayed));
  const auto& rows = document.at("steps").at("rows").as_array();
  REQUIRE(rows.size() == 2);
  const auto failed = number(rows[1], "failed");  // the first client of the next step may be among them
  CHECK(failed >= 15);
  CHECK_FALSE(rows[1].at("good").as_bool());
  CHECK(rows[1].at("trouble").as_string() == std::to_string(failed) + " clients failed");
  if (punctual(document)) CHECK(number(document.at("steps"), "last_good_clients") == 20);
}

TEST_CASE("a climb goes on as long as what failed is tolerated, counted in clients", "[loop][slow]") {
  ChatServer server({"--max-clients", "28"});  // 12 of 40 are turned away: 30 %
  const Finished replayed = run_chorus(climb(server, "40..60:20", {"--tolerate", "40%"}));
  INFO(replayed.out << replayed.err);
  const auto document = document_of(replayed);
  const auto& rows = document.at("steps").at("rows").as_array();
  REQUIRE(rows.size() == 2);
  if (punctual(document)) {
    CHECK(rows[0].at("good").as_bool());
    CHECK_FALSE(rows[1].at("good").as_bool());  // 32 of 60
    CHECK(number(document.at("steps"), "last_good_clients") == 40);
  }
}

TEST_CASE("wrong forms of a climb are refused in one line", "[loop]") {
  for (const char* wrong :
       {"20..", "..60", "20..60:", "20..60:0", "60..20:20", "20...60:20", "20..60:x", "0..60:20",
        "20..60:20:20", "1..10000:1", "-20..60:20", "20..60..80", "2e3..6e3:1e3"})
    expect_usage({"--clients", wrong}, "write ");
  expect_usage({"--clients", "20", "--hold", "2s"}, "--hold");
  expect_usage({"--clients", "20", "--step-limit", "2s"}, "--step-limit");
  expect_usage({"--clients", "20..60:20", "--hold", "0s"}, "--hold");
  expect_usage({"--clients", "20..60:20", "--hold", "soon"}, "--hold");
  expect_usage({"--clients", "20..60:20", "--duration", "2s"}, "--duration");
  expect_usage({"--clients", "20..60:20", "--scale", "3x"}, "--scale");
}
