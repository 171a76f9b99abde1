// Who of a book's clients is in which room, and since when that is certain; what fanout.h calls certain and
// ambiguous is read off these times. Slots number the members of a room, so that a message's receivers are
// bits. A stay is kept for twice the patience after it ended: then no message holds a bit of its slot, and
// slot and room are used again.
#pragma once

#include "traces/format/event.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

namespace chorus::replayer {

using format::Nanos;

class Audiences {
 public:
  static constexpr Nanos never = Nanos::max();
  // Indices of the two rooms that are always there: all clients (slot = client), and all private messages.
  static constexpr std::uint32_t everybody = 0, privately = 1;

  // Of one client in one room.
  struct Stay {
    std::uint32_t room = 0, slot = 0;
    Nanos since = never;      // certain for messages sent later
    Nanos left = never;       // never: it is in, confirmed or not
    Nanos was_since = never;  // `since`, when it left
    std::uint32_t owed = 0;   // confirmations of enterings that it left again before they came
  };
  struct Room {
    std::uint32_t number = 0, stays = 0;
    std::uint32_t pending = 0;                  // messages; the book's
    std::uint64_t expected = 0, delivered = 0;  // not yet in the result; the book's
    std::vector<std::uint64_t> in;              // by slot: should get what is said now
    std::vector<std::uint32_t> client;          // by slot
    std::vector<std::uint32_t> free_slots;
  };

  // Clients are counted from 0 here. `numbers`: of everybody's and the private room.
  Audiences(std::uint32_t clients, Nanos patience, std::uint32_t everybody_number,
            std::uint32_t private_number);

  void entering(std::uint32_t client, std::uint32_t number, Nanos sent);
  void entered(std::uint32_t client, std::uint32_t number, Nanos now);
  void leaving(std::uint32_t client, std::uint32_t number, Nanos when);
  void leaving_rooms(std::uint32_t client, Nanos when);
  void connected(std::uint32_t client, Nanos now);
  void farewell(std::uint32_t client, Nanos when);  // leaves the rooms and everybody
  void gone(std::uint32_t client, Nanos now);       // and nothing can arrive any more
  void expire(Nanos now);

  std::uint32_t room_index(std::uint32_t number);  // made when new
  Room& room(std::uint32_t index) { return rooms_[index]; }
  std::span<Room> rooms() { return rooms_; }
  void retire_if_idle(std::uint32_t index);

  std::span<const Stay> stays(std::uint32_t client) const { return clients_[client].stays; }
  Nanos connected_since(std::uint32_t client) const { return clients_[client].connected; }
  bool is_connected(std::uint32_t client) const {
    return rooms_[everybody].in[client / 64] >> client % 64 & 1;
  }
  Nanos since(std::uint32_t room, std::uint32_t slot) const;  // rooms and everybody
  // Whether who has left was certainly there when something was sent, and for `long_enough` after it.
  bool stayed(std::uint32_t room, std::uint32_t slot, Nanos sent, Nanos long_enough) const;
  bool stayed_connected(std::uint32_t client, Nanos sent, Nanos long_enough) const;
  std::size_t bytes() const noexcept;

 private:
  struct Client {
    std::vector<Stay> stays;
    Nanos connected = never;
    Nanos was_connected = never, parted = never;  // before its farewell
  };
  struct Leaving {
    Nanos when;
    std::uint32_t client, room;
  };

  Stay* find(std::uint32_t client, std::uint32_t room);
  Stay& add(std::uint32_t client, std::uint32_t room);
  void leave(std::uint32_t client, Stay& stay, Nanos when);
  void set_in(std::uint32_t room, std::uint32_t slot, bool in);

  Nanos patience_;
  std::vector<Client> clients_;
  std::vector<Room> rooms_;
  std::vector<std::uint32_t> free_rooms_;
  std::unordered_map<std::uint32_t, std::uint32_t> indices_;  // by number
  std::deque<Leaving> leavings_;
};

}  // namespace chorus::replayer
