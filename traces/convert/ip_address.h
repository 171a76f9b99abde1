// Internet addresses as bytes and text, without a socket library: traces and packets only name them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace chorus::convert {

struct Ip {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4: the first four, the rest 0
  std::size_t size() const noexcept { return v6 ? 16 : 4; }
  friend bool operator==(const Ip&, const Ip&) = default;
};

struct Endpoint {
  Ip ip;
  std::uint16_t port = 0;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "127.0.0.1", "::1", "fe80::1%eth0" (the zone is dropped); nothing for a name.
std::optional<Ip> parse_ip(const std::string& text);
// "127.0.0.1:6667", "[::1]:6667".
std::optional<Endpoint> parse_endpoint(const std::string& text);
std::string show_endpoint(const Endpoint& endpoint);

}  // namespace chorus::convert
