// Durations, sizes and addresses as the command line spells them: "5ms", "1.5s", "2m"; "64KiB"; "host:port".
#pragma once

#include "traces/format/trouble.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace chorus {

// Units: ns, us, ms, s, m, h; a unit is required except for 0. Refuses what is negative, not finite or over
// 10 years.
Expected<std::chrono::nanoseconds> parse_duration(std::string_view text);
// The shortest spelling with at most three decimals: "1.25ms", "300us", "2m", "0". A negative one has a "-".
std::string show_duration(std::chrono::nanoseconds duration);

Expected<std::uint64_t> parse_size(std::string_view text);  // B, KiB, MiB, GiB; a bare number is bytes
std::string show_size(std::uint64_t bytes);

struct Address {
  std::string host;
  std::uint16_t port = 0;
};
// "127.0.0.1:6667", "localhost:6667", "[::1]:6667". Port 0 is allowed only when `any_port` is.
Expected<Address> parse_address(std::string_view text, bool any_port = false);
std::string show_address(const Address& address);

std::string hex(std::uint64_t value);  // 16 digits, for hashes

}  // namespace chorus
