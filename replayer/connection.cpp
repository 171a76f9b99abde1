#include "replayer/connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#ifdef __linux__
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace chorus::replayer {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Nanos age_of_stamp(Nanos stamp, Nanos wall_now) noexcept {
  const Nanos age = wall_now - stamp;
  return age < Nanos{0} || age > std::chrono::seconds(1) ? Nanos{0} : age;
}

#ifdef __linux__

namespace {

// Edge-triggered: a message costs no second look at its socket. A read that does not fill the buffer has
// emptied the socket, but for an end of stream that came with it: EPOLLRDHUP tells of that (epoll(7),
// "Questions and answers", 9).
constexpr std::uint32_t arrivals = EPOLLIN | EPOLLRDHUP | EPOLLET;

error_code last_error() {
  return {errno, boost::system::system_category()};
}

}  // namespace

Port::Port(asio::io_context& context)
    : context_(context), set_(epoll_create1(EPOLL_CLOEXEC)), bell_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;  // no connection
  // Without a set or a bell nobody would ever wake up.
  if (epoll_ctl(set_, EPOLL_CTL_ADD, bell_, &event) != 0)
    throw boost::system::system_error(last_error(), "a worker's epoll set");
}

Port::~Port() {
  ::close(bell_);
  ::close(set_);
}

void Port::wake() noexcept {
  if (rung_.exchange(true, std::memory_order_acq_rel)) return;
  const std::uint64_t once = 1;
  [[maybe_unused]] const auto written = ::write(bell_, &once, sizeof once);  // it never is full
}

std::size_t Port::wait(std::chrono::steady_clock::time_point until) {
  using namespace std::chrono;
  const auto left = ceil<milliseconds>(until - steady_clock::now());
  epoll_event events[most];
  const int ready =
      epoll_wait(set_, events, most, static_cast<int>(std::clamp(left, 0ms, 1'000'000ms).count()));
  std::size_t connections = 0;
  bool rang = false;
  for (int i = 0; i < ready; ++i) {
    if (events[i].data.ptr == nullptr) {
      rang = true;
      continue;
    }
    ++connections;
    static_cast<Connection*>(events[i].data.ptr)->ready(events[i].events);
  }
  if (rang) {
    std::uint64_t times = 0;
    [[maybe_unused]] const auto read = ::read(bell_, &times, sizeof times);
    rung_.exchange(false, std::memory_order_acq_rel);  // whoever posts from here on rings again
    context_.poll();
  }
  return connections;
}

void Connection::connect(User& user, const tcp::endpoint& target, const asio::ip::address* source,
                         bool stamps) {
  user_ = &user;
  stamps_ = stamps;
  connecting_ = true;
  error_code error = begin_connecting(target, source);
  if (error == asio::error::in_progress)
    error = watch(EPOLL_CTL_ADD);
  else if (!error)
    return ready(EPOLLOUT);
  if (!error) return;
  connecting_ = false;
  user_->on_connected(error);
}

