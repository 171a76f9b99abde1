// What a proxy adds to a round trip, and what it takes: `chorus record`, recording, against HAProxy in TCP
// mode as it is after installation. Messages of 100 bytes go through it to a server that sends them back: of
// one client that sends the next when the last has come back, and of a thousand that send at their times,
// 10,000 a second together. Both proxies have the same client and server, in turns; a round trip counts from
// the send. What the same round trip takes without a proxy is said beside the table.
#include "tests/bench/benchmark.h"
#include "tests/bench/processes.h"
#include "tests/bench/table.h"
#include "tests/loop/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <thread>

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chorus::bench {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t message_size = 100;
constexpr unsigned crowd_size = 1000;
constexpr unsigned crowd_rate = 10'000;  // messages/s
constexpr auto warm_up = 300ms;
constexpr auto patience = 10s;
constexpr const char* haproxy_path = "/usr/sbin/haproxy";  // where its package puts it; not in every PATH

void watch(int queue, int file, std::uint32_t number) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = number;
  if (epoll_ctl(queue, EPOLL_CTL_ADD, file, &event) != 0) throw std::runtime_error("epoll_ctl failed");
}

void be_quick(int file) {
  const int on = 1;
  setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Sends back whatever comes, until it is killed.
void echo(const Listener& listener) {
  const int queue = epoll_create1(0);
  watch(queue, listener.file(), static_cast<std::uint32_t>(listener.file()));
  std::array<epoll_event, 256> events{};
  std::array<char, 16 * 1024> buffer;
  for (;;) {
    const int ready = epoll_wait(queue, events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int file = static_cast<int>(events[static_cast<std::size_t>(i)].data.u32);
      if (file == listener.file()) {
        const int client = accept4(file, nullptr, nullptr, SOCK_NONBLOCK);
        if (client < 0) continue;
        be_quick(client);
        watch(queue, client, static_cast<std::uint32_t>(client));
        continue;
      }
      const ssize_t got = recv(file, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0 || send(file, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got)
        close(file);
    }
  }
}

class Clients {
 public:
  Clients(std::uint16_t port, unsigned count) : queue_(epoll_create1(0)), clients_(count) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    for (unsigned i = 0; i < count; ++i) {
      clients_[i].file = socket(AF_INET, SOCK_STREAM, 0);
      if (connect(clients_[i].file, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error("a client cannot connect to a proxy");
      be_quick(clients_[i].file);
      watch(queue_, clients_[i].file, i);
    }
    for (unsigned i = 0; i < count; ++i) {  // all the way to the server, so that nobody connects later
      send_one(i);
      receive_until([&] { return open_ == 0; });
    }
    trips_.clear();
  }
  ~Clients() {
    for (const Client& client : clients_) close(client.file);
    close(queue_);
  }
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  void ping_pong(Clock::duration time) {
    trips_.clear();
    for (const auto end = Clock::now() + time; Clock::now() < end;) {
      send_one(0);
      receive_until([&] { return open_ == 0; });
    }
  }
  void paced(Clock::duration time) {
    trips_.clear();
    const auto apart = std::chrono::nanoseconds(1s) / crowd_rate;
    const auto end = Clock::now() + time;
    unsigned next = 0;
    for (auto due = Clock::now(); due < end; due += apart) {
      receive_until([] { return false; }, due);
      Client& client = clients_[next];
      if (client.got == message_size) send_one(next);  // else it is 100 ms late: it shows in its round trip
      next = (next + 1) % clients_.size();
    }
    receive_until([&] { return open_ == 0; });
  }
  std::vector<double>& trips() { return trips_; }  // us

 private:
  struct Client {
    int file = -1;
    std::size_t got = message_size;
    Clock::time_point sent{};
  };

  void send_one(unsigned number) {
    static constexpr std::array<char, message_size> text{'a', ' ', 'w', 'o', 'r', 'd'};
    Client& client = clients_[number];
    client.got = 0;
    client.sent = Clock::now();
    if (send(client.file, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
      throw std::runtime_error("a proxy does not take a message");
    ++open_;
  }
  // Until then or until it is done, asleep while nothing comes.
  template <class Done>
  void receive_until(Done done, Clock::time_point until = Clock::time_point::max()) {
    const auto deadline = Clock::now() + patience;
    for (auto now = Clock::now(); !done() && now < until; now = Clock::now()) {
      if (now > deadline) throw std::runtime_error("a round trip through a proxy did not end");
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(std::min(until, deadline) - now);
      const timespec timeout{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      std::array<epoll_event, 256> events{};
      const int ready = epoll_pwait2(queue_, events.data(), events.size(), &timeout, nullptr);
      for (int i = 0; i < ready; ++i) receive(clients_[events[static_cast<std::size_t>(i)].data.u32]);
    }
  }
  void receive(Client& client) {
    std::array<char, 4 * message_size> buffer;
    const ssize_t got = recv(client.file, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) throw std::runtime_error("a proxy has closed a connection");
    client.got += static_cast<std::size_t>(got);
    if (client.got < message_size) return;
    trips_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - client.sent).count());
    --open_;
  }

  int queue_;
  std::vector<Client> clients_;
  unsigned open_ = 0;
  std::vector<double> trips_;
};

std::uint16_t free_port() {
  return ntohs(Listener().address().sin_port);
}

double cpu_us(pid_t process) {
  clockid_t clock{};
  timespec spent{};
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &spent) != 0)
    throw std::runtime_error("a proxy has no clock of its processor time");
  return static_cast<double>(spent.tv_sec) * 1e6 + static_cast<double>(spent.tv_nsec) / 1e3;
}

struct Proxy {
  test::ScratchFolder folder;
  std::optional<test::Process> process;
  std::uint16_t port = 0;
};

void start_recorder(Proxy& proxy, std::uint16_t upstream) {
  proxy.process.emplace(std::vector<std::string>{CHORUS_EXECUTABLE, "record", "--listen", "127.0.0.1:0",
                                                 "--upstream", "127.0.0.1:" + std::to_string(upstream), "-o",
                                                 (proxy.folder / "one.trace").string()});
  const std::string line = proxy.process->err_line_with("recording 127.0.0.1:");
  proxy.port = static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1)));
}

