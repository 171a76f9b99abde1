// One thread, a heap of intended times, an absolute sleep (the last of it awake, or up to a tick, where that
// is asked for), a direct send.
#include "tests/bench/bare.h"

#include <algorithm>
#include <ctime>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

namespace chorus::bench {
namespace {

std::int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

void sleep_until(std::int64_t ns) {
  const timespec time{ns / 1'000'000'000, ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

std::vector<int> connect_all(const sockaddr_in& server, unsigned clients) {
  std::vector<int> sockets(clients);
  for (int& file : sockets) {
    const int on = 1;
    file = socket(AF_INET, SOCK_STREAM, 0);
    if (file < 0 || connect(file, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      throw std::runtime_error("the bare sender cannot connect");
    }
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return sockets;
}

struct Entry {
  std::int64_t time;
  unsigned client, left;
  bool operator>(const Entry& other) const { return time > other.time; }
};

}  // namespace

void bare_send(const sockaddr_in& server, const SendPlan& plan, const Waiting& waiting, Board& board) {
  const std::vector<int> sockets = connect_all(server, plan.clients);
  const std::string message = std::string(message_size - 1, 'x') + '\n';
  std::vector<std::int64_t> late;
  late.reserve(std::size_t{plan.clients} * plan.each);
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap;
  const std::int64_t start = now_ns() + plan.lead.count(), apart = plan.apart.count();
  for (unsigned client = 0; client < plan.clients; ++client) {
    heap.push({start + client * apart, client, plan.each});
  }
  const std::int64_t grid = waiting.grid.count();
  const auto sleep_end = [&](std::int64_t time) {
    if (grid > 0) return start + (time - start + grid - 1) / grid * grid;
    return time - waiting.awake.count();
  };
  std::uint64_t calls = 0;
  prctl(PR_SET_TIMERSLACK, 1UL);
  while (!heap.empty()) {
    const Entry entry = heap.top();
    heap.pop();
    std::int64_t now = now_ns();
    if (const std::int64_t end = sleep_end(entry.time); now < end) {
      sleep_until(end);
      now = now_ns();
      ++calls;
    }
    while (now < entry.time) now = now_ns();
    late.push_back(now - entry.time);
    if (send(sockets[entry.client], message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) !=
        message_size) {
      throw std::runtime_error("the bare sender could not send");
    }
    ++calls;
    if (entry.left > 1) heap.push({entry.time + plan.clients * apart, entry.client, entry.left - 1});
  }
  std::sort(late.begin(), late.end());
  board.late_p50_ns = late[late.size() / 2];
  board.late_p99_ns = late[late.size() * 99 / 100];
  board.own_messages = late.size();
  board.own_calls = calls;
}

}  // namespace chorus::bench
