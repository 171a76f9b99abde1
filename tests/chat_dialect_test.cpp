// The embedded chat server in the original's dialect, without sockets: one receive is one packet.
#include "tests/chat_server/hall.h"

#include <algorithm>

#include <catch2/catch.hpp>

namespace chorus::chat {
namespace {

using namespace std::string_literals;
using Clients = std::vector<Client>;

std::string original(std::string packet) {
  return in_dialect(Dialect::original, std::move(packet));
}

struct OriginalScene {
  std::vector<Action> receive(Client client, std::string_view bytes) {
    std::vector<Action> actions;
    hall.receive(client, bytes, actions);
    return actions;
  }
  Client come(std::string_view nickname, std::int32_t room) {
    const Client client = hall.open().value();
    receive(client, named_packet(Type::server_enter, nickname));
    receive(client, original(room_enter(nickname, room)));
    return client;
  }
  const Counts& counts() { return hall.counts(); }

  Hall hall{{.dialect = Dialect::original}};
};

// Who gets this packet and nothing else.
Clients receivers_of(const std::string& packet, const std::vector<Action>& actions) {
  Clients clients;
  for (const Action& action : actions) {
    REQUIRE(action.kind == Action::Kind::deliver);
    REQUIRE(*action.packet == packet);
    clients.push_back(action.client);
  }
  std::sort(clients.begin(), clients.end());
  return clients;
}

TEST_CASE("chat dialect: the packets have the original's lengths and the same bytes behind them") {
  CHECK(original(named_packet(Type::server_enter, "bob")) == "\x04\x00\x0b\x00"s + "bob\0"s);
  CHECK(original(room_enter("bob", 7)) == "\x04\x00\x15\x00"s + name_field("bob") + "\x07\x00\x00\x00"s);
  CHECK(original(chat_packet(Type::multicast, "bob", "hi")) ==
        "\x22\x00\x20\x00"s + name_field("bob") + "hi");
  CHECK(original(unicast("al", "bob", "hi")) ==
        "\x02\x00\x21\x00"s + name_field("al") + name_field("bob") + "hi");
  CHECK(original(server_message(Code::created)) == "\x08\x00\x33\x00\x02\x00\x00\x00"s);
  CHECK(in_dialect(Dialect::regular, room_enter("bob", 7)) == room_enter("bob", 7));
}

TEST_CASE("chat dialect: its reader finds the end of every packet") {
  const std::vector<std::string> packets = {
      original(named_packet(Type::server_enter, "bob")), original(room_enter("bob", 7)),
      original(chat_packet(Type::multicast, "bob", "hi")), original(unicast("al", "bob", "hi")),
      original(server_message(Code::created))};
  std::string bytes;
  for (const auto& packet : packets) bytes += packet;
  std::string_view rest = bytes;
  for (const auto& packet : packets) CHECK(take_packet(rest, Dialect::original)->whole == packet);
  CHECK(rest.empty());
}

TEST_CASE("chat dialect: a session of single packets is answered in the dialect's sizes") {
  OriginalScene scene;
  const Client alice = scene.hall.open().value();
  const auto created = original(server_message(Code::created));
  CHECK(receivers_of(created, scene.receive(alice, named_packet(Type::server_enter, "alice"))) ==
        Clients{alice});
  const auto join = original(room_enter("alice", 1));
  CHECK(receivers_of(join, scene.receive(alice, join)) == Clients{alice});
  const Client bob = scene.come("bob", 1);
  const auto said = original(chat_packet(Type::multicast, "alice", "hello"));
  CHECK(receivers_of(said, scene.receive(alice, said)) == Clients{alice, bob});
  const auto whispered = original(unicast("bob", "alice", "psst"));
  CHECK(receivers_of(whispered, scene.receive(alice, whispered)) == Clients{bob});
  const auto lost = original(server_message(Code::not_found));
  CHECK(receivers_of(lost, scene.receive(alice, original(unicast("carol", "alice", "?")))) == Clients{alice});
  const Client other = scene.hall.open().value();
  const auto taken = original(server_message(Code::nickname_exists));
  CHECK(receivers_of(taken, scene.receive(other, named_packet(Type::server_enter, "bob"))) == Clients{other});
  CHECK(scene.counts().misread == 0);
  CHECK(scene.counts().lost == 0);
}

TEST_CASE("chat dialect: the second of two packets in one receive is lost") {
  OriginalScene scene;
  const Client alice = scene.come("alice", 1);
  const auto first = original(chat_packet(Type::multicast, "alice", "one"));
  const auto second = original(chat_packet(Type::multicast, "alice", "two"));
  CHECK(receivers_of(first, scene.receive(alice, first + second)) == Clients{alice});
  CHECK(scene.counts().lost == 1);
  CHECK(receivers_of(second, scene.receive(alice, second)) == Clients{alice});
}

TEST_CASE("chat dialect: a packet that comes in two receives is misread, and the connection survives") {
  const std::string said = original(chat_packet(Type::multicast, "alice", "hello"));
  for (std::size_t cut = 1; cut < said.size(); ++cut) {
    OriginalScene scene;
    const Client alice = scene.come("alice", 1);
    for (const auto& half : {said.substr(0, cut), said.substr(cut)}) {
      for (const Action& action : scene.receive(alice, half)) {
        REQUIRE(action.kind == Action::Kind::deliver);
        REQUIRE(*action.packet != said);
      }
    }
    REQUIRE(scene.counts().misread == 2);
    REQUIRE(receivers_of(said, scene.receive(alice, said)) == Clients{alice});
  }
}

TEST_CASE("chat dialect: what has not come of a packet reads as NULs") {
  OriginalScene scene;
  const Client alice = scene.come("alice", 1);
  const std::string said = original(chat_packet(Type::multicast, "alice", "hello"));
  const auto heard = scene.receive(alice, said.substr(0, said.size() - 3));
  CHECK(receivers_of(said.substr(0, said.size() - 3) + std::string(3, '\0'), heard) == Clients{alice});
}

TEST_CASE("chat dialect: nonsense closes nothing") {
  OriginalScene scene;
  const Client alice = scene.come("alice", 1);
  const std::string bad = GENERATE(
      "x"s, std::string(500, '\xff'), std::string(500, '\0'), packet(Type::multicast, "short"),
      named_packet(Type::server_enter, "again"), in_dialect(Dialect::original, unicast("", "alice", "x")));
  CHECK(scene.receive(alice, bad).empty());
  CHECK(scene.counts().misread == 1);
  const std::string said = original(chat_packet(Type::multicast, "alice", "still here"));
  CHECK(receivers_of(said, scene.receive(alice, said)) == Clients{alice});
}

TEST_CASE("chat dialect: leaving from a room is echoed and closed, from the lobby it is neither") {
  OriginalScene scene;
  const auto bye = named_packet(Type::server_exit, "alice");
  const Client alice = scene.hall.open().value();
  scene.receive(alice, named_packet(Type::server_enter, "alice"));
  CHECK(scene.receive(alice, bye).empty());
  scene.receive(alice, original(room_enter("alice", 1)));
  const auto actions = scene.receive(alice, bye);
  REQUIRE(actions.size() == 2);
  CHECK(*actions[0].packet == bye);
  CHECK(actions[1].kind == Action::Kind::close);
}

}  // namespace
}  // namespace chorus::chat
