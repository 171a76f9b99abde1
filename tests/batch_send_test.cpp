#ifndef _WIN32
#include "replayer/batch_send.h"

#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chorus::replayer {
namespace {

using Through = BatchSend::Through;

class Pair {
 public:
  Pair() { REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) == 0); }
  ~Pair() {
    close(ends_[0]);
    hang_up();
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  int near() const { return ends_[0]; }
  void hang_up() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  // Everything that has come so far.
  std::string heard() {
    std::string all;
    std::array<char, 65536> buffer{};
    for (;;) {
      const ssize_t size = recv(ends_[1], buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(size));
    }
  }
  // Writes until the kernel takes no more; how much it took.
  std::size_t fill() {
    const std::string much(65536, 'f');
    std::size_t taken = 0;
    for (;;) {
      const ssize_t size = ::send(ends_[0], much.data(), much.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (size <= 0) return taken;
      taken += static_cast<std::size_t>(size);
    }
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

// Every test runs through io_uring and through direct sends: the results must be the same.
void in_both_ways(const std::function<void(BatchSend&)>& test) {
  BatchSend direct(8, Through::direct_sends);
  CHECK_FALSE(direct.uses_io_uring());
  test(direct);
  BatchSend batch(8);
  if (!batch.uses_io_uring()) {
    WARN("io_uring is refused here: only direct sends were tested");
    return;
  }
  test(batch);
  CHECK(batch.uses_io_uring());
}

TEST_CASE("a batch reaches every socket, more than one system call takes, too", "[batch]") {
  in_both_ways([](BatchSend& batch) {
    std::vector<Pair> pairs(21);
    std::vector<std::string> messages;
    std::vector<Sending> sendings;
    for (std::size_t i = 0; i < pairs.size(); ++i) messages.push_back("message " + std::to_string(i));
    for (std::size_t i = 0; i < pairs.size(); ++i) sendings.push_back({pairs[i].near(), messages[i]});
    batch.send(sendings);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      CHECK(sendings[i].taken == messages[i].size());
      CHECK_FALSE(sendings[i].error);
      CHECK(pairs[i].heard() == messages[i]);
    }
  });
}

TEST_CASE("batch after batch, a socket hears its messages in order", "[batch]") {
  in_both_ways([](BatchSend& batch) {
    std::vector<Pair> pairs(5);
    std::vector<std::string> expected(pairs.size());
    for (int round = 0; round < 200; ++round) {
      const std::string message = std::to_string(round) + "\n";
      std::vector<Sending> sendings;
      for (std::size_t i = 0; i < pairs.size(); ++i) {
        sendings.push_back(
            {pairs[i].near(), message, 77, boost::asio::error::would_block});  // of the last time
        expected[i] += message;
      }
      batch.send(sendings);
      for (const Sending& sending : sendings) {
        REQUIRE(sending.taken == message.size());
        REQUIRE_FALSE(sending.error);
      }
    }
    for (std::size_t i = 0; i < pairs.size(); ++i) CHECK(pairs[i].heard() == expected[i]);
  });
}

TEST_CASE("a full socket would block, and its neighbours are sent all the same", "[batch]") {
  in_both_ways([](BatchSend& batch) {
    Pair before, full, after;
    const std::size_t filled = full.fill();
    REQUIRE(filled > 0);
    std::array<Sending, 3> sendings{Sending{before.near(), "one"}, Sending{full.near(), "two"},
                                    Sending{after.near(), "three"}};
    batch.send(sendings);
    CHECK(sendings[0].taken == 3);
    CHECK(sendings[1].taken == 0);
    CHECK(sendings[1].error == boost::asio::error::would_block);
    CHECK(sendings[2].taken == 5);
    CHECK(before.heard() == "one");
    CHECK(full.heard().size() == filled);
    CHECK(after.heard() == "three");
    batch.send({&sendings[1], 1});
    CHECK(sendings[1].taken == 3);
    CHECK_FALSE(sendings[1].error);
    CHECK(full.heard() == "two");
  });
}

TEST_CASE("what the kernel takes of a message that is too large comes first, and only that", "[batch]") {
  in_both_ways([](BatchSend& batch) {
    Pair pair, other;
    std::string large(8 * 1024 * 1024, '\0');  // bytes; more than a socket's buffer
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>('a' + i % 23);
    std::array<Sending, 2> sendings{Sending{pair.near(), large}, Sending{other.near(), "two"}};
    batch.send(sendings);
    CHECK(sendings[0].taken > 0);
    CHECK(sendings[0].taken < large.size());
    CHECK_FALSE(sendings[0].error);
    CHECK(pair.heard() == large.substr(0, sendings[0].taken));
    CHECK(other.heard() == "two");
  });
}

TEST_CASE("a peer that hung up is an error of its own message, and no signal", "[batch]") {
  in_both_ways([](BatchSend& batch) {
    Pair gone, there;
    gone.hang_up();
    std::array<Sending, 2> sendings{Sending{gone.near(), "one"}, Sending{there.near(), "two"}};
    batch.send(sendings);
    CHECK(sendings[0].taken == 0);
    CHECK(sendings[0].error == boost::system::error_code(EPIPE, boost::system::system_category()));
    CHECK(sendings[1].taken == 3);
    CHECK(there.heard() == "two");
  });
}

TEST_CASE("a socket that is no socket is an error of its own message", "[batch]") {
  in_both_ways([](BatchSend& batch) {
    Pair there;
    std::array<Sending, 2> sendings{Sending{-1, "one"}, Sending{there.near(), "two"}};
    batch.send(sendings);
    CHECK(sendings[0].error == boost::system::error_code(EBADF, boost::system::system_category()));
    CHECK(sendings[1].taken == 3);
  });
}

TEST_CASE("a single message has the same results", "[batch]") {
  in_both_ways([](BatchSend& batch) {
    Pair there, full, gone;
    full.fill();
    gone.hang_up();
    Sending sending{there.near(), "one"};
    batch.send({&sending, 1});
    CHECK(sending.taken == 3);
    CHECK(there.heard() == "one");
    sending.socket = full.near();
    batch.send({&sending, 1});
    CHECK(sending.taken == 0);
    CHECK(sending.error == boost::asio::error::would_block);
    sending.socket = gone.near();
    batch.send({&sending, 1});
    CHECK(sending.error == boost::system::error_code(EPIPE, boost::system::system_category()));
  });
}

TEST_CASE("an empty batch is nothing to do", "[batch]") {
  in_both_ways([](BatchSend& batch) { batch.send({}); });
}

}  // namespace
}  // namespace chorus::replayer
#endif
