// One crowd shared by several processes: the sums are those of one process, and whoever dies is missed.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/real_program.h"
#include "traces/format/reader.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

using namespace chorus::test;
namespace json = boost::json;
using chorus::format::EventKind;

namespace {

std::int64_t count(const json::object& document, const char* part, const char* key) {
  return document.at(part).at(key).to_number<std::int64_t>();
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat;
    std::getline(file, stat);
    std::istringstream behind_name(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
    char state = 0;
    pid_t its = 0;
    if (behind_name >> state >> its && its == parent && state != 'Z') children.push_back(std::stoi(name));
  }
  std::sort(children.begin(), children.end());
  return children;
}

bool runs(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string stat;
  if (!std::getline(file, stat)) return false;
  return stat[stat.rfind(')') + 2] != 'Z';  // nobody may take an orphan's status
}

// A run by three processes that goes on until it is ended, in a group of its own, as a terminal would start
// it.
class Crowd {
 public:
  explicit Crowd(const ChatServer& server, std::vector<std::string> more = {"--loop", "--duration", "10m"})
      : process_(command(server, std::move(more))) {}

  // Every child's clients have begun to talk: their bytes are in its part of the trace.
  std::vector<pid_t> on_stage() {
    wait_until(
        [&] {
          for (int shard = 0; shard < 3; ++shard) {
            std::error_code error;
            const auto size =
                std::filesystem::file_size(trace() + ".shard" + std::to_string(shard) + ".partial", error);
            if (error || size < 400) return false;
          }
          return true;
        },
        [&] { return "the shards' parts of the trace did not grow"; });
    return children_of(process_.pid());
  }
  Finished end() {
    Finished finished;
    finished.status = process_.wait();
    finished.out = process_.out_rest();
    finished.err = process_.err_rest();
    return finished;
  }
  std::string trace() const { return folder_ / "crowd.trace"; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    return names;
  }
  Process& process() { return process_; }

