// What the packets of one connection say, without captures and without whoever puts bytes in order.
#include "traces/convert/tcp_evidence.h"

#include <string>

#include <catch2/catch.hpp>

using chorus::convert::TcpEvidence;
using chorus::convert::TcpSegment;
using Side = TcpEvidence::Side;

namespace {

constexpr std::uint8_t fin = TcpSegment::fin, syn = TcpSegment::syn, rst = TcpSegment::rst,
                       psh = TcpSegment::psh, ack = TcpSegment::acknowledges;
constexpr std::uint32_t client_first = 1001, server_first = 0x90000001;

TcpSegment segment(std::uint32_t seq, std::uint32_t acked, std::uint8_t flags, std::string_view text = {}) {
  return {seq, acked, flags, text, static_cast<std::uint32_t>(text.size())};
}

// Takes it, and takes its new bytes for delivered where nothing before them is missing.
bool takes(TcpEvidence& tcp, Side side, const TcpSegment& one) {
  const auto verdict = tcp.take(side, one);
  if (verdict.fresh) {
    tcp.settle_beginning(side);
    tcp.delivered(side, one.payload.size());
  }
  return !verdict.outside;
}

TcpEvidence opened() {
  TcpEvidence tcp;
  CHECK(takes(tcp, Side::client, segment(client_first - 1, 0, syn)));
  CHECK_FALSE(tcp.answered());
  CHECK(takes(tcp, Side::server, segment(server_first - 1, client_first, syn | ack)));
  CHECK(tcp.answered());
  return tcp;
}

}  // namespace

TEST_CASE("a connection of which every packet was captured lacks nothing", "[import]") {
  TcpEvidence tcp = opened();
  CHECK(takes(tcp, Side::client, segment(client_first, server_first, ack | psh, "hello")));
  CHECK(takes(tcp, Side::server, segment(server_first, client_first + 5, ack | psh, "hi")));
  CHECK(takes(tcp, Side::client, segment(client_first + 5, server_first + 2, ack | fin)));
  CHECK(tcp.ended(Side::client));
  CHECK_FALSE(tcp.over());
  CHECK(takes(tcp, Side::server, segment(server_first + 2, client_first + 6, ack | fin)));
  CHECK(takes(tcp, Side::client, segment(client_first + 6, server_first + 3, ack)));
  CHECK(tcp.over());
  CHECK(tcp.missing() == 0);
}

