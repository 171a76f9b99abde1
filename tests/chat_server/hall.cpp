#include "tests/chat_server/hall.h"

#include <algorithm>
#include <utility>

namespace chorus::chat {

struct Hall::Member {
  enum class State : std::uint8_t { none, connected, entered, leaving };
  State state = State::none;
  bool to_be_reset = false;
  std::optional<std::int32_t> room;
  std::uint32_t place_in_room = 0;  // index in rooms_[*room]
  std::uint32_t place_in_all = 0;   // index in entered_
  std::string nickname;
  std::string partial;  // the beginning of a packet whose rest has not arrived
};

namespace {

struct Sizes {
  std::size_t least;
  std::size_t most;
};

// What a client may send; nothing for a type that it may not.
std::optional<Sizes> body_sizes(std::uint32_t type) {
  switch (static_cast<Type>(type)) {
    case Type::server_enter:
    case Type::server_exit:
    case Type::room_exit:
      return Sizes{2, name_width};
    case Type::room_enter:
      return Sizes{name_width + 4, name_width + 4};
    case Type::broadcast:
    case Type::multicast:
      return Sizes{name_width, name_width + text_limit};
    case Type::unicast:
      return Sizes{2 * name_width, 2 * name_width + text_limit};
    case Type::server_message:
      break;
  }
  return std::nullopt;
}

// Judged by the header alone, so that nobody waits for a body that will be refused.
bool header_is_sound(Dialect dialect, std::string_view bytes) {
  const auto sizes = body_sizes(u16_at(bytes, 2));
  const std::size_t size = body_size(dialect, bytes);
  return sizes && size >= sizes->least && size <= sizes->most;
}

bool is_name_with_nul(std::string_view body) {
  return body.find('\0') == body.size() - 1;
}

bool is_name_field(std::string_view body, std::size_t at) {
  const auto size = name_at(body, at).size();
  return size > 0 && size < name_width;
}

bool body_is_sound(const Packet& packet) {
  switch (static_cast<Type>(packet.type)) {
    case Type::server_enter:
    case Type::server_exit:
    case Type::room_exit:
      return is_name_with_nul(packet.body);
    case Type::unicast:
      return is_name_field(packet.body, 0) && is_name_field(packet.body, name_width);
    default:
      return is_name_field(packet.body, 0);
  }
}

Bytes shared(std::string_view packet) {
  return std::make_shared<const std::string>(packet);
}

}  // namespace

Hall::Hall(const Rules& rules) : rules_(rules) {}
Hall::~Hall() = default;

std::optional<Client> Hall::open() {
  const std::size_t present = members_.size() - free_.size();
  if (rules_.max_clients != 0 && present >= rules_.max_clients) {
    ++counts_.refused;
    return std::nullopt;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<Client>(members_.size()));
    members_.emplace_back();
  }
  const Client client = free_.back();
  free_.pop_back();
  ++counts_.accepted;
  Member& member = members_[client];
  member.state = Member::State::connected;
  member.to_be_reset = rules_.reset_one_in != 0 && counts_.accepted % rules_.reset_one_in == 0;
  return client;
}

void Hall::receive(Client client, std::string_view bytes, Actions& actions) {
  if (rules_.dialect == Dialect::original) return receive_one(client, bytes, actions);
  std::string joined = std::exchange(members_[client].partial, {});
  if (!joined.empty()) bytes = joined.append(bytes);
  while (members_[client].state != Member::State::leaving) {
    if (bytes.size() >= header_size && !header_is_sound(rules_.dialect, bytes)) {
      ++counts_.malformed;
      return close(client, actions);
    }
    const auto packet = take_packet(bytes);
    if (!packet) {
      members_[client].partial = bytes;
      return;
    }
    if (!body_is_sound(*packet) || !handle(client, *packet, actions)) {
      ++counts_.malformed;
      return close(client, actions);
    }
    ++counts_.messages_in;
  }
}

// As the original: whatever came is taken for one packet.
void Hall::receive_one(Client client, std::string_view bytes, Actions& actions) {
  if (members_[client].state == Member::State::leaving) return;
  if (bytes.size() < header_size || !header_is_sound(rules_.dialect, bytes)) {
    ++counts_.misread;
    return;
  }
  std::string whole(bytes);
  whole.resize(header_size + body_size(rules_.dialect, bytes), '\0');
  if (whole.size() < bytes.size()) ++counts_.lost;
  const std::string_view view = whole;
  const Packet packet{u16_at(view, 2), view.substr(header_size), view};
  const bool is_packet = body_is_sound(packet) && handle(client, packet, actions);
  ++(is_packet && whole.size() <= bytes.size() ? counts_.messages_in : counts_.misread);
}

void Hall::ended(Client client, Actions& actions) {
  if (members_[client].state != Member::State::leaving) close(client, actions);
}

void Hall::gone(Client client) {
  leave(client);
  members_[client] = Member{};
  free_.push_back(client);
}