 private:
  std::vector<std::string> command(const ChatServer& server, std::vector<std::string> more) {
    std::vector<std::string> arguments{"setsid", CHORUS_EXECUTABLE};
    for (auto& one : replay(sample("steady.trace"), server,
                            {"--clients", "30", "--ramp", "1ms", "--processes", "3", "-o", trace()}))
      arguments.push_back(one);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  ScratchFolder folder_;
  Process process_;
};

void expect_interrupted(Crowd& crowd, const std::vector<pid_t>& children) {
  const Finished finished = crowd.end();
  INFO(finished.out << finished.err);
  CHECK(finished.status == 2);
  const auto document = document_of(finished);  // one document, whole
  CHECK(document.at("interrupted").as_bool());
  CHECK(count(document, "clients", "requested") == 30);
  CHECK(count(document, "clients", "connected") > 0);  // the ramp may still go on
  CHECK(count(document, "clients", "interrupted") == 30);
  CHECK(count(document, "clients", "lost") == 0);
  CHECK(count(document, "messages", "sent") > 0);
  CHECK(crowd.files() == std::vector<std::string>{"crowd.trace"});
  CHECK(chorus::format::load(crowd.trace()).has_value());
  for (const pid_t child : children) CHECK_FALSE(runs(child));
}

// bob enters 76 ms after alice's first message, of which he gets no copy: whether it was so is a matter of
// being punctual to this share of it.
bool punctual(const json::object& run, double speed) {
  const auto worst = run.at("lateness_us").at("max").to_number<double>() +
                     run.at("latency_us").at("SERVER_ENTER").at("max").to_number<double>();
  return run.at("verdict") == "VALID" && worst < 76'000 / speed;
}

// When each client's first message was to be sent.
std::map<std::uint32_t, std::int64_t> planned(const std::string& run) {
  const auto trace = chorus::format::load(run);
  REQUIRE(trace.has_value());
  std::map<std::uint32_t, std::int64_t> first;
  for (const auto& event : trace->events)
    if (event.kind == EventKind::ToServer && event.intended)
      first.emplace(event.connection, event.intended->count());
  return first;
}

}  // namespace

TEST_CASE("a crowd shared by three processes counts what one process counts, and its trace is whole",
          "[loop]") {
  ScratchFolder folder;
  ChatServer server;
  const std::string recording = sample("steady.trace");
  const auto played = [&](const std::string& processes) {
    const Finished replayed =
        run_chorus(replay(recording, server,
                          {"--clients", "30", "--phase", "0ms", "--speed", "4", "--keep", "15", "--processes",
                           processes, "-o", folder / (processes + ".trace")}));
    INFO(replayed.out << replayed.err);
    CHECK(ended_with(replayed, 0));
    return document_of(replayed);
  };
  const auto one = played("1"), three = played("3");
  CHECK(count(one, "resources", "processes") == 1);
  CHECK(count(three, "resources", "processes") == 3);
  for (const char* key : {"requested", "connected", "completed", "failed", "lost", "copies"}) {
    INFO(key);
    CHECK(count(three, "clients", key) == count(one, "clients", key));
  }
  CHECK(count(three, "clients", "completed") == 30);
  for (const char* key : {"scheduled", "sent", "unanswered", "replies", "bytes_sent"}) {
    INFO(key);
    CHECK(count(three, "messages", key) == count(one, "messages", key));
  }
  CHECK(count(three, "fanout", "delivered") == count(three, "fanout", "expected"));
  if (punctual(one, 4) && punctual(three, 4)) {
    CHECK(count(three, "messages", "bytes_received") == count(one, "messages", "bytes_received"));
    CHECK(three.at("messages").at("by_kind") == one.at("messages").at("by_kind"));
    for (const char* key : {"expected", "delivered", "rooms_counted"})  // rooms of one copy: none is cut
      CHECK(count(three, "fanout", key) == count(one, "fanout", key));
  }
  CHECK(count(three, "lateness_us", "count") == count(three, "messages", "sent"));
  CHECK(count(three, "connect_us", "count") == 30);

  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    CHECK(entry.path().filename().string().find("shard") == std::string::npos);
    ++files;
  }
  CHECK(files == 2);
  const auto trace = chorus::format::load(folder / "3.trace"),
             of_one = chorus::format::load(folder / "1.trace");
  REQUIRE(trace.has_value());
  REQUIRE(of_one.has_value());
  CHECK_FALSE(trace->damage.any());
  REQUIRE(trace->clients.size() == 30);
  for (std::uint32_t client = 0; client < 30; ++client) CHECK(trace->clients[client].client == client);
  const auto said = [](const chorus::format::Trace& run) {
    return std::count_if(run.events.begin(), run.events.end(),
                         [](const auto& event) { return event.kind == EventKind::ToServer; });
  };
  CHECK(said(*trace) == said(*of_one));
  const Finished compared = run_chorus({"diff", recording, folder / "3.trace"});
  INFO(compared.out << compared.err);
  if (three.at("verdict") == "VALID") {
    CHECK(compared.status == 0);
    CHECK(compared.out.rfind("SAME", 0) == 0);
  } else {
    CHECK(compared.err.find("INVALID") != std::string::npos);
  }
}

TEST_CASE("a client's planned time does not depend on how many processes share the crowd", "[loop]") {
  ScratchFolder folder;
  ChatServer server;
  std::vector<std::map<std::uint32_t, std::int64_t>> plans;
  for (const std::string processes : {"1", "3"}) {
    const std::string run = folder / (processes + ".trace");
    run_chorus(replay(sample("packet-chat.trace"), server,
                      {"--clients", "30", "--phase", "500ms", "--seed", "7", "--speed", "10", "--keep", "15",
                       "--no-trial", "--processes", processes, "-o", run}));
    plans.push_back(planned(run));
  }
  REQUIRE(plans[0].size() == 30);
  REQUIRE(plans[1].size() == 30);
  for (const auto& [client, time] : plans[0]) {
    INFO("client " << client);
    CHECK(plans[1].at(client) == time);
  }
}

