#include "tests/chat_server/server.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <utility>

#include <boost/asio/post.hpp>

namespace chorus::chat {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t read_size = 64 * 1024;  // bytes of one read; a client with more waits for its next turn
constexpr std::size_t most_gathered = 64;     // packets in one write
constexpr std::size_t kept_queue_places =
    16;  // of an empty queue, so that a burst does not cost memory for ever
constexpr auto pause_without_files = 100ms;  // an accept that failed at once would only fail at once again

}  // namespace

struct Server::Connection {
  Connection(tcp::socket s, Client c) : socket(std::move(s)), client(c) {}

  // The packets that come next, as one write.
  std::size_t gather(std::array<asio::const_buffer, most_gathered>& buffers) const {
    std::size_t count = 0;
    for (; count < most_gathered && first + count < queue.size(); ++count) {
      buffers[count] = asio::buffer(*queue[first + count]);
    }
    buffers[0] += written_of_first;
    return count;
  }

  void written(std::size_t bytes) {
    queued_bytes -= bytes;
    bytes += written_of_first;
    while (first < queue.size() && bytes >= queue[first]->size()) bytes -= queue[first++]->size();
    written_of_first = bytes;
    if (first == queue.size()) {
      queue.clear();
      if (queue.capacity() > kept_queue_places) queue.shrink_to_fit();
      first = 0;
    } else if (first >= 4 * most_gathered && first > queue.size() / 2) {
      queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(first));
      first = 0;
    }
  }

  tcp::socket socket;
  Client client;
  bool closing = false;    // closed as soon as the queue is empty
  bool scheduled = false;  // is in to_write_
  bool writing = false;    // an asynchronous write is under way
  std::uint32_t written_of_first = 0;
  std::size_t first = 0;  // of the queue, not yet written
  std::size_t queued_bytes = 0;
  std::vector<Bytes> queue;
};

Server::Server(tcp::acceptor acceptor, const ServerOptions& options)
    : acceptor_(std::move(acceptor)),
      options_(options),
      hall_(options.rules),
      read_buffer_(read_size, '\0'),
      accept_again_(acceptor_.get_executor()),
      next_delayed_(acceptor_.get_executor()),
      freeze_timer_(acceptor_.get_executor()),
      kill_timer_(acceptor_.get_executor()) {}

Server::~Server() = default;

void Server::start() {
  accept();
  if (!options_.moment) set_timers();
}

void Server::look_for_the_moment() {
  if (moment_passed_ || !options_.moment) return;
  if (hall_.counts().*options_.moment->count < options_.moment->reaches) return;
  moment_passed_ = true;
  std::cout << options_.moment->name << " reached" << std::endl;
  set_timers();
}

void Server::set_timers() {
  if (options_.freeze && options_.freeze->at == 0ns) {
    freeze();
  } else if (options_.freeze) {
    freeze_timer_.expires_after(options_.freeze->at);
    freeze_timer_.async_wait([this](const error_code& error) {
      if (!error) freeze();
    });
  }
  if (!options_.kill_at) return;
  if (options_.kill_at == 0ns) std::_Exit(1);
  kill_timer_.expires_after(*options_.kill_at);
  kill_timer_.async_wait([](const error_code& error) {
    if (!error) std::_Exit(1);
  });
}

// --- coming and going --------------------------------------------------------------------------------------

void Server::accept() {
  acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (error) return accept_failed(error);
    accepted(std::move(socket));
    if (frozen_) {
      accept_when_thawed_ = true;
    } else {
      accept();
    }
  });
}

void Server::accepted(tcp::socket socket) {
  const auto client = hall_.open();
  look_for_the_moment();
  if (!client) return;  // full: the socket closes without a word
  error_code error;
  socket.non_blocking(true, error);
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (error) return hall_.gone(*client);  // the peer has gone already
  if (connections_.size() <= *client) connections_.resize(*client + 1);
  const Held connection = std::make_shared<Connection>(std::move(socket), *client);
  connections_[*client] = connection;
  wait_readable(connection);
}

void Server::accept_failed(const error_code& error) {
  if (error == asio::error::connection_aborted) return accept();  // gone before it was accepted
  if (!out_of_files_said_) {
    out_of_files_said_ = true;
    const auto open =
        std::count_if(connections_.begin(), connections_.end(), [](const Held& c) { return !!c; });
    std::cerr
        << "chat-server: cannot accept more connections (" << error.message() << ") with " << open
        << " open; those that come now wait until others leave: raise the hard limit (ulimit -Hn) or use "
           "--processes"
        << std::endl;
  }
  accept_again_.expires_after(pause_without_files);
  accept_again_.async_wait([this](const error_code& stopped) {
    if (!stopped) accept();
  });
}

void Server::end(const Held& connection) {
  if (!connection->socket.is_open()) return;
  error_code ignored;  // the connection is over whatever these say
  connection->socket.cancel(ignored);
  connection->socket.close(ignored);
  if (!connection->writing) connection->queue = {};  // else the kernel may still read from it (Windows)
  connections_[connection->client].reset();
  hall_.gone(connection->client);
}

