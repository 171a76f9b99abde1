// The embedded chat server's rules, without sockets: bytes in, actions out.
#include "tests/chat_server/hall.h"

#include <algorithm>
#include <optional>

#include <catch2/catch.hpp>

namespace chorus::chat {
namespace {

using Kind = Action::Kind;

struct Scene {
  explicit Scene(const Rules& rules = {}) : hall(rules) {}

  std::vector<Action> send(Client client, std::string_view bytes) {
    std::vector<Action> actions;
    hall.receive(client, bytes, actions);
    return actions;
  }
  // A client under `nickname`, in `room` if one is given.
  Client come(std::string_view nickname, std::optional<std::int32_t> room = std::nullopt) {
    const Client client = hall.open().value();
    send(client, named_packet(Type::server_enter, nickname));
    if (room) send(client, room_enter(nickname, *room));
    return client;
  }

  Hall hall;
};

std::vector<Client> receivers_of(const std::string& packet, const std::vector<Action>& actions) {
  std::vector<Client> clients;
  for (const Action& action : actions) {
    if (action.kind == Kind::deliver && *action.packet == packet) clients.push_back(action.client);
  }
  std::sort(clients.begin(), clients.end());
  return clients;
}

bool only_closes(Client client, const std::vector<Action>& actions) {
  return actions.size() == 1 && actions[0].kind == Kind::close && actions[0].client == client;
}

using Clients = std::vector<Client>;

TEST_CASE("chat hall: the packets have the documented bytes") {
  using namespace std::string_literals;
  REQUIRE(named_packet(Type::server_enter, "bob") == "\x04\x00\x0b\x00"s + "bob\0"s);
  REQUIRE(room_enter("bob", -2) ==
          "\x24\x00\x15\x00"s + "bob"s + std::string(29, '\0') + "\xfe\xff\xff\xff"s);
  REQUIRE(chat_packet(Type::multicast, "bob", "hi") ==
          "\x22\x00\x20\x00"s + "bob"s + std::string(29, '\0') + "hi"s);
  REQUIRE(unicast("al", "bob", "hi").size() == 4 + 64 + 2);
  REQUIRE(server_message(Code::not_found) == "\x04\x00\x33\x00\x03\x00\x00\x00"s);
}

TEST_CASE("chat hall: whoever enters the server is told that the name was created") {
  Scene scene;
  const Client alice = scene.hall.open().value();
  const auto actions = scene.send(alice, named_packet(Type::server_enter, "alice"));
  REQUIRE(receivers_of(server_message(Code::created), actions) == Clients{alice});
  REQUIRE(actions.size() == 1);
}

TEST_CASE("chat hall: a taken nickname is refused, and the connection may try another") {
  Scene scene;
  scene.come("alice");
  const Client other = scene.hall.open().value();
  auto actions = scene.send(other, named_packet(Type::server_enter, "alice"));
  REQUIRE(receivers_of(server_message(Code::nickname_exists), actions) == Clients{other});
  REQUIRE(actions.size() == 1);
  actions = scene.send(other, named_packet(Type::server_enter, "bob"));
  REQUIRE(receivers_of(server_message(Code::created), actions) == Clients{other});
}

TEST_CASE("chat hall: a nickname is free again when its client has gone") {
  Scene scene;
  scene.hall.gone(scene.come("alice", 1));
  const Client again = scene.hall.open().value();
  const auto actions = scene.send(again, named_packet(Type::server_enter, "alice"));
  REQUIRE(receivers_of(server_message(Code::created), actions) == Clients{again});
}

TEST_CASE("chat hall: entering a room and multicast reach that room, the sender included") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const Client bob = scene.come("bob");
  scene.come("carol", 2);
  scene.come("dave");
  auto actions = scene.send(bob, room_enter("bob", 1));
  REQUIRE(receivers_of(room_enter("bob", 1), actions) == Clients{alice, bob});
  REQUIRE(actions.size() == 2);

  const std::string said = chat_packet(Type::multicast, "bob", "hello");
  actions = scene.send(bob, said);
  REQUIRE(receivers_of(said, actions) == Clients{alice, bob});
  REQUIRE(actions.size() == 2);
}

TEST_CASE("chat hall: receivers share one packet") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  scene.come("bob", 1);
  const auto actions = scene.send(alice, chat_packet(Type::multicast, "alice", "hello"));
  REQUIRE(actions.size() == 2);
  REQUIRE(actions[0].packet.get() == actions[1].packet.get());
}

