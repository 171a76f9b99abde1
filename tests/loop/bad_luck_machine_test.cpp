// Replays on a machine that runs short: of open files and of ports, before a run and in the middle of it; and
// on one whose wall clock is set back. Linux only, and what needs root or a library is left out with a
// warning where it is missing.
#include "tests/loop/bad_luck.h"
#include "tests/loop/socket.h"
#include "traces/format/reader.h"

#include <csignal>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

#ifdef __linux__
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace chorus::test;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

constexpr int first_port = 40000, last_port = 40099;

// This thread, and what it starts, in a network of its own: loopback alone, and a hundred ports to connect
// from.
bool enter_small_network() {
  if (::unshare(CLONE_NEWNET) != 0) return false;
  const Socket any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq loopback{};
  loopback.ifr_name[0] = 'l';
  loopback.ifr_name[1] = 'o';
  loopback.ifr_flags = IFF_UP | IFF_RUNNING;
  if (::ioctl(any.file(), SIOCSIFFLAGS, &loopback) != 0) return false;
  std::ofstream range("/proc/sys/net/ipv4/ip_local_port_range");
  range << first_port << " " << last_port << std::endl;
  return range.good();
}

// A socket that another program might have there: nobody connects from its port.
std::optional<Socket> hold_port(int port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(socket.file(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return std::nullopt;
  return socket;
}

// Runs `scene` in a small network; false where this user may not make one.
template <class Scene>
bool in_small_network(Scene scene) {
  bool entered = false;
  std::thread([&] {
    entered = enter_small_network();
    if (entered) scene();
  }).join();
  if (!entered) WARN("no network of its own for this user: not tried");
  return entered;
}

std::uint64_t open_files(pid_t process) {
  const auto folder = std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd");
  return static_cast<std::uint64_t>(std::distance(begin(folder), end(folder)));
}

}  // namespace

TEST_CASE("a hard limit of 256 open files is said beforehand, or does not matter", "[loop][bad-luck]") {
  ChatServer server;
  const Finished replayed = Replay({"sh", "-c", "ulimit -n 256; exec \"$0\" \"$@\""}, server.port(),
                                   {"--clients", "1000", "--ramp", "1ms", "--speed", "2"})
                                .finish();
  INFO(replayed.err);
  if (replayed.out.empty()) {  // refused: what is needed, what is granted, what to do
    CHECK(replayed.status == 2);
    CHECK(replayed.err.find("1000 clients need") != std::string::npos);
    CHECK(replayed.err.find("open files and this process may have 256") != std::string::npos);
    CHECK(replayed.err.find("ulimit -Hn") != std::string::npos);
  } else {  // shared by several processes
    const Account account(replayed);
    check_account(account, 1000, 60s, 256 * 1024 * 1024);
    CHECK(ended_with(replayed, 0));
    CHECK(account.count("completed") == 1000);
  }
}

TEST_CASE("open files that run out in the middle of a run are our own failure", "[loop][bad-luck]") {
  ChatServer server({"--count-from", "accepted=10", "--freeze-at", "10m", "--freeze-for", "1s"});
  Replay replay(server.port(), {"--clients", "40", "--ramp", "40ms", "--no-trial"});
  server.process().out_line_with("accepted=10 reached");
  const rlimit none_left{open_files(replay.process().pid()) + 4, 1024};
  REQUIRE(::prlimit(replay.process().pid(), RLIMIT_NOFILE, &none_left, nullptr) == 0);
  const Finished replayed = replay.finish();
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, 40, 30s);
  CHECK(replayed.status == 2);
  CHECK(account.document.at("verdict") == "INVALID");
  const auto failed = account.outcome("cannot connect: Too many open files");
  CHECK(failed > 0);
  CHECK(failed == account.count("failed"));
  CHECK(account.count("connected") == 40 - failed);
  CHECK(account.count("completed") == 40 - failed);
}

TEST_CASE("more clients than one address has ports come from several, and are refused where those were named",
          "[loop][bad-luck]") {
  std::optional<Finished> completed, replayed;
  if (!in_small_network([&] {
        ChatServer server;
        completed = Replay(server.port(), {"--clients", "200", "--speed", "4", "--ramp", "1ms"}).finish();
        replayed = Replay(server.port(), {"--clients", "200", "--source", "127.0.0.2"}).finish();
      }))
    return;
  const Account account(*completed);
  INFO(account.brief() << completed->err);
  CHECK(account.count("completed") == 200);
  INFO(replayed->out << replayed->err);
  CHECK(replayed->status == 2);
  CHECK(replayed->out.empty());
  CHECK(replayed->err.find("200 clients need as many local ports and there are 100") != std::string::npos);
  CHECK(replayed->err.find("--source") != std::string::npos);
}

