// `chorus record` between a real client and a real server, both played by the test: what goes through it, and
// what it writes down about it. How it starts, ends and fails is tested in recorder_end_test.cpp.
#include "tests/loop/recorder_fixture.h"

#include <random>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

using namespace chorus;
using namespace chorus::test;

namespace {

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// In chunks of 1 byte to 100 KB.
void send_in_pieces(Socket& socket, std::string_view bytes, unsigned seed) {
  std::mt19937 random(seed);
  while (!bytes.empty()) {
    const std::size_t size =
        std::min<std::size_t>(bytes.size(), 1 + random() % (random() % 4 == 0 ? 100'000 : 2'000));
    socket.send(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
}

// Sends until the other side has taken nothing for half a second; returns how much went out, at most `most`.
// On a machine so slow that it takes nothing for another reason the figure is only smaller.
std::size_t send_until_stuck(Socket& socket, std::size_t most) {
  const std::string chunk(65536, 'x');
  std::size_t sent = 0;
  while (sent < most) {
    pollfd file{socket.file(), POLLOUT, 0};
    if (::poll(&file, 1, 500) == 0) break;
    const ssize_t size = ::send(socket.file(), chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size > 0) sent += static_cast<std::size_t>(size);
  }
  return sent;
}

}  // namespace

TEST_CASE(
    "A recorder hands on megabytes in both directions at once unchanged, and its trace has every byte") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  const std::string question = random_bytes(5'000'000, 1), answer = random_bytes(7'000'000, 2);
  std::string server_got, client_got;
  {
    std::jthread client_sends([&] {
      send_in_pieces(client, question, 3);
      client.end();
    });
    std::jthread server_sends([&] {
      send_in_pieces(server, answer, 4);
      server.end();
    });
    std::jthread server_reads([&] { server_got = server.receive_rest(); });
    client_got = client.receive_rest();
  }
  CHECK((server_got == question));
  CHECK((client_got == answer));
  const format::Trace trace = recorder.finish();
  const Told one = told(trace).at(0);
  CHECK((one.to_server == question));
  CHECK((one.to_client == answer));
  CHECK(one.last.empty());  // closed, because both had ended
}

TEST_CASE("A client that ends its direction still gets the answer") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  client.send("question");
  client.end();
  CHECK(server.receive_rest() == "question");
  server.send("answer");
  server.close();
  CHECK(client.receive_rest() == "answer");
  CHECK(told(recorder.finish()).at(0).kinds == "Opened ToServer ClientEnd ToClient ServerEnd Closed");
}

TEST_CASE("A server that ends its direction still hears the client") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  server.send("bye");
  server.end();
  CHECK(client.receive_rest() == "bye");
  client.send("one word more");
  client.close();
  CHECK(server.receive_rest() == "one word more");
  CHECK(told(recorder.finish()).at(0).kinds == "Opened ToClient ServerEnd ToServer ClientEnd Closed");
}

TEST_CASE("A server that speaks first is heard before the client says anything") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  server.send("220 welcome\r\n");
  CHECK(client.receive_exactly(13) == "220 welcome\r\n");
}

TEST_CASE("A client's last words arrive before its reset does") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  client.send("QUIT\r\n");
  CHECK(server.receive_exactly(6) == "QUIT\r\n");
  client.reset();
  CHECK(server.is_reset());
  const Told one = told(recorder.finish()).at(0);
  CHECK(one.kinds == "Opened ToServer ClientReset Closed");
  CHECK(one.last == "client reset");
}

TEST_CASE("A server's reset reaches the client") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  server.reset();
  CHECK(client.is_reset());
  const Told one = told(recorder.finish()).at(0);
  CHECK(one.kinds == "Opened ServerReset Closed");
  CHECK(one.last == "server reset");
}

TEST_CASE("What a server says before it resets reaches a client that is talking itself") {
  RecorderUnderTest recorder;
  for (int i = 0; i < 50; ++i) {  // the order in which the recorder sees all this is not ours to choose
    auto [client, server] = recorder.connect();
    client.send("NICK alice\r\n");
    server.send("ERROR :server is full\r\n");
    server.reset();
    CHECK(client.receive_exactly(23) == "ERROR :server is full\r\n");
    CHECK(client.is_reset());
  }
  const auto all = told(recorder.finish());
  REQUIRE(all.size() == 50);
  for (const auto& [id, one] : all) {
    CHECK(one.to_client == "ERROR :server is full\r\n");
    CHECK(one.last == "server reset");
  }
}

TEST_CASE("A reset of a client that had ended its direction reaches a silent server") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  client.end();
  CHECK(server.receive_rest().empty());
  client.reset();
  // The server has seen the end already, so only a poll for errors shows it the reset.
  pollfd file{server.file(), 0, 0};
  REQUIRE(::poll(&file, 1, static_cast<int>(patience.count()) * 1000) == 1);
  CHECK((file.revents & POLLERR) != 0);
  CHECK(told(recorder.finish()).at(0).kinds == "Opened ClientEnd ClientReset Closed");
}

TEST_CASE("A server that does not read stops the client, and loses nothing when it reads again") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  // The system's buffers of both legs take some megabytes; a recorder that took more would take everything.
  constexpr std::size_t most = 64u << 20;
  const std::size_t sent = send_until_stuck(client, most);
  REQUIRE(sent > 0);
  REQUIRE(sent < most);
  client.end();
  CHECK(server.receive_rest().size() == sent);
  server.end();
  CHECK(told(recorder.finish()).at(0).to_server.size() == sent);
}

TEST_CASE("A client that does not read stops the server, while its own words go through") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  constexpr std::size_t most = 64u << 20;
  const std::size_t sent = send_until_stuck(server, most);
  REQUIRE(sent < most);
  client.send("slow down");
  CHECK(server.receive_exactly(9) == "slow down");
  server.end();
  CHECK(client.receive_rest().size() == sent);
}

TEST_CASE("A reset of a client whose server does not read reaches that server") {
  RecorderUnderTest recorder;
  auto [client, server] = recorder.connect();
  REQUIRE(send_until_stuck(client, 64u << 20) < 64u << 20);
  client.reset();
  pollfd file{server.file(), 0, 0};
  REQUIRE(::poll(&file, 1, static_cast<int>(patience.count()) * 1000) == 1);
  CHECK((file.revents & POLLERR) != 0);
  CHECK(told(recorder.finish()).at(0).last == "client reset");
}

TEST_CASE("Two hundred clients at once each get their own answer, in a trace of two hundred connections",
          "[sanitize]") {
  RecorderUnderTest recorder;
  constexpr std::size_t crowd = 200;
  std::vector<RecorderUnderTest::Pair> pairs;
  for (std::size_t i = 0; i < crowd; ++i) pairs.push_back(recorder.connect());
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < crowd; ++i) pairs[i].client.send("i am " + std::to_string(1000 + i));
    for (auto& [client, server] : pairs) server.send(server.receive_exactly(9) + '!');
    for (std::size_t i = 0; i < crowd; ++i)
      REQUIRE(pairs[i].client.receive_exactly(10) == "i am " + std::to_string(1000 + i) + '!');
  }
  pairs.clear();
  const auto all = told(recorder.finish());
  REQUIRE(all.size() == crowd);
  for (std::size_t i = 0; i < crowd; ++i) {
    const std::string word = "i am " + std::to_string(1000 + i);
    CHECK(all.at(static_cast<std::uint32_t>(i)).to_server == word + word + word);
    CHECK(all.at(static_cast<std::uint32_t>(i)).to_client == word + '!' + word + '!' + word + '!');
  }
}
