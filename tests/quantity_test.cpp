#include "traces/format/quantity.h"

#include <catch2/catch.hpp>

namespace chorus {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

TEST_CASE("a duration is read in every unit", "[quantity]") {
  CHECK(parse_duration("7ns").value() == 7ns);
  CHECK(parse_duration("300us").value() == 300us);
  CHECK(parse_duration("5ms").value() == 5ms);
  CHECK(parse_duration("1.5s").value() == 1500ms);
  CHECK(parse_duration("2m").value() == 2min);
  CHECK(parse_duration("1.25h").value() == 75min);
  CHECK(parse_duration("0").value() == 0ns);
  CHECK(parse_duration("0.0").value() == 0ns);
  CHECK(parse_duration("1.000000001s").value() == 1'000'000'001ns);
  CHECK(parse_duration("87600h").value() == 87600h);
}

TEST_CASE("what is no duration is refused with a word about it", "[quantity]") {
  for (const char* text :
       {"", "5", "1.5", "-1s", "+1s", "1e3s", "nan", "inf", "s", ".5s", "5.s", "1.2.3s", "5 ms", "5msx", "5M",
        "ms5", "100000h", "99999999999999999999999s", "18446744073709551615h"}) {
    INFO('"' << text << '"');
    const auto duration = parse_duration(text);
    REQUIRE(!duration.has_value());
    CHECK(duration.error().what.find('"' + std::string(text) + '"') == 0);
  }
  CHECK(parse_duration("5").error().what == "\"5\" has no unit; write for instance 5ms or 5s");
}

TEST_CASE("a duration is shown as short as it can be", "[quantity]") {
  CHECK(show_duration(0ns) == "0");
  CHECK(show_duration(1ns) == "1ns");
  CHECK(show_duration(1'250us) == "1.25ms");
  CHECK(show_duration(300us) == "300us");
  CHECK(show_duration(1'234'567ns) == "1.235ms");
  CHECK(show_duration(999'999'999ns) == "1s");
  CHECK(show_duration(1500ms) == "1.5s");
  CHECK(show_duration(90s) == "90s");
  CHECK(show_duration(100s) == "100s");
  CHECK(show_duration(2min) == "2m");
  CHECK(show_duration(90min) == "90m");
  CHECK(show_duration(24h) == "24h");
  CHECK(show_duration(-1500us) == "-1.5ms");
  CHECK(show_duration(nanoseconds::min()) == "-9223372036.855s");
}

TEST_CASE("a shown duration is read back as itself", "[quantity]") {
  for (const nanoseconds duration :
       {nanoseconds(1), nanoseconds(999), nanoseconds(1001), nanoseconds(5ms), nanoseconds(30s),
        nanoseconds(61s), nanoseconds(2h), nanoseconds(8760h)}) {
    CHECK(parse_duration(show_duration(duration)).value() == duration);
  }
}

TEST_CASE("sizes are read and shown in powers of two", "[quantity]") {
  CHECK(parse_size("64KiB").value() == 65536);
  CHECK(parse_size("1.5MiB").value() == 1'572'864);
  CHECK(parse_size("2GiB").value() == std::uint64_t{2} << 30);
  CHECK(parse_size("17").value() == 17);
  CHECK(parse_size("17B").value() == 17);
  CHECK(show_size(0) == "0B");
  CHECK(show_size(1023) == "1023B");
  CHECK(show_size(65536) == "64KiB");
  CHECK(show_size(1'572'864) == "1.5MiB");
  CHECK(show_size((std::uint64_t{1} << 30) - 1) == "1GiB");
  for (const char* text : {"", "-1", "1.5", "1.5B", "64KB", "64kb", "KiB", "1e6", "99999999999GiB"}) {
    INFO('"' << text << '"');
    CHECK(!parse_size(text).has_value());
  }
}

TEST_CASE("an address is a host and a port", "[quantity]") {
  const auto plain = parse_address("127.0.0.1:6667").value();
  CHECK(plain.host == "127.0.0.1");
  CHECK(plain.port == 6667);
  const auto six = parse_address("[::1]:1").value();
  CHECK(six.host == "::1");
  CHECK(show_address(six) == "[::1]:1");
  CHECK(show_address(parse_address("localhost:65535").value()) == "localhost:65535");
  CHECK(parse_address("localhost:0", true).value().port == 0);
}

TEST_CASE("what is no address is refused with a word about it", "[quantity]") {
  for (const char* text : {"", "localhost", ":6667", "localhost:", "localhost:0", "localhost:65536",
                           "localhost:-1", "localhost:+1", "localhost:12x", "::1:6667", "[::1]", "[]:1",
                           "[localhost]:1", "a b:1", "irc://host:6667", "host/:1"}) {
    INFO('"' << text << '"');
    const auto address = parse_address(text);
    REQUIRE(!address.has_value());
    CHECK(address.error().what.find("write host:port") != std::string::npos);
  }
}

TEST_CASE("a hash is shown as 16 digits", "[quantity]") {
  CHECK(hex(0x1f) == "000000000000001f");
  CHECK(hex(~std::uint64_t{0}) == "ffffffffffffffff");
}

TEST_CASE("asking a Trouble for its value is a bug that says where", "[quantity]") {
  CHECK_THROWS_WITH(parse_duration("5").value(), Catch::Contains("has no unit"));
}

}  // namespace
}  // namespace chorus
