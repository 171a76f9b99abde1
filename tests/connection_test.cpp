// One client's connection over loopback, in one thread: the other side is a plain blocking socket, and every
// wait is the port's own.
#include "replayer/connection.h"

#ifdef __linux__
#include <sys/socket.h>
#endif

#include <optional>
#include <thread>

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using boost::system::error_code;
using chorus::replayer::Connection;
using chorus::replayer::Nanos;
using chorus::replayer::Port;

namespace {

constexpr auto patience = 60s;  // only a hang reaches it

class Client final : public Connection::User {
 public:
  Client()
      : port_(context_),
        connection_(port_),
        acceptor_(elsewhere_, {boost::asio::ip::address_v4::loopback(), 0}) {}
  ~Client() {
    connection_.close();
    peer.reset();  // before the context that it belongs to
  }

  void on_connected(const error_code& error) override { connected = error; }
  void on_readable(bool ends) override {
    ++readable;
    while (reads) {
      std::string buffer(65536, '\0');
      error_code error;
      const std::size_t size = connection_.read(buffer, ago, error);
      heard.append(buffer, 0, size);
      if (error && error != boost::asio::error::would_block) {
        ended = error;
        connection_.close();
        return;
      }
      if (!ends || error) break;
    }
    connection_.listen_again(!reads);
  }
  void on_written(const error_code& error) override { written.push_back(error); }

  void open(bool stamps = true) {
    connection_.connect(*this, acceptor_.local_endpoint(), nullptr, stamps);
    peer.emplace(acceptor_.accept());
    until([&] { return connected.has_value(); });
    REQUIRE_FALSE(*connected);
    REQUIRE_FALSE(connection_.listen());
  }
  template <class Condition>
  void until(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("nothing more happened");
      port_.wait(std::chrono::steady_clock::now() + 1s);
    }
  }
  // All that is ready now.
  void settle() { port_.wait({}); }
  // Fills the socket: nothing more is taken until the peer reads.
  std::string fill() {
    static const std::string much(64 << 20, 'm');
    connection_.write(much);
    return much;
  }

  Connection& connection() { return connection_; }
  tcp::endpoint target() const { return acceptor_.local_endpoint(); }
  void stop_listening() { acceptor_.close(); }

  std::optional<error_code> connected{}, ended{};
  std::vector<error_code> written;
  std::string heard;
  Nanos ago{};
  int readable = 0;
  bool reads = true;
  std::optional<tcp::socket> peer;

 private:
  boost::asio::io_context elsewhere_;  // the peer's: only ever used for blocking calls
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{context_.get_executor()};
  Port port_;
  Connection connection_;
  tcp::acceptor acceptor_;
};

#ifdef __linux__
// Whether bytes over loopback get a stamp here, found with bare sockets; some sandboxes have none.
bool kernel_stamps() {
  boost::asio::io_context context;
  tcp::acceptor acceptor(context, {boost::asio::ip::address_v4::loopback(), 0});
  tcp::socket from(context);
  from.connect(acceptor.local_endpoint());
  tcp::socket to = acceptor.accept();
  const int on = 1;
  if (setsockopt(to.native_handle(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) return false;
  const auto deadline = std::chrono::steady_clock::now() + 3s;
  while (std::chrono::steady_clock::now() < deadline) {
    boost::asio::write(from, boost::asio::buffer("?", 1));
    char byte = 0;
    iovec buffer{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(timespec))];
    msghdr message{};
    message.msg_iov = &buffer;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(to.native_handle(), &message, 0) == 1 && CMSG_FIRSTHDR(&message) != nullptr) return true;
  }
  return false;
}
#endif

}  // namespace