TEST_CASE("a direction begins where the SYN+ACK, else the first acknowledgement or packet says", "[import]") {
  SECTION("only the SYN+ACK") {
    TcpEvidence tcp;
    CHECK(takes(tcp, Side::server, segment(server_first - 1, client_first, syn | ack)));
    CHECK(tcp.begins_at(client_first));
    CHECK_FALSE(tcp.begins_at(client_first + 70'000));
    CHECK(takes(tcp, Side::client, segment(client_first - 1, 0, syn)));
    CHECK(tcp.beginning(Side::client) == client_first);
    CHECK(tcp.beginning(Side::server) == server_first);
  }
  SECTION("no SYN+ACK, the client acknowledges it") {
    TcpEvidence tcp;
    takes(tcp, Side::client, segment(client_first - 1, 0, syn));
    takes(tcp, Side::client, segment(client_first, server_first, ack));
    CHECK(tcp.answered());
    CHECK(tcp.beginning(Side::server) == server_first);
    CHECK_FALSE(tcp.take(Side::server, segment(server_first + 3, client_first, ack, "second")).outside);
    CHECK(tcp.missing(Side::server) == 9);
  }
  SECTION("no SYN+ACK, the server's first bytes after what acknowledges them") {
    TcpEvidence tcp;
    takes(tcp, Side::client, segment(client_first - 1, 0, syn));
    takes(tcp, Side::client, segment(client_first, server_first + 5, ack | psh, "late"));
    takes(tcp, Side::server, segment(server_first, client_first, ack | psh, "first"));
    CHECK(tcp.beginning(Side::server) == server_first);
    CHECK(tcp.missing() == 0);
  }
  SECTION("the third packet before the SYN+ACK") {
    TcpEvidence tcp;
    takes(tcp, Side::client, segment(client_first - 1, 0, syn));
    takes(tcp, Side::client, segment(client_first, server_first, ack));
    takes(tcp, Side::server, segment(server_first - 1, client_first, syn | ack));
    CHECK(tcp.beginning(Side::server) == server_first);
    CHECK(tcp.missing() == 0);
  }
  SECTION("a probe is no beginning") {
    TcpEvidence tcp;
    takes(tcp, Side::client, segment(client_first - 1, server_first, ack, std::string_view("\0", 1)));
    CHECK(tcp.beginning(Side::client) == client_first);
    takes(tcp, Side::client, segment(client_first, server_first, ack | psh, "hello"));
    CHECK(tcp.missing() == 0);
  }
  SECTION("bytes before the beginning that came too late are missing") {
    TcpEvidence tcp;
    takes(tcp, Side::client, segment(client_first + 4, server_first, ack | psh, "two"));
    takes(tcp, Side::client, segment(client_first, server_first, ack | psh, "one."));
    CHECK(tcp.missing(Side::client) == 4);
  }
}

TEST_CASE("repeated bytes and probes are not fresh", "[import]") {
  TcpEvidence tcp = opened();
  const auto hello = segment(client_first, server_first, ack | psh, "hello");
  CHECK(tcp.take(Side::client, hello).fresh);
  tcp.delivered(Side::client, 5);
  CHECK_FALSE(tcp.take(Side::client, hello).fresh);
  CHECK_FALSE(tcp.take(Side::client, segment(client_first + 4, server_first, ack)).fresh);
  CHECK_FALSE(tcp.take(Side::client, segment(client_first + 4, server_first, ack, "o")).fresh);
  CHECK(tcp.take(Side::client, segment(client_first + 3, server_first, ack, "lo there")).fresh);
  CHECK(tcp.missing(Side::client) == 6);
}

TEST_CASE("bytes are known to be missing by what is behind them or was acknowledged", "[import]") {
  TcpEvidence tcp = opened();
  SECTION("packets behind") {
    tcp.take(Side::client, segment(client_first + 10, server_first, ack | psh, "hello"));
    CHECK(tcp.missing(Side::client) == 15);
  }
  SECTION("a FIN behind") {
    takes(tcp, Side::client, segment(client_first + 10, server_first, ack | fin));
    takes(tcp, Side::client, segment(client_first + 11, server_first, ack));
    takes(tcp, Side::server, segment(server_first, client_first + 11, ack));
    CHECK(tcp.missing(Side::client) == 10);
    CHECK_FALSE(tcp.ended(Side::client));
  }
  SECTION("an acknowledgement, and the rest is a FIN's") {
    takes(tcp, Side::server, segment(server_first, client_first + 10, ack));
    CHECK(tcp.missing(Side::client) == 10);
    takes(tcp, Side::server, segment(server_first, client_first + 11, ack));
    CHECK(tcp.missing(Side::client) == 10);
  }
  SECTION("what was cut off a packet") {
    TcpSegment cut = segment(client_first, server_first, ack | psh, "hel");
    cut.length = 5;
    CHECK(takes(tcp, Side::client, cut));
    CHECK(tcp.missing(Side::client) == 2);
  }
}

TEST_CASE("a RST counts where the other side can believe it", "[import]") {
  TcpEvidence tcp = opened();
  takes(tcp, Side::server, segment(server_first, client_first, ack | psh, "hello"));
  SECTION("far outside the window") {
    CHECK_FALSE(takes(tcp, Side::server, segment(server_first + 500'000'000, 0, rst)));
    CHECK_FALSE(takes(tcp, Side::server, segment(server_first - 500'000'000, 0, rst)));
    CHECK_FALSE(tcp.over());
  }
  SECTION("what comes next") {
    CHECK(takes(tcp, Side::server, segment(server_first + 5, client_first, rst | ack)));
    CHECK(tcp.reset_by() == Side::server);
    CHECK(tcp.missing() == 0);
  }
  SECTION("before the last bytes") {
    CHECK(takes(tcp, Side::server, segment(server_first + 11, client_first, rst | ack)));
    CHECK(tcp.missing(Side::server) == 6);
    takes(tcp, Side::server, segment(server_first + 5, client_first, ack | psh, " again"));
    CHECK(tcp.reset_by() == Side::server);
    CHECK(tcp.missing() == 0);
  }
  SECTION("who goes on was not reset") {
    CHECK(takes(tcp, Side::server, segment(server_first + 7, client_first, rst | ack)));
    takes(tcp, Side::server, segment(server_first + 5, client_first, ack | psh, " again"));
    CHECK_FALSE(tcp.over());
  }
}

TEST_CASE("numbers go round any number of times", "[import]") {
  TcpEvidence tcp = opened();
  const std::string mebibyte(1 << 20, 'x');
  std::uint64_t sent = 0;
  for (; sent < 9ull << 30; sent += mebibyte.size())
    if (!takes(tcp, Side::server,
               segment(server_first + static_cast<std::uint32_t>(sent), client_first, ack, mebibyte)) ||
        tcp.missing() != 0)
      FAIL("after " << sent);
  tcp.take(Side::server,
           segment(server_first + static_cast<std::uint32_t>(sent) + 3, client_first, ack, "abc"));
  CHECK(tcp.missing(Side::server) == 6);
  std::uint64_t acked = 0;  // a direction of which no packet was captured
  for (; acked < 9ull << 30; acked += mebibyte.size())
    takes(tcp, Side::server,
          segment(server_first + static_cast<std::uint32_t>(sent),
                  client_first + static_cast<std::uint32_t>(acked), ack));
  CHECK(tcp.missing(Side::client) == acked - mebibyte.size());
}

TEST_CASE("packets of an older connection are not believed", "[import]") {
  TcpEvidence tcp;
  takes(tcp, Side::client, segment(client_first - 1, 0, syn));
  CHECK_FALSE(takes(tcp, Side::server, segment(77, client_first - 400'000, ack)));
  CHECK_FALSE(takes(tcp, Side::client, segment(client_first - 400'000, 0, rst)));
  CHECK_FALSE(tcp.answered());
  CHECK_FALSE(tcp.over());
  CHECK(takes(tcp, Side::server, segment(server_first - 1, client_first, syn | ack)));
  CHECK(tcp.beginning(Side::server) == server_first);
}