TEST_CASE("chat hall: multicast outside every room is ignored") {
  Scene scene;
  const Client alice = scene.come("alice");
  REQUIRE(scene.send(alice, chat_packet(Type::multicast, "alice", "anybody?")).empty());
}

TEST_CASE("chat hall: broadcast reaches everybody who has entered, in rooms or not") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const Client bob = scene.come("bob", 2);
  const Client carol = scene.come("carol");
  scene.hall.open();  // connected, but without a name
  const std::string said = chat_packet(Type::broadcast, "bob", "hello");
  const auto actions = scene.send(bob, said);
  REQUIRE(receivers_of(said, actions) == Clients{alice, bob, carol});
  REQUIRE(actions.size() == 3);
}

TEST_CASE("chat hall: unicast reaches its receiver only") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const Client bob = scene.come("bob", 1);
  const auto actions = scene.send(alice, unicast("bob", "alice", "psst"));
  REQUIRE(receivers_of(unicast("bob", "alice", "psst"), actions) == Clients{bob});
  REQUIRE(actions.size() == 1);
}

TEST_CASE("chat hall: unicast to nobody is answered with not found") {
  Scene scene;
  const Client alice = scene.come("alice");
  const auto actions = scene.send(alice, unicast("nobody", "alice", "psst"));
  REQUIRE(receivers_of(server_message(Code::not_found), actions) == Clients{alice});
  REQUIRE(actions.size() == 1);
}

TEST_CASE("chat hall: leaving a room is echoed to it, and leads back to the lobby") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const Client bob = scene.come("bob", 1);
  const std::string farewell = named_packet(Type::room_exit, "bob");
  REQUIRE(receivers_of(farewell, scene.send(bob, farewell)) == Clients{alice, bob});
  const std::string said = chat_packet(Type::multicast, "alice", "gone");
  REQUIRE(receivers_of(said, scene.send(alice, said)) == Clients{alice});
  REQUIRE(scene.send(bob, farewell).empty());
}

TEST_CASE("chat hall: entering another room leaves the first, whose others are told") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const Client bob = scene.come("bob", 1);
  const auto actions = scene.send(bob, room_enter("bob", 2));
  REQUIRE(receivers_of(named_packet(Type::room_exit, "bob"), actions) == Clients{alice});
  REQUIRE(receivers_of(room_enter("bob", 2), actions) == Clients{bob});
  REQUIRE(actions.size() == 2);
}

TEST_CASE("chat hall: leaving the server from a room is echoed to the leaver, who is then closed") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const Client bob = scene.come("bob", 1);
  const std::string farewell = named_packet(Type::server_exit, "bob");
  const auto actions = scene.send(bob, farewell);
  REQUIRE(actions.size() == 2);
  REQUIRE(receivers_of(farewell, {actions[0]}) == Clients{bob});
  REQUIRE(only_closes(bob, {actions[1]}));
  const std::string said = chat_packet(Type::broadcast, "alice", "gone");
  REQUIRE(receivers_of(said, scene.send(alice, said)) == Clients{alice});
}

TEST_CASE("chat hall: leaving the server from the lobby is neither answered nor closed") {
  Scene scene;
  const Client alice = scene.come("alice");
  REQUIRE(scene.send(alice, named_packet(Type::server_exit, "alice")).empty());
}

TEST_CASE("chat hall: packets may be cut at every byte and arrive together") {
  const std::string bytes = named_packet(Type::server_enter, "bob") + room_enter("bob", 7) +
                            chat_packet(Type::multicast, "bob", "hello") +
                            named_packet(Type::server_exit, "bob");
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Scene scene;
    const Client bob = scene.hall.open().value();
    auto actions = scene.send(bob, std::string_view(bytes).substr(0, cut));
    for (Action& action : scene.send(bob, std::string_view(bytes).substr(cut))) actions.push_back(action);
    REQUIRE(actions.size() == 5);
    REQUIRE(*actions[0].packet == server_message(Code::created));
    REQUIRE(*actions[2].packet == chat_packet(Type::multicast, "bob", "hello"));
    REQUIRE(actions[4].kind == Kind::close);
    REQUIRE(scene.hall.counts().messages_in == 4);
  }
}

