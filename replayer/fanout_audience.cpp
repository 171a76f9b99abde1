#include "replayer/fanout_audience.h"

#include <algorithm>

namespace chorus::replayer {

Audiences::Audiences(std::uint32_t clients, Nanos patience, std::uint32_t everybody_number,
                     std::uint32_t private_number)
    : patience_(patience), clients_(clients), rooms_(2) {
  rooms_[everybody].number = everybody_number;
  rooms_[privately].number = private_number;
  rooms_[everybody].stays = rooms_[privately].stays = 1;  // never retired
  rooms_[everybody].in.resize((clients + 63) / 64);
  indices_ = {{everybody_number, everybody}, {private_number, privately}};
}

void Audiences::entering(std::uint32_t client, std::uint32_t number, Nanos sent) {
  const std::uint32_t room = room_index(number);
  Stay* stay = find(client, room);
  if (stay && stay->left == never) return;  // it is in, or on its way
  if (!stay) stay = &add(client, room);
  if (stay->left != never && sent - stay->left > patience_) stay->owed = 0;
  stay->left = never;
  set_in(room, stay->slot, true);
}

void Audiences::entered(std::uint32_t client, std::uint32_t number, Nanos now) {
  const std::uint32_t room = room_index(number);
  Stay* stay = find(client, room);
  if (!stay) stay = &add(client, room);  // the server put it there unasked
  if (stay->left != never && now - stay->left > patience_) {
    stay->left = never;
    stay->owed = 0;
  }
  if (stay->owed > 0) {
    --stay->owed;
  } else if (stay->left == never && stay->since == never) {
    stay->since = now;
    set_in(room, stay->slot, true);
  }
}

void Audiences::leaving(std::uint32_t client, std::uint32_t number, Nanos when) {
  const auto index = indices_.find(number);
  if (index == indices_.end()) return;
  if (Stay* stay = find(client, index->second)) leave(client, *stay, when);
}

void Audiences::leaving_rooms(std::uint32_t client, Nanos when) {
  for (Stay& stay : clients_[client].stays) leave(client, stay, when);
}

void Audiences::leave(std::uint32_t client, Stay& stay, Nanos when) {
  if (stay.left != never) return;
  if (stay.since == never) ++stay.owed;
  stay.was_since = stay.since;
  stay.since = never;
  stay.left = when;
  set_in(stay.room, stay.slot, false);
  leavings_.push_back({when, client, stay.room});
}

void Audiences::connected(std::uint32_t client, Nanos now) {
  if (is_connected(client)) return;
  clients_[client].connected = now;
  set_in(everybody, client, true);
}

void Audiences::farewell(std::uint32_t client, Nanos when) {
  leaving_rooms(client, when);
  Client& here = clients_[client];
  if (here.connected != never) here.was_connected = here.connected, here.parted = when;
  here.connected = never;
  set_in(everybody, client, false);
}

void Audiences::gone(std::uint32_t client, Nanos now) {
  farewell(client, now);
  for (Stay& stay : clients_[client].stays) stay.owed = 0;
}

void Audiences::expire(Nanos now) {
  for (; !leavings_.empty() && now - leavings_.front().when >= 2 * patience_; leavings_.pop_front()) {
    const auto [when, client, room] = leavings_.front();
    const Stay* stay = find(client, room);
    if (!stay || stay->left != when) continue;  // it came back
    rooms_[room].free_slots.push_back(stay->slot);
    --rooms_[room].stays;
    auto& stays = clients_[client].stays;
    stays.erase(stays.begin() + (stay - stays.data()));
    retire_if_idle(room);
  }
}

std::uint32_t Audiences::room_index(std::uint32_t number) {
  if (const auto known = indices_.find(number); known != indices_.end()) return known->second;
  if (free_rooms_.empty()) {
    free_rooms_.push_back(static_cast<std::uint32_t>(rooms_.size()));
    rooms_.emplace_back();
  }
  const std::uint32_t index = free_rooms_.back();
  free_rooms_.pop_back();
  rooms_[index].number = number;
  indices_.emplace(number, index);
  return index;
}

void Audiences::retire_if_idle(std::uint32_t index) {
  Room& idle = rooms_[index];
  if (idle.stays > 0 || idle.pending > 0) return;
  indices_.erase(idle.number);
  idle = {};
  free_rooms_.push_back(index);
}

Nanos Audiences::since(std::uint32_t room, std::uint32_t slot) const {
  if (room == everybody) return clients_[slot].connected;
  for (const Stay& stay : clients_[rooms_[room].client[slot]].stays) {
    if (stay.room == room) return stay.since;
  }
  return never;
}

bool Audiences::stayed(std::uint32_t room, std::uint32_t slot, Nanos sent, Nanos long_enough) const {
  if (room == everybody) return stayed_connected(slot, sent, long_enough);
  for (const Stay& stay : clients_[rooms_[room].client[slot]].stays) {
    if (stay.room == room)
      return stay.left != never && stay.was_since < sent && stay.left - sent > long_enough;
  }
  return false;
}

bool Audiences::stayed_connected(std::uint32_t client, Nanos sent, Nanos long_enough) const {
  const Client& here = clients_[client];
  return here.parted != never && here.was_connected < sent && here.parted - sent > long_enough;
}

Audiences::Stay* Audiences::find(std::uint32_t client, std::uint32_t room) {
  auto& stays = clients_[client].stays;
  const auto stay = std::find_if(stays.begin(), stays.end(), [&](const Stay& s) { return s.room == room; });
  return stay == stays.end() ? nullptr : &*stay;
}

Audiences::Stay& Audiences::add(std::uint32_t client, std::uint32_t room) {
  Room& here = rooms_[room];
  if (here.free_slots.empty()) {
    here.free_slots.push_back(static_cast<std::uint32_t>(here.client.size()));
    here.client.push_back(client);
    here.in.resize((here.client.size() + 63) / 64);
  }
  const std::uint32_t slot = here.free_slots.back();
  here.free_slots.pop_back();
  here.client[slot] = client;
  ++here.stays;
  return clients_[client].stays.emplace_back(Stay{.room = room, .slot = slot});
}

void Audiences::set_in(std::uint32_t room, std::uint32_t slot, bool in) {
  const std::uint64_t bit = std::uint64_t{1} << slot % 64;
  std::uint64_t& word = rooms_[room].in[slot / 64];
  word = in ? word | bit : word & ~bit;
}

std::size_t Audiences::bytes() const noexcept {
  std::size_t sum = clients_.capacity() * sizeof(Client) + rooms_.capacity() * sizeof(Room) +
                    leavings_.size() * sizeof(Leaving);
  for (const Client& client : clients_) sum += client.stays.capacity() * sizeof(Stay);
  for (const Room& room : rooms_) {
    sum += room.in.capacity() * sizeof(std::uint64_t) +
           (room.client.capacity() + room.free_slots.capacity()) * sizeof(std::uint32_t);
  }
  return sum;
}

}  // namespace chorus::replayer
