#include "tests/bench/peers.h"

#include "tests/bench/bare.h"
#include "tests/bench/crowd.h"

#include <array>
#include <cerrno>
#include <stdexcept>
#include <thread>
#include <vector>

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chorus::bench {
namespace {

void watch(int queue, int file) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = file;
  epoll_ctl(queue, EPOLL_CTL_ADD, file, &event);
}

// Places in order of arrival, reordered so that one of each block comes in turn.
std::vector<int> in_turns(const std::vector<int>& files, unsigned blocks) {
  std::vector<int> turns;
  const std::size_t block = (files.size() + blocks - 1) / blocks;
  for (std::size_t place = 0; place < block; ++place) {
    for (std::size_t at = place; at < files.size(); at += block) turns.push_back(files[at]);
  }
  return turns;
}

}  // namespace

void sink(const Listener& listener, Board& board) {
  const int queue = epoll_create1(0);
  watch(queue, listener.file());
  std::array<epoll_event, 256> events{};
  std::vector<char> buffer(64 * 1024);
  std::uint64_t bytes = 0;
  for (;;) {
    const int ready = epoll_wait(queue, events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int file = events[i].data.fd;
      if (file == listener.file()) {
        watch(queue, accept4(file, nullptr, nullptr, SOCK_NONBLOCK));
        continue;
      }
      const ssize_t size = recv(file, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size > 0) {
        bytes += static_cast<std::uint64_t>(size);
      } else if (size == 0 || errno != EAGAIN) {
        close(file);
      }
    }
    board.messages.store(bytes / message_size, std::memory_order_relaxed);
  }
}

void broadcast(const Listener& listener, unsigned clients, unsigned rate, unsigned blocks, Board& board) {
  const int on = 1;
  std::vector<int> files;
  while (files.size() < clients) {
    files.push_back(accept4(listener.file(), nullptr, nullptr, SOCK_NONBLOCK));
    if (files.back() < 0) throw std::runtime_error("the broadcaster cannot accept");
    setsockopt(files.back(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  files = in_turns(files, blocks);
  const std::string line = crowd_line("u0000000");
  const auto every = std::chrono::nanoseconds(1'000'000'000LL * clients / rate);
  auto next = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  for (;; next += every) {
    std::this_thread::sleep_until(next);
    std::uint64_t delivered = 0;
    for (const int file : files) {
      delivered += send(file, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL) == message_size;
    }
    board.messages.fetch_add(delivered, std::memory_order_relaxed);
  }
}

}  // namespace chorus::bench