TEST_CASE("chat hall: a malformed packet closes the connection, and nothing after it counts") {
  using namespace std::string_literals;
  const std::string bad = GENERATE(
      packet(Type::server_message, "\x02\x00\x00\x00"s), packet(static_cast<Type>(99), "abc"),
      packet(Type::multicast, std::string(name_width + text_limit + 1, 'x')),  // the text is too long
      packet(Type::multicast, "too short"),
      packet(Type::multicast, std::string(40, 'x')),  // a name without NUL
      packet(Type::room_enter, name_field("alice")), packet(Type::room_exit, "alice"),
      packet(Type::room_exit, "\0"s), packet(Type::room_exit, "al\0ce\0"s),
      packet(Type::room_exit, std::string(32, 'x') + "\0"s), unicast("", "alice", "x"),
      named_packet(Type::server_enter, "alice"));
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const auto actions = scene.send(alice, bad + chat_packet(Type::multicast, "alice", "hello"));
  REQUIRE(only_closes(alice, actions));
  REQUIRE(scene.hall.counts().malformed == 1);
  REQUIRE(scene.send(alice, chat_packet(Type::multicast, "alice", "still here")).empty());
}

TEST_CASE("chat hall: a length beyond the limit is refused by its header, before the body came") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const std::string long_packet = packet(Type::multicast, std::string(60'000, 'x'));
  REQUIRE(only_closes(alice, scene.send(alice, long_packet.substr(0, header_size))));
}

TEST_CASE("chat hall: the longest name and text are served") {
  Scene scene;
  const std::string name(name_width - 1, 'n');
  const Client client = scene.come(name, 1);
  const std::string said = chat_packet(Type::multicast, name, std::string(text_limit, 'x'));
  REQUIRE(receivers_of(said, scene.send(client, said)) == Clients{client});
}

TEST_CASE("chat hall: anything before SERVER_ENTER closes the connection") {
  Scene scene;
  const Client client = scene.hall.open().value();
  REQUIRE(only_closes(client, scene.send(client, room_enter("alice", 1))));
}

TEST_CASE("chat hall: the end of a client's stream takes it out of its room and closes it once") {
  Scene scene;
  const Client alice = scene.come("alice", 1);
  const Client bob = scene.come("bob", 1);
  std::vector<Action> actions;
  scene.hall.ended(bob, actions);
  scene.hall.ended(bob, actions);
  REQUIRE(only_closes(bob, actions));
  const std::string said = chat_packet(Type::multicast, "alice", "gone");
  REQUIRE(receivers_of(said, scene.send(alice, said)) == Clients{alice});
}

TEST_CASE("chat hall: a full server refuses until somebody has gone") {
  Scene scene({.max_clients = 2});
  const Client alice = scene.come("alice");
  scene.come("bob");
  REQUIRE_FALSE(scene.hall.open());
  scene.hall.gone(alice);
  REQUIRE(scene.hall.open());
  REQUIRE(scene.hall.counts().accepted == 3);
  REQUIRE(scene.hall.counts().refused == 1);
}

TEST_CASE("chat hall: each Nth delivery of chat is dropped, replies never") {
  Scene scene({.drop_one_in = 3});
  const Client alice = scene.come("alice", 1);
  scene.come("bob", 1);
  std::size_t delivered = 0;
  for (int i = 0; i < 6; ++i)
    delivered += scene.send(alice, chat_packet(Type::multicast, "alice", "hello")).size();
  REQUIRE(delivered == 8);
  REQUIRE(scene.hall.counts().dropped == 4);
}

TEST_CASE("chat hall: each Nth connection is reset when it enters") {
  Scene scene({.reset_one_in = 2});
  scene.come("alice");
  const Client second = scene.hall.open().value();
  const auto actions = scene.send(second, named_packet(Type::server_enter, "bob"));
  REQUIRE(actions.size() == 1);
  REQUIRE(actions[0].kind == Kind::reset);
  REQUIRE(actions[0].client == second);
}

}  // namespace
}  // namespace chorus::chat