void start_haproxy(Proxy& proxy, std::uint16_t upstream) {
  proxy.port = free_port();
  const auto file = proxy.folder / "haproxy.cfg";
  std::ofstream(file)
      << "global\n  maxconn 5000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n"
         "  timeout server 1h\nlisten echo\n  bind 127.0.0.1:"
      << proxy.port << "\n  server one 127.0.0.1:" << upstream << "\n";
  proxy.process.emplace(std::vector<std::string>{haproxy_path, "-db", "-f", file.string()});
  for (const auto deadline = Clock::now() + patience;; std::this_thread::sleep_for(10ms)) {
    const int file_of = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(proxy.port);
    const bool there = connect(file_of, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(file_of);
    if (there) return;
    if (Clock::now() > deadline)
      throw std::runtime_error("haproxy does not start: " + proxy.process->err_rest());
  }
}

struct Figures {
  double p50 = 0, p99 = 0, cpu = 0;
};

enum class Way { ours, haproxy, direct };

Figures measure(Way way, unsigned count, double seconds) {
  const Listener listener;
  const Forked server([&] { echo(listener); });
  const std::uint16_t upstream = ntohs(listener.address().sin_port);
  Proxy proxy;
  if (way == Way::ours) start_recorder(proxy, upstream);
  if (way == Way::haproxy) start_haproxy(proxy, upstream);
  Clients clients(way == Way::direct ? upstream : proxy.port, count);
  const auto talk = [&](Clock::duration time) { count == 1 ? clients.ping_pong(time) : clients.paced(time); };
  talk(warm_up);
  const auto spent_by_proxy = [&] { return proxy.process ? cpu_us(proxy.process->pid()) : 0; };
  const double before = spent_by_proxy();
  talk(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
  const double spent = spent_by_proxy() - before;
  std::vector<double>& trips = clients.trips();
  if (trips.size() < 200) throw std::runtime_error("too few round trips for a p99");
  std::sort(trips.begin(), trips.end());
  const double messages = 2 * static_cast<double>(trips.size());  // one way each
  return {trips[trips.size() / 2], trips[trips.size() * 99 / 100], spent / messages};
}

}  // namespace

std::vector<Row> record_round_trip(const Settings& settings) {
  if (access(haproxy_path, X_OK) != 0) {
    std::cerr << "bench: record-round-trip is skipped: its baseline " << haproxy_path
              << " is not installed\n";
    return {};
  }
  allow_files(4 * crowd_size);
  prctl(PR_SET_TIMERSLACK, 1);  // of the client's sleep between two messages
  std::vector<Row> rows{{"record-round-trip", "us p50", 1},
                        {"record-round-trip/p99", "us", 1},
                        {"record-round-trip/cpu", "us cpu/msg"},
                        {"record-round-trip/1000-clients-p50", "us", 1},
                        {"record-round-trip/1000-clients-p99", "us", 1},
                        {"record-round-trip/1000-clients-cpu", "us cpu/msg"}};
  std::array<std::vector<double>, 6> direct;
  for (unsigned run = 0; run < settings.runs; ++run) {
    for (const std::size_t first : {0, 3}) {
      for (unsigned turn = 0; turn < 3; ++turn) {
        const Way way{static_cast<int>((run + turn) % 3)};
        const Figures figures = measure(way, first == 0 ? 1 : crowd_size, settings.seconds);
        const auto list = [&](std::size_t row) -> std::vector<double>& {
          return way == Way::direct ? direct[row] : way == Way::ours ? rows[row].ours : rows[row].baseline;
        };
        list(first).push_back(figures.p50);
        list(first + 1).push_back(figures.p99);
        list(first + 2).push_back(figures.cpu);
      }
    }
  }
  std::cerr << "bench: without a proxy: 1 client p50 " << number(median(direct[0])) << " us, p99 "
            << number(median(direct[1])) << " us; " << crowd_size << " clients p50 "
            << number(median(direct[3])) << " us, p99 " << number(median(direct[4])) << " us\n";
  return rows;
}

}  // namespace chorus::bench
