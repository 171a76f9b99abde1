#include "traces/convert/ip_address.h"

#include "traces/format/quantity.h"

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#endif

namespace chorus::convert {

std::optional<Ip> parse_ip(const std::string& text) {
  const std::string address = text.substr(0, text.find('%'));
  Ip ip;
  if (::inet_pton(AF_INET, address.c_str(), ip.bytes.data()) == 1) return ip;
  ip.v6 = true;
  if (::inet_pton(AF_INET6, address.c_str(), ip.bytes.data()) == 1) return ip;
  return std::nullopt;
}

std::optional<Endpoint> parse_endpoint(const std::string& text) {
  const auto address = parse_address(text, true);
  if (!address) return std::nullopt;
  const auto ip = parse_ip(address->host);
  if (!ip) return std::nullopt;
  return Endpoint{*ip, address->port};
}

std::string show_endpoint(const Endpoint& endpoint) {
  char text[64] = "";
  ::inet_ntop(endpoint.ip.v6 ? AF_INET6 : AF_INET, endpoint.ip.bytes.data(), text, sizeof text);
  return show_address({text, endpoint.port});
}

}  // namespace chorus::convert