TEST_CASE("a killed process is missed: the others complete, and the run proves nothing", "[loop]") {
  ChatServer server;
  Crowd crowd(server, {"--speed", "2"});
  const auto children = crowd.on_stage();
  REQUIRE(children.size() == 3);
  ::kill(children[1], SIGKILL);
  const Finished finished = crowd.end();
  INFO(finished.out << finished.err);
  CHECK(finished.status == 2);
  const auto document = document_of(finished);
  CHECK(document.at("verdict") == "INVALID");
  CHECK(finished.out.find("process 2 of 3 was ended by signal 9; what became of its clients 10 .. 19 is not "
                          "known") != std::string::npos);
  CHECK_FALSE(document.at("interrupted").as_bool());
  CHECK(count(document, "clients", "requested") == 30);
  CHECK(count(document, "clients", "completed") == 20);
  CHECK(count(document, "clients", "lost") == 10);
  for (const char* key : {"messages", "fanout", "lateness_us", "latency_us", "resources", "options"})
    CHECK(document.contains(key));
  CHECK(crowd.files() == std::vector<std::string>{"crowd.trace"});
  const auto trace = chorus::format::load(crowd.trace());
  REQUIRE(trace.has_value());
  std::map<std::uint32_t, int> events;  // of the killed one too: what it had written
  for (const auto& event : trace->events) ++events[event.connection];
  for (std::uint32_t client = 0; client < 30; ++client) CHECK(events[client] > 0);
}

TEST_CASE("Ctrl-C of a shared crowd gives one report, whoever of the processes hears it", "[loop]") {
  const bool whole_group = GENERATE(false, true);
  const int signal = GENERATE(SIGINT, SIGTERM);
  INFO((whole_group ? "the whole group" : "the parent") << " hears signal " << signal);
  ChatServer server;
  Crowd crowd(server);
  const auto children = crowd.on_stage();
  REQUIRE(children.size() == 3);
  REQUIRE(::kill(whole_group ? -crowd.process().pid() : crowd.process().pid(), signal) == 0);
  expect_interrupted(crowd, children);
}

TEST_CASE("when the first process is killed the others end by themselves", "[loop]") {
  ChatServer server;
  Crowd crowd(server);
  const auto children = crowd.on_stage();
  REQUIRE(children.size() == 3);
  crowd.process().signal(SIGKILL);
  CHECK(crowd.process().wait() == 128 + SIGKILL);
  wait_until([&] { return std::none_of(children.begin(), children.end(), runs); },
             [] { return "a shard went on without the run"; });
}

TEST_CASE("a trial login that fails leaves no process behind", "[loop]") {
  ChatServer server({"--reset-one-in", "1"});
  ScratchFolder folder;
  const Finished replayed =
      run_chorus(replay(sample("packet-chat.trace"), server,
                        {"--clients", "30", "--processes", "3", "-o", folder / "crowd.trace"}));
  INFO(replayed.out << replayed.err);
  CHECK(replayed.status != 0);
  CHECK(replayed.err.find("trial login") != std::string::npos);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    CHECK(entry.path().filename().string().find("shard") == std::string::npos);
  CHECK(children_of(::getpid()).size() == 1);  // the server
}

TEST_CASE("a crowd larger than the limit of open files is shared by itself", "[loop]") {
  ChatServer server;
  std::vector<std::string> arguments{"/bin/sh", "-c", "ulimit -n 300; exec \"$0\" \"$@\"", CHORUS_EXECUTABLE};
  for (auto& one : replay(sample("packet-chat.trace"), server,
                          {"--clients", "500", "--ramp", "4ms", "--speed", "2", "--workers", "2"}))
    arguments.push_back(one);
  Process process(arguments);
  Finished finished{process.wait(), process.out_rest(), process.err_rest()};
  INFO(finished.out.substr(0, 3000) << finished.err);
  CHECK(ended_with(finished, 0));
  CHECK(finished.err.find("open files in each of ") != std::string::npos);
  const auto document = document_of(finished);
  CHECK(count(document, "resources", "processes") >= 3);
  CHECK(count(document, "clients", "connected") == 500);
  CHECK(count(document, "clients", "completed") == 500);
  CHECK(count(document, "messages", "sent") == 3500);
}

TEST_CASE("more processes than copies are refused in one line", "[loop]") {
  const Finished refused = run_chorus({"replay", sample("packet-chat.trace"), "--target", "127.0.0.1:1",
                                       "--clients", "4", "--processes", "3"});
  CHECK(refused.status == 2);
  CHECK(refused.err.find("give fewer --processes") != std::string::npos);
  CHECK(refused.out.empty());
}