// False: the packet may not come now.
bool Hall::handle(Client client, const Packet& packet, Actions& actions) {
  const bool has_entered = members_[client].state == Member::State::entered;
  const auto type = static_cast<Type>(packet.type);
  if (type == Type::server_enter) return !has_entered && enter_server(client, packet, actions);
  if (!has_entered) return false;
  switch (type) {
    case Type::server_exit:
      ++counts_.left;
      exit_server(client, packet, actions);
      break;
    case Type::room_enter:
      enter_room(client, packet, actions);
      break;
    case Type::room_exit:
      exit_room(client, packet, actions);
      break;
    default:
      ++counts_.said;
      speak(client, packet, actions);
  }
  return true;
}

bool Hall::enter_server(Client client, const Packet& packet, Actions& actions) {
  Member& member = members_[client];
  if (member.to_be_reset) {
    member.state = Member::State::leaving;
    actions.push_back({Action::Kind::reset, client, nullptr});
    return true;
  }
  std::string nickname(packet.body.substr(0, packet.body.size() - 1));
  if (!nicknames_.emplace(nickname, client).second) {
    answer(client, Code::nickname_exists, actions);
    return true;
  }
  member.nickname = std::move(nickname);
  member.state = Member::State::entered;
  member.place_in_all = static_cast<std::uint32_t>(entered_.size());
  entered_.push_back(client);
  ++counts_.entered;
  answer(client, Code::created, actions);
  return true;
}

// From the lobby there is neither a reply nor a close: the client hangs up itself.
void Hall::exit_server(Client client, const Packet& packet, Actions& actions) {
  if (!members_[client].room) return;
  deliver(client, shared(packet.whole), actions);
  close(client, actions);
}

void Hall::enter_room(Client client, const Packet& packet, Actions& actions) {
  const auto number = static_cast<std::int32_t>(u32_at(packet.body, name_width));
  Member& member = members_[client];
  if (member.room && *member.room != number) {
    const auto left = rooms_.find(*member.room);
    const Bytes farewell = shared(named_packet(Type::room_exit, member.nickname));
    for (const Client other : left->second) {
      if (other != client) deliver(other, farewell, actions);
    }
    leave_room(client);
  }
  auto& room = rooms_[number];
  if (!member.room) {
    member.room = number;
    member.place_in_room = static_cast<std::uint32_t>(room.size());
    room.push_back(client);
  }
  const Bytes greeting = shared(packet.whole);
  for (const Client other : room) deliver(other, greeting, actions);
}

void Hall::exit_room(Client client, const Packet& packet, Actions& actions) {
  if (!members_[client].room) return;
  const Bytes farewell = shared(packet.whole);
  for (const Client other : rooms_.at(*members_[client].room)) deliver(other, farewell, actions);
  leave_room(client);
}

void Hall::speak(Client client, const Packet& packet, Actions& actions) {
  const Bytes said = shared(packet.whole);
  const Member& member = members_[client];
  if (packet.type == static_cast<std::uint32_t>(Type::broadcast)) {
    for (const Client other : entered_) deliver_chat(other, said, actions);
  } else if (packet.type == static_cast<std::uint32_t>(Type::multicast)) {
    if (!member.room) return;
    for (const Client other : rooms_.at(*member.room)) deliver_chat(other, said, actions);
  } else {
    const auto receiver = nicknames_.find(std::string(name_at(packet.body, 0)));
    if (receiver == nicknames_.end()) return answer(client, Code::not_found, actions);
    deliver_chat(receiver->second, said, actions);
  }
}

void Hall::deliver(Client to, const Bytes& packet, Actions& actions) {
  ++counts_.deliveries;
  actions.push_back({Action::Kind::deliver, to, packet});
}

void Hall::answer(Client to, Code code, Actions& actions) {
  deliver(to, shared(in_dialect(rules_.dialect, server_message(code))), actions);
}

void Hall::deliver_chat(Client to, const Bytes& packet, Actions& actions) {
  ++chat_deliveries_;
  if (rules_.drop_one_in != 0 && chat_deliveries_ % rules_.drop_one_in == 0) {
    ++counts_.dropped;
    return;
  }
  deliver(to, packet, actions);
}

void Hall::close(Client client, Actions& actions) {
  leave(client);
  members_[client].state = Member::State::leaving;
  actions.push_back({Action::Kind::close, client, nullptr});
}

// Takes the client out of every list; its number stays taken until gone().
void Hall::leave(Client client) {
  Member& member = members_[client];
  if (member.state != Member::State::entered) return;
  leave_room(client);
  const Client last = entered_.back();
  entered_[member.place_in_all] = last;
  members_[last].place_in_all = member.place_in_all;
  entered_.pop_back();
  nicknames_.erase(member.nickname);
}

void Hall::leave_room(Client client) {
  Member& member = members_[client];
  if (!member.room) return;
  const auto room = rooms_.find(*member.room);
  const Client last = room->second.back();
  room->second[member.place_in_room] = last;
  members_[last].place_in_room = member.place_in_room;
  room->second.pop_back();
  if (room->second.empty()) rooms_.erase(room);
  member.room.reset();
}

}  // namespace chorus::chat