// --- reading -----------------------------------------------------------------------------------------------

void Server::wait_readable(const Held& connection) {
  connection->socket.async_wait(tcp::socket::wait_read, [this, connection](const error_code& error) {
    if (!connection->socket.is_open()) return;
    if (error) return end(connection);
    if (frozen_) {
      readable_when_thawed_.push_back(connection);
    } else {
      read(connection);
    }
  });
}

void Server::read(const Held& connection) {
  if (!connection->socket.is_open()) return;
  error_code error;
  const std::size_t size = connection->socket.read_some(asio::buffer(read_buffer_), error);
  if (error == asio::error::would_block || error == asio::error::interrupted)
    return wait_readable(connection);
  if (error == asio::error::eof) {
    hall_.ended(connection->client, actions_);
    return obey();
  }
  if (error) return end(connection);
  hall_.receive(connection->client, std::string_view(read_buffer_.data(), size), actions_);
  look_for_the_moment();
  obey();
  if (connection->socket.is_open()) wait_readable(connection);
}

// --- carrying out what the hall decided --------------------------------------------------------------------

void Server::obey() {
  const auto due = options_.latency > 0ns ? Clock::now() + options_.latency : Clock::time_point{};
  const bool timer_runs = !delayed_.empty();
  for (Action& action : actions_) {
    const Held connection = connections_[action.client];
    if (!connection) continue;  // ended while this very list was carried out
    if (options_.latency > 0ns) {
      delayed_.push_back({due, connection, std::move(action)});
    } else {
      perform(connection, action);
    }
  }
  actions_.clear();
  if (!timer_runs && !delayed_.empty()) wait_for_delayed();
}

void Server::perform(const Held& connection, Action& action) {
  if (!connection->socket.is_open()) return;
  if (action.kind == Action::Kind::reset) {
    error_code ignored;  // without the option it is an ordinary close
    connection->socket.set_option(tcp::socket::linger(true, 0), ignored);
    return end(connection);
  }
  if (action.kind == Action::Kind::close) {
    connection->closing = true;
  } else {
    connection->queued_bytes += action.packet->size();
    connection->queue.push_back(std::move(action.packet));
    if (connection->queued_bytes > queue_limit) {
      ++hall_.counts().slow_closed;
      return end(connection);
    }
  }
  schedule_write(connection);
}

void Server::wait_for_delayed() {
  next_delayed_.expires_at(delayed_.front().due);
  next_delayed_.async_wait([this](const error_code& stopped) {
    if (stopped) return;
    const auto now = Clock::now();
    while (!delayed_.empty() && delayed_.front().due <= now) {
      perform(delayed_.front().to, delayed_.front().action);
      delayed_.pop_front();
    }
    if (!delayed_.empty()) wait_for_delayed();
  });
}

// Written behind the events that are ready now, so that what they have for one client goes out together.
void Server::schedule_write(const Held& connection) {
  if (connection->scheduled) return;
  connection->scheduled = true;
  to_write_.push_back(connection);
  if (write_posted_) return;
  write_posted_ = true;
  asio::post(acceptor_.get_executor(), [this] { write_scheduled(); });
}

void Server::write_scheduled() {
  write_posted_ = false;
  if (frozen_) return;
  for (const Held& connection : std::exchange(to_write_, {})) {
    connection->scheduled = false;
    write(connection);
  }
}

// Directly for as long as the socket takes it; only then a write that waits.
void Server::write(const Held& connection) {
  if (!connection->socket.is_open() || connection->writing) return;
  std::array<asio::const_buffer, most_gathered> buffers;
  while (connection->first < connection->queue.size()) {
    const std::span gathered(buffers.data(), connection->gather(buffers));
    error_code error;
    const std::size_t size = connection->socket.write_some(gathered, error);
    if (error == asio::error::would_block) return write_when_possible(connection, gathered);
    if (error) return end(connection);
    connection->written(size);
  }
  if (connection->closing) end(connection);
}

void Server::write_when_possible(const Held& connection, std::span<const asio::const_buffer> buffers) {
  connection->writing = true;
  connection->socket.async_write_some(std::vector(buffers.begin(), buffers.end()),
                                      [this, connection](const error_code& error, std::size_t size) {
                                        connection->writing = false;
                                        if (!connection->socket.is_open()) return;
                                        if (error) return end(connection);
                                        connection->written(size);
                                        schedule_write(connection);
                                      });
}

// --- the freeze --------------------------------------------------------------------------------------------

void Server::freeze() {
  frozen_ = true;
  freeze_timer_.expires_after(options_.freeze->length);
  freeze_timer_.async_wait([this](const error_code& stopped) {
    if (!stopped) thaw();
  });
}

void Server::thaw() {
  frozen_ = false;
  if (std::exchange(accept_when_thawed_, false)) accept();
  for (const Held& connection : std::exchange(readable_when_thawed_, {})) read(connection);
  if (!to_write_.empty()) write_scheduled();
}

}  // namespace chorus::chat
