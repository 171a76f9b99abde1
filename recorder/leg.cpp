#include "recorder/leg.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>

#ifdef __linux__
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#elif !defined(_WIN32)
#include <sys/socket.h>
#endif

namespace chorus::recorder {

namespace asio = boost::asio;
using format::Bytes;
using format::Nanos;

Nanos age_of_arrival(Nanos stamp, Nanos wall_now) noexcept {
  const Nanos age = wall_now - stamp;
  return age < Nanos{0} || age > std::chrono::seconds(1) ? Nanos{0} : age;
}

#ifdef __linux__

namespace {

constexpr std::size_t most_events = 256;  // of one look at the set
// Signals and timers may wait so long for their turn. It is also how long a wait for the next bytes lasts
// before it becomes Asio's.
constexpr std::chrono::milliseconds longest_turn{5};
constexpr std::chrono::milliseconds accepting{2};  // since a client came: others may be in the queue

Error last_error() {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return asio::error::would_block;
  return {errno, boost::system::system_category()};
}

Nanos nanos(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + Nanos(time.tv_nsec);
}

Nanos age_of(const msghdr& message) {
  const cmsghdr* note = CMSG_FIRSTHDR(&message);
  if (note == nullptr || note->cmsg_level != SOL_SOCKET || note->cmsg_type != SCM_TIMESTAMPNS)
    return Nanos{0};
  timespec stamp{}, wall{};
  std::memcpy(&stamp, CMSG_DATA(note), sizeof stamp);
  clock_gettime(CLOCK_REALTIME, &wall);
  return age_of_arrival(nanos(stamp), nanos(wall));
}

template <class Call>
ssize_t uninterrupted(Call call) {
  ssize_t result = -1;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

void ask_for_times(tcp::acceptor& acceptor) {
  const int on = 1;  // where it is refused, reads have no time of their own
  ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

LegSet::LegSet(asio::io_context& context) : bell_(context), doorbell_(::eventfd(0, EFD_CLOEXEC)) {}

LegSet::~LegSet() {
  disarm();
  if (doorbell_ >= 0) ::close(doorbell_);
}

Error LegSet::arm() {
  if (doorbell_ < 0) return asio::error::no_descriptors;
  set_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (set_ < 0) return last_error();
  if (const Error error = add(doorbell_, &doorbell_); error) return error;
  Error error;
  bell_.assign(set_, error);
  if (error) return error;
  wait();
  return {};
}

Error LegSet::watch(tcp::acceptor& acceptor) {
  return add(acceptor.native_handle(), this);
}

// As edges: clients that wait in the queue, and a count that nobody reads, must not keep the bell ringing.
Error LegSet::add(int file, void* what) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = what;
  return ::epoll_ctl(set_, EPOLL_CTL_ADD, file, &event) == 0 ? Error{} : last_error();
}

void LegSet::ring() noexcept {
  const std::uint64_t once = 1;
  // Fails only when it has been rung 2^64 - 2 times.
  if (doorbell_ >= 0 && ::write(doorbell_, &once, sizeof once) < 0) return;
}

void LegSet::disarm() {
  Error ignored;
  if (bell_.is_open())
    bell_.close(ignored);
  else if (set_ >= 0)
    ::close(set_);
  set_ = -1;
}

void LegSet::wait() {
  bell_.async_wait(decltype(bell_)::wait_read, [this](Error error) {
    if (error || set_ < 0) return;
    look();
    if (set_ >= 0) wait();
  });
}

void LegSet::on_accepted() {
  accepting_until_ = Clock::now() + accepting;
}

void LegSet::look() {
  std::array<epoll_event, most_events> events;
  const auto begin = Clock::now();
  for (auto now = begin; set_ >= 0 && now - begin < longest_turn; now = Clock::now()) {
    const bool wanted_elsewhere = errands_ > 0 || now < accepting_until_;
    const int count =
        ::epoll_wait(set_, events.data(), most_events, wanted_elsewhere ? 0 : longest_turn.count());
    if (count <= 0) return;  // nothing, or a signal
    bool posted = false;
    for (int each = 0; each < count; ++each) {
      const epoll_event& event = events[static_cast<std::size_t>(each)];
      if (event.data.ptr == this)
        on_accepted();
      else if (event.data.ptr == &doorbell_)
        posted = true;
      else
        static_cast<Leg*>(event.data.ptr)->ready(event.events);
    }
    if (posted) return;
  }
}

Error Leg::open(LegSet& set, User& user) {
  user_ = &user;
  set_ = &set;
  Error error;
  socket_.non_blocking(true, error);
  file_ = socket_.release(error);
  if (error) return error;
  const int on = 1;
  ::setsockopt(file_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // An urgent byte stays in its place in the stream; left outside, it would be lost here.
  ::setsockopt(file_, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);
  ::setsockopt(file_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  armed_ = EPOLLET;
  epoll_event event{};
  event.events = armed_;
  event.data.ptr = this;
  return ::epoll_ctl(set_->set_, EPOLL_CTL_ADD, file_, &event) == 0 ? Error{} : last_error();
}

// Errors and hang-ups are always reported: as edges while nobody reads, so that they cannot spin.
void Leg::sync() {
  if (inside_ || file_ < 0) return;
  std::uint32_t wanted = (waits_ ? EPOLLIN : 0u) | (rest_.empty() ? 0u : EPOLLOUT);
  if (wanted == 0) wanted = EPOLLET;
  if (wanted == armed_) return;
  armed_ = wanted;
  epoll_event event{};
  event.events = wanted;
  event.data.ptr = this;
  ::epoll_ctl(set_->set_, EPOLL_CTL_MOD, file_, &event);
}

void Leg::ready(std::uint32_t events) {
  if (file_ < 0) return;
  inside_ = true;
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && !rest_.empty()) {
    Error error;
    const std::size_t size = write(std::exchange(rest_, {}), error);
    if (error == asio::error::would_block) error.clear();
    user_->on_written(side_, error, size);
  }
  if (file_ >= 0 && (events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
    if (std::exchange(waits_, false))
      user_->on_readable(side_);
    else if ((events & (EPOLLERR | EPOLLHUP)) != 0)
      user_->on_alarm(side_);
  }
  inside_ = false;
  sync();
}

void Leg::wait() {
  waits_ = true;
  sync();
}

std::size_t Leg::read(std::span<char> into, Nanos& ago, Error& error) {
  error.clear();
  ago = Nanos{0};
  iovec buffer{into.data(), into.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control;
  msghdr message{};
  message.msg_iov = &buffer;
  message.msg_iovlen = 1;
  const ssize_t size = uninterrupted([&] {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    return ::recvmsg(file_, &message, 0);
  });
  if (size > 0) {
    ago = age_of(message);
    return static_cast<std::size_t>(size);
  }
  error = size == 0 ? Error(asio::error::eof) : last_error();
  return 0;
}

std::size_t Leg::write(Bytes bytes, Error& error) {
  error.clear();
  const ssize_t size =
      uninterrupted([&] { return ::send(file_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (size >= 0) return static_cast<std::size_t>(size);
  error = last_error();
  return 0;
}

void Leg::write_rest(Bytes bytes) {
  rest_ = bytes;
  sync();
}

Error Leg::trouble() {
  int code = 0;
  socklen_t length = sizeof code;
  if (::getsockopt(file_, SOL_SOCKET, SO_ERROR, &code, &length) != 0 || code == 0) return {};
  return {code, boost::system::system_category()};
}

void Leg::end() {
  ::shutdown(file_, SHUT_WR);  // one that has broken shows that to its own read
}

void Leg::reset() {
  const linger at_once{1, 0};
  ::setsockopt(file_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void Leg::close() noexcept {
  Error ignored;  // nothing can be done about a close that fails
  socket_.close(ignored);
  if (file_ >= 0) ::close(file_);
  file_ = -1;
  waits_ = false;
  rest_ = {};
}

#else

void ask_for_times(tcp::acceptor&) {}

LegSet::LegSet(asio::io_context&) {}
LegSet::~LegSet() = default;
Error LegSet::arm() {
  return {};
}
Error LegSet::watch(tcp::acceptor&) {
  return {};
}
void LegSet::ring() noexcept {}
void LegSet::disarm() {}
void LegSet::on_accepted() {}

Error Leg::open(LegSet&, User& user) {
  user_ = &user;
  Error error;
  socket_.set_option(tcp::no_delay(true), error);
  socket_.set_option(asio::socket_base::out_of_band_inline(true), error);
  socket_.non_blocking(true, error);
  watch();
  return error;
}

// A reset shows to a read, after the last bytes; a leg that nobody reads would hide it, so the system is
// asked for errors apart from reads. On Windows that wait costs a thread and a select(): there such a reset
// shows with the next write.
void Leg::watch() {
#ifndef _WIN32
  socket_.async_wait(tcp::socket::wait_error, [this, alive = user_->alive()](Error error) {
    if (!error && socket_.is_open()) user_->on_alarm(side_);
  });
#endif
}

void Leg::wait() {
  waits_ = true;
  socket_.async_wait(tcp::socket::wait_read, [this, alive = user_->alive()](Error error) {
    if (error == asio::error::operation_aborted || !socket_.is_open()) return;
    waits_ = false;
    user_->on_readable(side_);
  });
}

std::size_t Leg::read(std::span<char> into, Nanos& ago, Error& error) {
  ago = Nanos{0};
  return socket_.read_some(asio::buffer(into.data(), into.size()), error);
}

std::size_t Leg::write(Bytes bytes, Error& error) {
  return socket_.write_some(asio::buffer(bytes.data(), bytes.size()), error);
}

void Leg::write_rest(Bytes bytes) {
  socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()),
                           [this, alive = user_->alive()](Error error, std::size_t size) {
                             if (socket_.is_open()) user_->on_written(side_, error, size);
                           });
}

Error Leg::trouble() {
#ifndef _WIN32
  int code = 0;
  socklen_t length = sizeof code;
  if (::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_ERROR, &code, &length) == 0 && code != 0)
    return {code, boost::system::system_category()};
#endif
  return {};
}

void Leg::end() {
  Error ignored;  // one that has broken shows that to its own read
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
}

void Leg::reset() {
  Error ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
}

void Leg::close() noexcept {
  Error ignored;
  socket_.close(ignored);
}

#endif

}  // namespace chorus::recorder
