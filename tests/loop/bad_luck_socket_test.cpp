// Replays against servers that a test plays itself: one that says nothing, one that never accepts, one that
// hangs up at once, and one that floods.
#include "tests/chat_server/packets.h"
#include "tests/loop/bad_luck.h"
#include "tests/loop/socket.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

using namespace chorus::test;
using namespace std::chrono_literals;
namespace chat = chorus::chat;

namespace {

using Words = std::vector<std::string>;

constexpr int crowd = 20;
const Words usual{"--clients",  "20",        "--ramp", "1ms",     "--speed", "4",
                  "--no-trial", "--timeout", "1s",     "--drain", "1s"};

// Accepts until it is closed, and does `reception` to each connection.
class Doorman {
 public:
  explicit Doorman(std::function<void(Socket)> reception)
      : reception_(std::move(reception)), thread_([this] { serve(); }) {}
  ~Doorman() {
    closing_ = true;
    Socket::connect(listener_.port());
    thread_.join();
  }
  std::uint16_t port() const { return listener_.port(); }

 private:
  void serve() {
    for (;;) {
      Socket client = listener_.accept();
      if (closing_) return;
      reception_(std::move(client));
    }
  }

  Listener listener_;
  std::function<void(Socket)> reception_;
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

// A server that lets everybody in, echoes what they say, and pours chat over the first `victims` of them from
// their first word to their last, as fast as they take it. One thread.
class Flood {
 public:
  explicit Flood(std::size_t victims) : victims_(victims), thread_([this] { serve(); }) {}
  ~Flood() {
    closing_ = true;
    Socket::connect(listener_.port());
    thread_.join();
  }
  std::uint16_t port() const { return listener_.port(); }
  std::uint64_t poured() const { return poured_; }

 private:
  struct Guest {
    Socket socket;
    std::string in, out;
    std::size_t written = 0;
    bool flooded = false, open = true;
  };

  void serve() {
    ::fcntl(listener_.file(), F_SETFL, O_NONBLOCK);
    while (!closing_) {
      std::vector<pollfd> files{{listener_.file(), POLLIN, 0}};
      for (const Guest& guest : guests_) {
        const bool writes = guest.written < guest.out.size() || guest.flooded;
        files.push_back({guest.socket.file(), static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0});
      }
      ::poll(files.data(), files.size(), -1);
      for (std::size_t i = 1; i < files.size(); ++i) {
        if (files[i].revents & (POLLIN | POLLHUP | POLLERR)) read(guests_[i - 1]);
        if (guests_[i - 1].open && files[i].revents & POLLOUT) write(guests_[i - 1]);
      }
      std::erase_if(guests_, [](const Guest& guest) { return !guest.open; });
      if (files[0].revents != 0) accept();
    }
  }
  void accept() {
    const int file = ::accept4(listener_.file(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (file < 0) return;
    guests_.push_back({Socket(file), {}, {}, 0, false, true});
    guests_.back().flooded = accepted_++ < victims_;
  }
  void read(Guest& guest) {
    std::string bytes(4096, '\0');
    const ssize_t size = ::recv(guest.socket.file(), bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      guest.open = false;
      return;
    }
    guest.in.append(bytes, 0, static_cast<std::size_t>(size));
    std::string_view rest = guest.in;
    while (const auto packet = chat::take_packet(rest)) {
      const bool enters = packet->type == static_cast<std::uint32_t>(chat::Type::server_enter);
      guest.out += enters ? chat::server_message(chat::Code::created) : std::string(packet->whole);
    }
    guest.in = rest;
  }
  void write(Guest& guest) {
    if (guest.written == guest.out.size()) {
      guest.out.clear();
      guest.written = 0;
      while (guest.flooded && guest.out.size() < 256 * 1024)
        guest.out +=
            chat::chat_packet(chat::Type::multicast, "flood", "drop " + std::to_string(++drops_) + drop_);
    }
    const ssize_t size = ::send(guest.socket.file(), guest.out.data() + guest.written,
                                guest.out.size() - guest.written, MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN) guest.open = false;
    if (size <= 0) return;
    guest.written += static_cast<std::size_t>(size);
    if (guest.flooded) poured_ += static_cast<std::uint64_t>(size);
  }

  Listener listener_;
  std::size_t victims_;
  std::size_t accepted_ = 0;
  std::vector<Guest> guests_;
  std::uint64_t drops_ = 0;  // no two texts are the same: nothing may be kept of each
  const std::string drop_ = std::string(800, '~');
  std::atomic<std::uint64_t> poured_{0};
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("a client that is never answered fails at its timeout", "[loop][bad-luck]") {
  Listener silent;  // its backlog accepts, nobody answers
  const Finished replayed = Replay(silent.port(), usual).finish();
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, crowd, 1s + 1s + 8s);
  CHECK(ended_with(replayed, 1));
  CHECK(account.count("connected") == crowd);
  CHECK(account.outcome("no SERVER_MESSAGE within 1s") == crowd);
  CHECK(account.message("unanswered") == crowd);
}

TEST_CASE("a server that never accepts is given up at the timeout, not once for each client",
          "[loop][bad-luck]") {
  Listener deaf;
  REQUIRE(::listen(deaf.file(), 1) == 0);  // now two connections fit
  constexpr int many = 1000;
  const Finished replayed = Replay(deaf.port(), {"--clients", "1000", "--ramp", "0ms", "--speed", "4",
                                                 "--no-trial", "--timeout", "1s", "--drain", "1s"})
                                .finish();
  const Account account(replayed);
  INFO(account.brief() << replayed.err);
  check_account(account, many, 1s + 1s + 8s);
  CHECK(ended_with(replayed, 1));
  CHECK(account.outcome("the connection was not accepted in time") == account.count("refused"));
  CHECK(account.count("refused") >= many - 3);
}

TEST_CASE("a server that hangs up at once is told apart from one that answers", "[loop][bad-luck]") {
  for (const bool by_reset : {false, true}) {
    Doorman doorman([&](Socket client) {
      if (by_reset) client.reset();
    });
    const Finished replayed = Replay(doorman.port(), usual).finish();
    const Account account(replayed);
    INFO((by_reset ? "reset\n" : "closed\n") << account.brief() << replayed.err);
    check_account(account, crowd, 10s);
    if (by_reset) {  // which may come so soon that the connection never was
      CHECK((replayed.status == 1 || replayed.status == 2));
      CHECK(account.count("refused") + account.count("failed") + account.count("disconnected") == crowd);
    } else {
      CHECK(ended_with(replayed, 1));
      CHECK(account.outcome("the server is full") == crowd);
    }
  }
}

TEST_CASE("a server that floods costs no memory, and the run ends in time", "[loop][bad-luck]") {
  for (const std::size_t victims : {1, crowd}) {
    Flood flood(victims);
    const Finished replayed = Replay(flood.port(), usual).finish();
    const Account account(replayed);
    INFO(victims << " flooded with " << flood.poured() << " bytes\n" << account.brief() << replayed.err);
    check_account(account, crowd, 20s);
    CHECK(flood.poured() > 256'000'000);
    CHECK((ended_with(replayed, 0) || ended_with(replayed, 1)));  // who is told so much may miss an answer
    if (victims == 1) CHECK(account.count("completed") >= crowd - 1);
  }
}
