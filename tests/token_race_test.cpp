// The sender writes on sockets that workers close. Here the worst moment is forced thousands of times: the
// sender holds the token asleep while the worker closes. The same file compiled with CHORUS_IGNORE_THE_TOKEN
// is the proof that this test can fail (token-race-unprotected in CMakeLists.txt must fail).
#include "replayer/handoff.h"
#include "replayer/token.h"

#include <condition_variable>
#include <mutex>
#include <queue>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

using chorus::replayer::Handoff;
using chorus::replayer::Token;

namespace {

// Stands for a socket: closing it while somebody writes, or writing when it is closed, is the fault we look
// for.
struct Socket {
  std::atomic<std::uint32_t> open_for{0};  // generation; 0 = closed
  std::atomic<int> writers{0};
  std::atomic<std::uint64_t> faults{0};

  void write(std::uint32_t generation) {
    if (writers.fetch_add(1) != 0) ++faults;  // two at once
    for (int i = 0; i < 3; ++i) {
      if (open_for.load() != generation) ++faults;
      std::this_thread::yield();  // asleep, with the token in hand
    }
    writers.fetch_sub(1);
  }
  void close() {
    if (writers.load() != 0) ++faults;
    open_for.store(0);
  }
};

// What the sender posts to the worker.
struct Post {
  std::uint32_t generation = 0;
  bool token = false;
};

class Mailbox {
 public:
  void post(Post post) {
    const std::scoped_lock lock(mutex_);
    posts_.push(post);
    come_.notify_one();
  }
  std::optional<Post> take() {
    const std::scoped_lock lock(mutex_);
    if (posts_.empty()) return std::nullopt;
    const Post post = posts_.front();
    posts_.pop();
    return post;
  }
  Post wait() {
    std::unique_lock lock(mutex_);
    come_.wait(lock, [&] { return !posts_.empty(); });
    const Post post = posts_.front();
    posts_.pop();
    return post;
  }

 private:
  std::mutex mutex_;
  std::condition_variable come_;
  std::queue<Post> posts_;
};

struct Scene {
  Token token;
  Socket socket;
  Mailbox mailbox;
  std::atomic<std::uint32_t> current{0};
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> written{0}, queued{0}, handed_over{0}, delivered{0};
};

void play_sender(Scene& scene) {
  std::mt19937 random(1);
  while (!scene.over.load()) {
    const std::uint32_t generation = scene.current.load();
    switch (scene.token.claim(generation, 8)) {
      case Token::Claim::taken: {
        scene.socket.write(generation);
        ++scene.written;
        const bool blocked = random() % 16 == 0;  // the kernel took only a part
        if (blocked || !scene.token.release(generation)) {
          ++scene.handed_over;
          scene.mailbox.post({generation, true});
        }
        break;
      }
      case Token::Claim::queued:
        ++scene.queued;
        scene.mailbox.post({generation, false});
        break;
      case Token::Claim::full:
      case Token::Claim::gone:
        std::this_thread::yield();
        break;
    }
  }
}

// Opens, serves what is posted for a while, closes; as Client does.
void play_worker(Scene& scene, std::uint32_t generations) {
  std::mt19937 random(2);
  for (std::uint32_t generation = 1; generation <= generations; ++generation) {
    bool holding = false;
    const auto obey = [&](const Post& post) {
      if (post.generation != generation) return;
      if (post.token) {
        holding = true;
      } else {
        scene.token.arrived();
        ++scene.delivered;
      }
      if (holding) scene.socket.write(generation);
      if (holding) holding = !scene.token.release_by_worker();
    };
    scene.socket.open_for.store(generation);
    scene.token.open(generation);
    scene.current.store(generation);
    for (std::uint32_t turn = random() % 40; turn > 0; --turn) {
      if (const auto post = scene.mailbox.take()) obey(*post);
      std::this_thread::yield();
    }
    bool free = scene.token.begin_close() || holding;
    while (!free) {
      const Post post = scene.mailbox.wait();
      free = post.generation == generation && post.token;
    }
    scene.socket.close();
    scene.token.end(generation + 1);
  }
  scene.over.store(true);
}

}  // namespace

TEST_CASE("nobody writes on a socket that is closed or being closed, thousands of times",
          "[token][threads]") {
  Scene scene;
  std::thread sender([&] { play_sender(scene); });
  play_worker(scene, 5000);
  sender.join();
  CHECK(scene.socket.faults.load() == 0);
  // The races did happen.
  CHECK(scene.written.load() > 1000);
  CHECK(scene.handed_over.load() > 100);
}

TEST_CASE("a claim for another generation, a closed or a closing client is gone", "[token]") {
  Token token;
  CHECK(token.claim(1, 4) == Token::Claim::gone);
  token.open(1);
  CHECK(token.claim(2, 4) == Token::Claim::gone);
  CHECK(token.claim(1, 4) == Token::Claim::taken);
  CHECK(token.release(1));
  CHECK(token.begin_close());
  CHECK(token.claim(1, 4) == Token::Claim::gone);
  token.end(2);
  CHECK(token.claim(1, 4) == Token::Claim::gone);
  CHECK(token.claim(2, 4) == Token::Claim::gone);
}

TEST_CASE("messages queue behind a held token up to the bound, and hinder its release", "[token]") {
  Token token;
  token.open(7);
  REQUIRE(token.claim(7, 2) == Token::Claim::taken);
  CHECK(token.claim(7, 2) == Token::Claim::queued);
  CHECK(token.claim(7, 2) == Token::Claim::queued);
  CHECK(token.claim(7, 2) == Token::Claim::full);
  CHECK_FALSE(token.release(7));
  CHECK_FALSE(token.release_by_worker());
  token.arrived();
  token.arrived();
  CHECK(token.release_by_worker());
  CHECK(token.claim(7, 2) == Token::Claim::taken);
}

TEST_CASE("closing waits for the holder and hinders the sender's release, not the worker's", "[token]") {
  Token token;
  token.open(1);
  REQUIRE(token.claim(1, 2) == Token::Claim::taken);
  CHECK_FALSE(token.begin_close());
  CHECK_FALSE(token.release(1));
  CHECK(token.release_by_worker());
}

TEST_CASE("a handoff gives everything in order from one thread to another", "[token][threads]") {
  Handoff<std::uint32_t> handoff;
  constexpr std::uint32_t many = 100000;
  std::thread producer([&] {
    for (std::uint32_t i = 0; i < many; ++i) handoff.push(i);
  });
  std::uint32_t next = 0;
  while (next < many) {
    if (const auto value = handoff.pop()) {
      REQUIRE(*value == next);
      ++next;
    }
  }
  producer.join();
  CHECK_FALSE(handoff.pop());
}
