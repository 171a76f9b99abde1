// Plain blocking TCP sockets on loopback for tests, without Asio: what the programs under test do with theirs
// must not be judged by the same code. POSIX only. Everything throws after `patience`, and when the other
// side is gone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace chorus::test {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int file) : file_(file) {}
  Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~Socket() { close(); }

  static Socket connect(std::uint16_t port);  // to 127.0.0.1

  int file() const { return file_; }
  void send(std::string_view bytes);  // all of them
  std::string receive(
      std::size_t most = 65536);  // what is there, at least a byte; "" at the end of the stream
  std::string receive_exactly(std::size_t size);
  std::string receive_rest();  // until the end of the stream
  bool is_reset();             // waits: true when a reset comes, false when bytes or an end come
  void end();                  // half-close: nothing more will be sent
  void reset();                // closes with a reset instead of an end
  void close();

 private:
  int file_ = -1;
};

class Listener {
 public:
  explicit Listener(std::uint16_t port = 0);  // 0: a free port
  std::uint16_t port() const { return port_; }
  int file() const { return socket_.file(); }
  Socket accept();
  void close() { socket_.close(); }  // from now on connections are refused

 private:
  Socket socket_;
  std::uint16_t port_ = 0;
};

}  // namespace chorus::test