TEST_CASE("ports that others hold are our own failure", "[loop][bad-luck]") {
  std::optional<Finished> replayed;
  if (!in_small_network([&] {
        ChatServer server;
        std::vector<Socket> others;
        for (int port = first_port; port <= last_port && others.size() < 60; ++port) {
          if (auto held = hold_port(port)) others.push_back(std::move(*held));
        }
        replayed = Replay(server.port(), {"--clients", "60", "--ramp", "1ms", "--speed", "4", "--no-trial"})
                       .finish();
      }))
    return;
  const Account account(*replayed);
  INFO(account.brief() << replayed->err);
  check_account(account, 60, 30s);
  CHECK(replayed->status == 2);
  CHECK(account.document.at("verdict") == "INVALID");
  const auto failed = account.outcome("cannot connect: Cannot assign requested address");
  CHECK(failed > 0);
  CHECK(failed == account.count("failed"));
  CHECK(account.count("connected") == 60 - failed);
  CHECK(account.count("completed") == 60 - failed);
}

namespace {

const std::string two_days_ago = "-172800", an_hour_earlier = "-176400";  // seconds, against the true time

bool began_two_days_ago(const chorus::format::Trace& trace) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto age = now - std::chrono::nanoseconds(trace.start.wall_ns);
  return age > 47h && age < 49h;
}

// libfaketime shifts this process's wall clock by what a file says, and leaves the others alone.
class WallClock {
 public:
  WallClock() { set(two_days_ago); }
  void set(const std::string& shift) {
    const std::string next = folder_ / "next";
    std::ofstream(next) << shift << "\n";
    std::filesystem::rename(next, file());
  }
  Words words() const {
    return {"env",
            "LD_PRELOAD=" + library(),
            "FAKETIME_TIMESTAMP_FILE=" + file(),
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_RESET=1"};
  }
  // It is there, and does what it should with this C library.
  bool works() {
    if (!std::filesystem::exists(library())) return false;
    const auto year = [&] {
      Words date = words();
      date.insert(date.end(), {"date", "+%Y"});
      Process process(date);
      return process.wait() == 0 ? std::stoi(process.out_rest()) : 0;
    };
    const int now = year();
    set("-3700d");
    const int then = year();
    set(two_days_ago);
    return now > 2000 && now - then >= 10;
  }

 private:
  static std::string library() {
    for (const char* place :
         {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/lib64"}) {
      const std::string name = std::string(place) + "/faketime/libfaketimeMT.so.1";
      if (std::filesystem::exists(name)) return name;
    }
    return {};
  }
  std::string file() const { return folder_ / "shift"; }

  ScratchFolder folder_;
};

}  // namespace

TEST_CASE("a wall clock that is set back an hour changes nothing in a recording", "[loop][bad-luck]") {
  WallClock clock;
  if (!clock.works()) {
    WARN("no libfaketime that works here: not tried");
    return;
  }
  ScratchFolder folder;
  const std::string recording = folder / "one.trace";
  Listener upstream;
  Words words = clock.words();
  words.insert(words.end(), {CHORUS_EXECUTABLE, "record", "--listen", "127.0.0.1:0", "--upstream",
                             "127.0.0.1:" + std::to_string(upstream.port()), "-o", recording});
  Process recorder(words);
  const std::string line = recorder.err_line_with("recording 127.0.0.1:");
  Socket client = Socket::connect(static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1))));
  Socket server = upstream.accept();
  const auto say = [&](const std::string& text) {
    client.send(text);
    CHECK(server.receive_exactly(text.size()) == text);
  };
  const auto began = std::chrono::steady_clock::now();
  say("before");
  clock.set(an_hour_earlier);
  std::this_thread::sleep_for(700ms);  // a block of the trace ends by its age meanwhile
  say("after");
  const auto took = std::chrono::steady_clock::now() - began;
  recorder.signal(SIGTERM);
  CHECK(recorder.wait() == 0);

  const auto trace = chorus::format::load(recording);
  REQUIRE(trace.has_value());
  CHECK_FALSE(trace->damage.any());
  CHECK(began_two_days_ago(*trace));
  std::vector<chorus::format::Nanos> times;
  chorus::format::Nanos last{0};
  for (const auto& event : trace->events) {
    CHECK(event.time >= last);
    last = event.time;
    if (event.kind == chorus::format::EventKind::ToServer) times.push_back(event.time);
  }
  REQUIRE(times.size() == 2);
  CHECK(times[1] - times[0] >= 700ms);
  CHECK(times[1] - times[0] <= took);
}

TEST_CASE("a wall clock that is set back an hour changes nothing in a replay", "[loop][bad-luck]") {
  WallClock clock;
  if (!clock.works()) {
    WARN("no libfaketime that works here: not tried");
    return;
  }
  ChatServer server({"--count-from", "said=10"});
  ScratchFolder folder;
  const std::string trace = folder / "crowd.trace";
  Replay replay(clock.words(), server.port(),
                {"--clients", "20", "--ramp", "1ms", "--no-trial", "-o", trace});
  server.process().out_line_with("said=10 reached");
  clock.set(an_hour_earlier);
  const Finished replayed = replay.finish();
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, 20, 30s);
  CHECK(ended_with(replayed, 0));
  CHECK(account.count("completed") == 20);
  CHECK(account.message("late_dropped") == 0);
  CHECK(account.seconds() > 3);
  CHECK(account.micros("lateness_us", "max") < 3e6);
  const auto run = chorus::format::load(trace);
  REQUIRE(run.has_value());
  CHECK_FALSE(run->damage.any());
  CHECK(began_two_days_ago(*run));
  for (const auto& event : run->events) CHECK((event.time >= 0ns && event.time < 30s));
}

#endif
