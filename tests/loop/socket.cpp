#include "tests/loop/socket.h"

#include "tests/loop/process.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chorus::test {

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

Socket fresh() {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.file() < 0) fail("socket");
  return socket;
}

void make_patient(const Socket& socket) {
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  const int on = 1;
  ::setsockopt(socket.file(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.file(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ::setsockopt(socket.file(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

Socket Socket::connect(std::uint16_t port) {
  Socket socket = fresh();
  make_patient(socket);
  const sockaddr_in address = loopback(port);
  if (::connect(socket.file(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("connect");
  return socket;
}

void Socket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0) fail("send");
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
}

std::string Socket::receive(std::size_t most) {
  std::string bytes(most, '\0');
  const ssize_t size = ::recv(file_, bytes.data(), bytes.size(), 0);
  if (size < 0) fail("recv");
  bytes.resize(static_cast<std::size_t>(size));
  return bytes;
}

std::string Socket::receive_exactly(std::size_t size) {
  std::string bytes;
  while (bytes.size() < size) {
    const std::string more = receive(size - bytes.size());
    if (more.empty()) throw std::runtime_error("the stream ended after: " + bytes.substr(0, 200));
    bytes += more;
  }
  return bytes;
}

std::string Socket::receive_rest() {
  std::string bytes;
  while (true) {
    const std::string more = receive();
    if (more.empty()) return bytes;
    bytes += more;
  }
}

bool Socket::is_reset() {
  char byte = 0;
  const ssize_t size = ::recv(file_, &byte, 1, 0);
  if (size < 0 && errno != ECONNRESET) fail("recv");
  return size < 0;
}

void Socket::end() {
  ::shutdown(file_, SHUT_WR);
}

void Socket::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(file_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Socket::close() {
  if (file_ >= 0) ::close(std::exchange(file_, -1));
}

Listener::Listener(std::uint16_t port) : socket_(fresh()) {
  const int on = 1;
  ::setsockopt(socket_.file(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  make_patient(socket_);
  sockaddr_in address = loopback(port);
  socklen_t length = sizeof address;
  if (::bind(socket_.file(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(socket_.file(), 1024) != 0) fail("listen");
  if (::getsockname(socket_.file(), reinterpret_cast<sockaddr*>(&address), &length) != 0) fail("getsockname");
  port_ = ntohs(address.sin_port);
}

Socket Listener::accept() {
  Socket socket(::accept4(socket_.file(), nullptr, nullptr, SOCK_CLOEXEC));
  if (socket.file() < 0) fail("accept");
  make_patient(socket);
  return socket;
}

}  // namespace chorus::test
