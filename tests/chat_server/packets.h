// The packets of the length/type chat, in the form the embedded server speaks: u16 Length (the bytes that
// follow the header), u16 Type, body; all numbers little-endian. Builders and a reader, pure, so that the
// server, the scripted client and the tests agree on every byte. What the chat makes of a packet stands in
// hall.h.
//
// The original server's dialect has the same bytes behind the Length, but other things stand in it: so one
// function turns a packet of the regular form into one of the dialect, and the reader is told which it reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace chorus::chat {

enum class Type : std::uint16_t {
  server_enter = 11,    // nickname, NUL
  server_exit = 12,     // nickname, NUL
  room_enter = 21,      // char[32] nickname, i32 room
  room_exit = 22,       // nickname, NUL
  broadcast = 31,       // char[32] sender, text (no NUL)
  multicast = 32,       // char[32] sender, text
  unicast = 33,         // char[32] receiver, char[32] sender, text
  server_message = 51,  // u32 code, from the server only
};
enum class Code : std::uint32_t { nickname_exists = 1, created = 2, not_found = 3 };

enum class Dialect : std::uint8_t { regular, original };

inline constexpr std::size_t header_size = 4;
inline constexpr std::size_t name_width = 32;  // bytes, the NUL included
inline constexpr std::size_t text_limit = 900;

inline void append_u16(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value & 0xff));
  out.push_back(static_cast<char>(value >> 8 & 0xff));
}
inline void append_u32(std::string& out, std::uint32_t value) {
  append_u16(out, value & 0xffff);
  append_u16(out, value >> 16);
}
inline std::uint32_t u16_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]) | static_cast<unsigned char>(bytes[at + 1]) << 8;
}
inline std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
  return u16_at(bytes, at) | u16_at(bytes, at + 2) << 16;
}

// `body` holds at most 65535 bytes.
inline std::string packet(Type type, std::string_view body) {
  std::string out;
  out.reserve(header_size + body.size());
  append_u16(out, static_cast<unsigned>(body.size()));
  append_u16(out, static_cast<unsigned>(type));
  return out.append(body);
}

// A name in its fixed width, padded with NULs; a longer one is cut so that one NUL remains.
inline std::string name_field(std::string_view name) {
  std::string field(name.substr(0, name_width - 1));
  field.resize(name_width, '\0');
  return field;
}
// The name in a fixed-width field at `at`, without its padding. `body` holds the whole field.
inline std::string_view name_at(std::string_view body, std::size_t at) {
  const std::string_view field = body.substr(at, name_width);
  return field.substr(0, field.find('\0'));
}

// server_enter, server_exit, room_exit.
inline std::string named_packet(Type type, std::string_view nickname) {
  return packet(type, std::string(nickname).append(1, '\0'));
}
inline std::string room_enter(std::string_view nickname, std::int32_t room) {
  std::string body = name_field(nickname);
  append_u32(body, static_cast<std::uint32_t>(room));
  return packet(Type::room_enter, body);
}
// broadcast, multicast.
inline std::string chat_packet(Type type, std::string_view sender, std::string_view text) {
  return packet(type, name_field(sender).append(text));
}
inline std::string unicast(std::string_view receiver, std::string_view sender, std::string_view text) {
  return packet(Type::unicast, name_field(receiver).append(name_field(sender)).append(text));
}
inline std::string server_message(Code code) {
  std::string body;
  append_u32(body, static_cast<std::uint32_t>(code));
  return packet(Type::server_message, body);
}

// `packet` is whole and of the regular form. In the original, the Length of ROOM_ENTER is that of the
// nickname with its NUL, of UNICAST that of the text alone, and of SERVER_MESSAGE that of the whole packet.
inline std::string in_dialect(Dialect dialect, std::string packet) {
  std::size_t length = u16_at(packet, 0);
  const auto type = static_cast<Type>(u16_at(packet, 2));
  if (dialect == Dialect::regular) return packet;
  if (type == Type::room_enter) length = name_at(packet, header_size).size() + 1;
  if (type == Type::unicast) length -= 2 * name_width;
  if (type == Type::server_message) length += header_size;
  packet[0] = static_cast<char>(length & 0xff);
  packet[1] = static_cast<char>(length >> 8 & 0xff);
  return packet;
}
// How many bytes follow the header that `bytes` begin with.
inline std::size_t body_size(Dialect dialect, std::string_view bytes) {
  const std::size_t length = u16_at(bytes, 0);
  if (dialect == Dialect::regular) return length;
  switch (static_cast<Type>(u16_at(bytes, 2))) {
    case Type::room_enter:
      return name_width + 4;
    case Type::unicast:
      return 2 * name_width + length;
    case Type::server_message:
      return 4;
    default:
      return length;
  }
}

struct Packet {
  std::uint32_t type;     // as received: any number
  std::string_view body;  // without the header
  std::string_view whole;
};
// The first packet of `bytes`, which it is taken from; nothing when it has not arrived whole.
inline std::optional<Packet> take_packet(std::string_view& bytes, Dialect dialect = Dialect::regular) {
  if (bytes.size() < header_size) return std::nullopt;
  const std::size_t size = header_size + body_size(dialect, bytes);
  if (bytes.size() < size) return std::nullopt;
  const std::string_view whole = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return Packet{u16_at(whole, 2), whole.substr(header_size), whole};
}

}  // namespace chorus::chat