error_code Connection::begin_connecting(const tcp::endpoint& target, const asio::ip::address* source) {
  file_ = ::socket(target.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (file_ < 0) return last_error();
  const int on = 1;
  if (setsockopt(file_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return last_error();
  if (source != nullptr) {
    // Without it the system picks a port before it knows the destination, and runs out at 28,000 for all
    // sources.
    setsockopt(file_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    const tcp::endpoint from(*source, 0);
    if (::bind(file_, from.data(), static_cast<socklen_t>(from.size())) != 0) return last_error();
  }
  return ::connect(file_, target.data(), static_cast<socklen_t>(target.size())) == 0 ? error_code{}
                                                                                     : last_error();
}

// What came since it is connected is told again.
error_code Connection::listen() {
  const int on = 1;
  if (stamps_ && setsockopt(file_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) stamps_ = false;
  return watch(EPOLL_CTL_MOD);
}

void Connection::listen_again(bool more) {
  if (more) watch(EPOLL_CTL_MOD);
}

Handle Connection::handle() const noexcept {
  return file_;
}

void Connection::close() noexcept {
  ++life_;
  if (file_ >= 0) ::close(file_);
  file_ = -1;
  connecting_ = waits_for_room_ = false;
  rest_ = {};
}

void Connection::ready(std::uint32_t events) {
  if (file_ < 0) return;  // closed since
  if (connecting_) {
    connecting_ = false;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(file_, SOL_SOCKET, SO_ERROR, &error, &size);
    return user_->on_connected({error, boost::system::system_category()});
  }
  const std::uint32_t life = life_;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && waits_for_room_) write_rest();
  if (life != life_ || file_ < 0 || (events & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return;
  user_->on_readable((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
}

std::size_t Connection::read(std::string& into, Nanos& ago, error_code& error) {
  error.clear();
  ago = Nanos{0};
  ssize_t size = -1;
  if (!stamps_) {
    do {
      size = ::recv(file_, into.data(), into.size(), 0);
    } while (size < 0 && errno == EINTR);
  } else {
    iovec buffer{into.data(), into.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    do {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      size = ::recvmsg(file_, &message, 0);
    } while (size < 0 && errno == EINTR);
    const cmsghdr* note = size > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (note != nullptr && note->cmsg_level == SOL_SOCKET && note->cmsg_type == SCM_TIMESTAMPNS) {
      timespec stamp{}, wall{};
      std::memcpy(&stamp, CMSG_DATA(note), sizeof stamp);
      clock_gettime(CLOCK_REALTIME, &wall);
      const auto nanos = [](const timespec& time) {
        return std::chrono::seconds(time.tv_sec) + Nanos(time.tv_nsec);
      };
      ago = age_of_stamp(nanos(stamp), nanos(wall));
    }
  }
  if (size > 0) return static_cast<std::size_t>(size);
  error = size == 0                                 ? error_code(asio::error::eof)
          : errno == EAGAIN || errno == EWOULDBLOCK ? error_code(asio::error::would_block)
                                                    : last_error();
  return 0;
}

void Connection::write(std::string_view bytes) {
  rest_ = bytes;
  write_rest();
}

void Connection::write_rest() {
  error_code error;
  while (!rest_.empty() && !error) rest_.remove_prefix(direct_send(file_, rest_, error));
  const bool full = error == asio::error::would_block;
  if (full != waits_for_room_) {
    waits_for_room_ = full;
    watch(EPOLL_CTL_MOD);
  }
  if (full) return;
  rest_ = {};
  user_->on_written(error);
}

// Also tells again of what is there already.
error_code Connection::watch(int operation) noexcept {
  epoll_event event{};
  event.events = arrivals | (connecting_ || waits_for_room_ ? EPOLLOUT : 0u);
  event.data.ptr = this;
  return epoll_ctl(port_->set_, operation, file_, &event) == 0 ? error_code{} : last_error();
}

#else

Port::Port(asio::io_context& context) : context_(context) {}
Port::~Port() = default;
void Port::wake() noexcept {}  // what is posted wakes the context by itself

std::size_t Port::wait(std::chrono::steady_clock::time_point until) {
  if (context_.run_one_until(until) > 0) context_.poll();
  return 0;
}

void Connection::connect(User& user, const tcp::endpoint& target, const asio::ip::address* source,
                         bool stamps) {
  user_ = &user;
  stamps_ = stamps;
  error_code error;
  socket_ = std::make_unique<Socket>(port_->context());
  socket_->open(target.protocol(), error);
  if (!error) socket_->non_blocking(true, error);
  if (!error) socket_->set_option(tcp::no_delay(true), error);
  if (!error && source != nullptr) socket_->bind(tcp::endpoint(*source, 0), error);
  if (error) return user_->on_connected(error);
  socket_->async_connect(target, [this, life = life_](const error_code& result) {
    if (life == life_) user_->on_connected(result);
  });
}

error_code Connection::listen() {
  listen_again(true);
  return {};
}

void Connection::listen_again(bool) {
  socket_->async_wait(tcp::socket::wait_read, [this, life = life_](const error_code& error) {
    if (life == life_ && error != asio::error::operation_aborted) user_->on_readable(false);
  });
}

Handle Connection::handle() const noexcept {
  return socket_->native_handle();
}

void Connection::close() noexcept {
  ++life_;
  if (!socket_) return;
  error_code ignored;
  socket_->cancel(ignored);  // pending operations end with "aborted", not with an odd error
  socket_->close(ignored);
  socket_.reset();
}

std::size_t Connection::read(std::string& into, Nanos& ago, error_code& error) {
  ago = Nanos{0};
  return socket_->read_some(asio::buffer(into), error);
}

void Connection::write(std::string_view bytes) {
  asio::async_write(*socket_, asio::buffer(bytes),
                    [this, life = life_](const error_code& error, std::size_t) {
                      if (life == life_ && error != asio::error::operation_aborted) user_->on_written(error);
                    });
}

#endif

}  // namespace chorus::replayer