TEST_CASE("a stamp's age is what the clock says, unless somebody set that clock", "[connection]") {
  using chorus::replayer::age_of_stamp;
  const Nanos now = 1'700'000'000s;
  CHECK(age_of_stamp(now, now) == 0ns);
  CHECK(age_of_stamp(now - 1ns, now) == 1ns);
  CHECK(age_of_stamp(now - 5ms, now) == 5ms);
  CHECK(age_of_stamp(now - 1s, now) == 1s);
  CHECK(age_of_stamp(now - 1s - 1ns, now) == 0ns);  // set forward
  CHECK(age_of_stamp(now - 24h, now) == 0ns);
  CHECK(age_of_stamp(now + 1ns, now) == 0ns);  // set back
  CHECK(age_of_stamp(now + 24h, now) == 0ns);
  CHECK(age_of_stamp(0ns, now) == 0ns);
}

TEST_CASE("a connection hears what the other side says, and how long ago", "[connection]") {
  const bool stamps = GENERATE(true, false);
  Client client;
  client.open(stamps);
  boost::asio::write(*client.peer, boost::asio::buffer("hello", 5));
  client.until([&] { return client.heard.size() == 5; });
  CHECK(client.heard == "hello");
  CHECK(client.ago >= 0ns);
  CHECK(client.ago <= 1s);
#ifdef __linux__
  if (!stamps) {
    CHECK(client.ago == 0ns);
  } else if (kernel_stamps()) {
    // The kernel begins to stamp some time after the first socket on the machine asked: not every byte has
    // one.
    for (std::size_t heard = 6; client.ago == 0ns; ++heard) {
      boost::asio::write(*client.peer, boost::asio::buffer("!", 1));
      client.until([&] { return client.heard.size() == heard; });
    }
  }
#endif

  std::string buffer(16, '\0');
  Nanos ago = 5s;
  error_code error;
  CHECK(client.connection().read(buffer, ago, error) == 0);
  CHECK(error == boost::asio::error::would_block);
  CHECK(ago == 0ns);
}

TEST_CASE("what is not read is said to be there again", "[connection]") {
  Client client;
  client.open();
  client.reads = false;
  boost::asio::write(*client.peer, boost::asio::buffer("hello", 5));
  client.until([&] { return client.readable >= 2; });
  client.reads = true;
  client.until([&] { return client.heard == "hello"; });
}

TEST_CASE("a buffer smaller than what came gets the rest with the next read", "[connection]") {
  Client client;
  client.open();
  client.reads = false;
  boost::asio::write(*client.peer, boost::asio::buffer("hello", 5));
  client.until([&] { return client.readable > 0; });
  std::string buffer(3, '\0');
  Nanos ago{};
  error_code error;
  CHECK(client.connection().read(buffer, ago, error) == 3);
  CHECK(buffer == "hel");
  CHECK(client.connection().read(buffer, ago, error) == 2);
  CHECK(buffer.substr(0, 2) == "lo");
}

TEST_CASE("a write that fills the socket goes on when there is room, and is told once", "[connection]") {
  Client client;
  client.open();
  const std::string much = client.fill();
  client.settle();
  CHECK(client.written.empty());

  std::string got, piece(1 << 20, '\0');
  while (got.size() < much.size()) {
    const std::size_t want = std::min(piece.size(), much.size() - got.size());
    client.peer->non_blocking(true);
    error_code error;
    const std::size_t size = client.peer->read_some(boost::asio::buffer(piece.data(), want), error);
    if (error == boost::asio::error::would_block) {
      client.settle();
      continue;
    }
    REQUIRE_FALSE(error);
    got.append(piece, 0, size);
  }
  CHECK(got == much);
  client.until([&] { return !client.written.empty(); });
  client.settle();
  REQUIRE(client.written.size() == 1);
  CHECK_FALSE(client.written[0]);

  client.connection().write("and more");  // it listens as before
  client.until([&] { return client.written.size() == 2; });
  client.peer->non_blocking(false);
  std::string more(8, '\0');
  boost::asio::read(*client.peer, boost::asio::buffer(more));
  CHECK(more == "and more");
  boost::asio::write(*client.peer, boost::asio::buffer("yes", 3));
  client.until([&] { return client.heard == "yes"; });
}

