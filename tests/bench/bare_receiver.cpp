// One thread, one epoll, recv, and a count for each client.
#include "tests/bench/bare.h"

#include <array>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace chorus::bench {

void bare_receive(const sockaddr_in& server, unsigned clients, std::chrono::nanoseconds rest, Board& board) {
  struct Client {
    int file = -1;
    std::uint64_t bytes = 0;
  };
  std::vector<Client> crowd(clients);
  const int queue = epoll_create1(0);
  for (Client& client : crowd) {
    client.file = socket(AF_INET, SOCK_STREAM, 0);
    if (client.file < 0 ||
        connect(client.file, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) {
      throw std::runtime_error("the bare receiver cannot connect");
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &client;
    epoll_ctl(queue, EPOLL_CTL_ADD, client.file, &event);
  }
  std::array<epoll_event, 256> events{};
  std::vector<char> buffer(64 * 1024);
  std::uint64_t bytes = 0, calls = 0;
  for (;;) {
    const int ready = epoll_wait(queue, events.data(), events.size(), -1);
    ++calls;
    for (int i = 0; i < ready; ++i) {
      Client& client = *static_cast<Client*>(events[i].data.ptr);
      const ssize_t size = recv(client.file, buffer.data(), buffer.size(), MSG_DONTWAIT);
      ++calls;
      if (size == 0) throw std::runtime_error("the broadcaster hung up on the bare receiver");
      if (size < 0) continue;
      bytes += static_cast<std::uint64_t>(size);
      client.bytes += static_cast<std::uint64_t>(size);
    }
    board.own_messages.store(bytes / message_size, std::memory_order_relaxed);
    board.own_calls.store(calls, std::memory_order_relaxed);
    if (rest.count() > 0 && ready < static_cast<int>(events.size())) {
      std::this_thread::sleep_for(rest);
      ++calls;
    }
  }
}

}  // namespace chorus::bench
