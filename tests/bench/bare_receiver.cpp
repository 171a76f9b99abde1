// One thread, one epoll, recv.
#include "tests/bench/bare.h"

#include <array>
#include <stdexcept>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace chorus::bench {

void bare_receive(const sockaddr_in& server, unsigned clients, Board& board) {
  const int queue = epoll_create1(0);
  for (unsigned client = 0; client < clients; ++client) {
    const int file = socket(AF_INET, SOCK_STREAM, 0);
    if (file < 0 || connect(file, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      throw std::runtime_error("the bare receiver cannot connect");
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = file;
    epoll_ctl(queue, EPOLL_CTL_ADD, file, &event);
  }
  std::array<epoll_event, 256> events{};
  std::vector<char> buffer(64 * 1024);
  std::uint64_t bytes = 0, calls = 0;
  for (;;) {
    const int ready = epoll_wait(queue, events.data(), events.size(), -1);
    ++calls;
    for (int i = 0; i < ready; ++i) {
      const ssize_t size = recv(events[i].data.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      ++calls;
      if (size == 0) throw std::runtime_error("the broadcaster hung up on the bare receiver");
      if (size > 0) bytes += static_cast<std::uint64_t>(size);
    }
    board.own_messages.store(bytes / message_size, std::memory_order_relaxed);
    board.own_calls.store(calls, std::memory_order_relaxed);
  }
}

}  // namespace chorus::bench