TEST_CASE("who hears while its socket is full hears at once", "[connection]") {
  Client client;
  client.open();
  client.fill();
  boost::asio::write(*client.peer, boost::asio::buffer("stop", 4));
  client.until([&] { return client.heard == "stop"; });
  CHECK(client.written.empty());
}

TEST_CASE("who closes while it writes hears no more, and nothing more is sent", "[connection]") {
  Client client;
  client.open();
  client.fill();
  boost::asio::write(*client.peer, boost::asio::buffer("late", 4));
  client.connection().close();
  client.settle();
  CHECK(client.readable == 0);
  CHECK(client.written.empty());
  std::string piece(1 << 20, '\0');
  std::size_t got = 0;
  error_code error;
  while (!error) got += client.peer->read_some(boost::asio::buffer(piece), error);
  CHECK(got < (64u << 20));
  CHECK(client.written.empty());
  client.connection().close();  // again is nothing
}

TEST_CASE("an end and a reset of the other side are told apart", "[connection]") {
  const bool reset = GENERATE(true, false);
  Client client;
  client.open();
  if (reset) client.peer->set_option(boost::asio::socket_base::linger(true, 0));
  client.peer->close();
  client.until([&] { return client.ended.has_value(); });
  if (reset) {
    CHECK(*client.ended == boost::asio::error::connection_reset);
  } else {
    CHECK(*client.ended == boost::asio::error::eof);
  }
}

TEST_CASE("a reset while the socket is full ends the write with what the reset was", "[connection]") {
  Client client;
  client.open();
  client.reads = false;
  client.fill();
  client.peer->set_option(boost::asio::socket_base::linger(true, 0));
  client.peer->close();
  client.until([&] { return !client.written.empty(); });
  CHECK(client.written.size() == 1);
  CHECK(client.written[0]);
}

TEST_CASE("nobody listens, or the source is not ours: the connect says so", "[connection]") {
  Client client;
  const tcp::endpoint target = client.target();
  client.stop_listening();
  client.connection().connect(client, target, nullptr, true);
  client.until([&] { return client.connected.has_value(); });
  CHECK(*client.connected == boost::asio::error::connection_refused);
  client.connection().close();

  client.connected.reset();
  const auto foreign = boost::asio::ip::make_address("192.0.2.1");  // for documentation (RFC 5737)
  client.connection().connect(client, target, &foreign, true);
  client.until([&] { return client.connected.has_value(); });
  CHECK(*client.connected);
}

TEST_CASE("a client that closes while it connects hears nothing of it", "[connection]") {
  Client client;
  client.connection().connect(client, client.target(), nullptr, true);
  client.connection().close();
  client.settle();
  CHECK_FALSE(client.connected);
  client.open();  // and may come again
  CHECK(client.connected == error_code{});
}

TEST_CASE("what another thread posts ends a port's wait, however often it rings", "[connection][threads]") {
  boost::asio::io_context context{1};
  const auto busy = boost::asio::make_work_guard(context);
  Port port(context);
  constexpr int posts = 10'000;
  int ran = 0;
  std::thread other([&] {
    for (int i = 0; i < posts; ++i) {
      boost::asio::post(context, [&] { ++ran; });
      port.wake();
    }
  });
  const auto deadline = std::chrono::steady_clock::now() + patience;
  // A wait that missed its bell would last until the deadline.
  while (ran < posts && std::chrono::steady_clock::now() < deadline) port.wait(deadline);
  other.join();
  CHECK(ran == posts);
}

TEST_CASE("a port's wait ends at its time when nothing happens", "[connection]") {
  boost::asio::io_context context{1};
  const auto busy = boost::asio::make_work_guard(context);
  Port port(context);
  const auto until = std::chrono::steady_clock::now() + 2ms;
  CHECK(port.wait(until) == 0);
  CHECK(std::chrono::steady_clock::now() >= until);
}
