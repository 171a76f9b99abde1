// The chat itself: who is here, in which room, and who gets what. Bytes in, actions out; it knows no socket
// and no clock, so every rule can be tested by hand. server.h carries the actions out.
//
// Where the protocol leaves something open: names inside packets are passed on as they came, not compared
// with the sender's (a client that talks under a wrong name is to be seen, not repaired). Entering a second
// room leaves the first, whose other members get a ROOM_EXIT. A second SERVER_ENTER closes the connection.
// Whoever vanishes without SERVER_EXIT leaves in silence. ROOM_EXIT and MULTICAST from the lobby are ignored.
//
// In the original's dialect nothing is framed: one receive is one packet. What stands behind the first packet
// is lost; of a packet that came in part the rest reads as NULs, and its rest is read as a packet of its own.
// Nonsense is ignored: the original survives everything, and so does the connection.
#pragma once

#include "tests/chat_server/packets.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace chorus::chat {

using Client = std::uint32_t;                      // a small number, used again after gone()
using Bytes = std::shared_ptr<const std::string>;  // one packet, shared by all its receivers

struct Action {
  enum class Kind : std::uint8_t {
    deliver,
    close,  // when everything delivered before is written
    reset,  // at once, with RST
  };
  Kind kind;
  Client client;
  Bytes packet;  // of deliver
};

struct Rules {
  Dialect dialect = Dialect::regular;
  std::uint32_t max_clients = 0;  // connections held at once; 0: no limit
  std::uint32_t drop_one_in =
      0;  // each Nth delivery of a CHAT packet, counted over all receivers, is left out; 0: none
  std::uint32_t reset_one_in =
      0;  // each Nth accepted connection is reset when it sends SERVER_ENTER; 0: none
};

struct Counts {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;      // "server full"
  std::uint64_t entered = 0;      // SERVER_ENTER answered with "created"
  std::uint64_t messages_in = 0;  // well-formed packets
  std::uint64_t said = 0;         // of them: broadcast, multicast, unicast
  std::uint64_t left = 0;         // and SERVER_EXIT
  std::uint64_t deliveries = 0;   // packets handed out, replies included
  std::uint64_t dropped = 0;      // by drop_one_in; not among the deliveries
  std::uint64_t malformed = 0;    // connections closed for what they sent
  std::uint64_t misread = 0;      // original: receives that were less than a packet, or nonsense
  std::uint64_t lost = 0;         // original: receives that had bytes behind their first packet
  std::uint64_t slow_closed = 0;  // connections closed for not reading; counted by the server
};

// One thread.
class Hall {
 public:
  explicit Hall(const Rules& rules);
  ~Hall();

  // A new connection; nothing when the server is full.
  std::optional<Client> open();
  // What one receive brought: bytes of a client, cut anywhere. Actions are appended, in the order in which
  // they have to be carried out.
  void receive(Client client, std::string_view bytes, std::vector<Action>& actions);
  // The client sends no more (end of stream): it leaves, and is closed once it has what it was sent.
  void ended(Client client, std::vector<Action>& actions);
  // The connection exists no longer. The number is free for the next.
  void gone(Client client);

  Counts& counts() { return counts_; }

 private:
  struct Member;
  using Actions = std::vector<Action>;

  void receive_one(Client client, std::string_view bytes, Actions& actions);
  bool handle(Client client, const Packet& packet, Actions& actions);
  bool enter_server(Client client, const Packet& packet, Actions& actions);
  void exit_server(Client client, const Packet& packet, Actions& actions);
  void enter_room(Client client, const Packet& packet, Actions& actions);
  void exit_room(Client client, const Packet& packet, Actions& actions);
  void speak(Client client, const Packet& packet, Actions& actions);

  void deliver(Client to, const Bytes& packet, Actions& actions);
  void answer(Client to, Code code, Actions& actions);
  void deliver_chat(Client to, const Bytes& packet, Actions& actions);
  void close(Client client, Actions& actions);
  void leave_room(Client client);
  void leave(Client client);

  Rules rules_;
  Counts counts_;
  std::vector<Member> members_;  // by Client
  std::vector<Client> free_;
  std::vector<Client> entered_;                                  // whom a broadcast reaches
  std::unordered_map<std::int32_t, std::vector<Client>> rooms_;  // no empty ones
  std::unordered_map<std::string, Client> nicknames_;
  std::uint64_t chat_deliveries_ = 0;
};

}  // namespace chorus::chat
