// `chorus import` of captures that lack packets, have them twice or out of order, or have some that no peer
// would believe: no byte is lost or joined over without a word.
#include "tests/import_talk.h"

using namespace chorus;
using namespace chorus::convert::sample;

TEST_CASE("a whole capture is whole, and says so by saying nothing", "[import]") {
  if (unavailable()) return;
  for (const std::uint32_t number : {9000u, 0x90000000u, 0xfffffff9u})
    whole(import_of(Talk(number, number + 7).open().chat().close().packets));
}

TEST_CASE("a handshake that lacks a packet or came in another order loses no byte", "[import]") {
  if (unavailable()) return;
  for (const std::uint32_t number : {9000u, 0x90000000u}) {
    INFO(number);
    const auto talk = [number] { return Talk(number).open().chat().close(); };
    whole(import_of(talk().without(0).packets));
    whole(import_of(talk().without(1).packets));
    whole(import_of(talk().without(2).packets));
    whole(import_of(talk().swap(0, 1).packets));
    whole(import_of(talk().swap(1, 2).packets));
    whole(import_of(talk().swap(0, 1).swap(2, 3).packets));
    whole(import_of(talk().swap(0, 2).without(0).packets));
  }
  const auto greeting = [] { return Talk().open().server(ack | psh, "220\n").chat().close(); };
  whole(import_of(greeting().without(1).packets), "NICK a\nPING\n", "220\nhi a\nPONG\n");
  whole(import_of(greeting().without(1).without(1).packets), "NICK a\nPING\n", "220\nhi a\nPONG\n");
  whole(import_of(greeting().without(1).swap(2, 3).packets), "NICK a\nPING\n", "220\nhi a\nPONG\n");
}

TEST_CASE("a SYN, a SYN+ACK or a RST that comes late is no connection of its own", "[import]") {
  if (unavailable()) return;
  Talk talk = Talk().open().chat().close();
  const auto first = talk.packets[0].datagram, second = talk.packets[1].datagram;
  talk.packets.push_back({talk.now + 1'000'000, second});
  whole(import_of(talk.packets));
  talk.without(0);
  talk.packets.push_back({talk.now + 2'000'000, first});
  whole(import_of(talk.packets));
}

TEST_CASE("bytes before a FIN that were not captured are missing, whoever sent them", "[import]") {
  if (unavailable()) return;
  const auto lost_by_server = import_of(Talk().open().chat().close().without(6).packets);
  lacks(lost_by_server, 0, 5);
  CHECK(lost_by_server.to_server == "NICK a\nPING\n");
  CHECK(lost_by_server.count(EventKind::ClientEnd) == 1);
  CHECK(lost_by_server.count(EventKind::ServerEnd) == 0);
  const auto lost_by_client = import_of(Talk().open().chat().close().without(5).packets);
  lacks(lost_by_client, 5, 0);
  CHECK(lost_by_client.to_client == "hi a\nPONG\n");
}

TEST_CASE("bytes that were acknowledged and never captured are missing", "[import]") {
  if (unavailable()) return;
  lacks(import_of(Talk().open().chat().client(ack | psh, "LOST\n").server(ack).without(7).packets), 5, 0);
  auto one_way = Talk().open().chat().close().packets;
  std::erase_if(one_way, [](const auto& packet) { return packet.datagram[15] == 2; });
  lacks(import_of(one_way), 0, 10);
  one_way = Talk().open().chat().close().packets;
  std::erase_if(one_way, [](const auto& packet) { return packet.datagram[15] == 1; });
  lacks(import_of(one_way), 12, 0);
}

TEST_CASE("a connection that was reset lacks what was not captured before", "[import]") {
  if (unavailable()) return;
  const auto imported = import_of(Talk()
                                      .open()
                                      .chat()
                                      .server(ack | psh, "LOST\n")
                                      .server(ack | psh, "bye\n")
                                      .client(rst | ack)
                                      .without(7)
                                      .packets);
  lacks(imported, 0, 9);
  CHECK(imported.count(EventKind::ClientReset) == 1);
}

TEST_CASE("a connection of which all bytes are missing is nothing to import", "[import]") {
  if (unavailable()) return;
  const Folder folder;
  const auto imported = import_of(Talk().open().client(ack | psh, "LOST\n").server(ack).without(3).packets);
  CHECK(refused(imported.answer, "holds no byte that could be used: 1 of 1 connection lacks 5 bytes",
                folder / "out.trace"));
}

TEST_CASE("what is missing is not held against a connection that goes on for long", "[import]") {
  if (unavailable()) return;
  Talk talk = Talk().open().chat().server(ack | psh, "LOST\n").close().without(7);
  const auto ended = talk.now;
  talk.now += 60'000'000'000;
  talk.client(ack);
  const Folder folder;
  std::string file = convert::pcapng::beginning("test", "test");
  for (const auto& packet : talk.packets)
    convert::pcapng::append_packet(file, packet.time_ns, packet.datagram);
  write_file(folder / "in.pcapng", file);
  convert::ImportOptions options;
  options.input = folder / "in.pcapng";
  options.output = folder / "out.trace";
  const auto report = convert::import_capture(options);
  REQUIRE(report.has_value());
  CHECK(report->missing_bytes == 5);
  REQUIRE(report->lacking.size() == 1);
  CHECK(report->lacking[0].to_client_bytes == 5);
  CHECK(report->incomplete == "1 of 1 connection lacks 5 bytes: packets are missing in the capture");
  const auto trace = loaded_in_part(folder / "out.trace");
  CHECK(trace.start.wall_ns + trace.events.back().time.count() >= static_cast<std::int64_t>(ended));
}

TEST_CASE("a recording that began in the middle joins nothing over a hole", "[import]") {
  if (unavailable()) return;
  for (const std::uint32_t number : {9000u, 0x90000000u}) {
    const auto talk = [number] {
      return Talk(number, number + 5)
          .server(ack | psh, "tail\n")
          .client(ack | psh, "MID\n")
          .server(ack | psh, "ONE\n")
          .client(ack)
          .server(ack | psh, "TWO\n")
          .client(ack)
          .server(ack | psh, "THREE\n")
          .client(ack)
          .close();
    };
    const std::vector<std::string> partial{"--partial", "--port", "6667"};
    const auto swapped = import_of(talk().swap(2, 4).packets, partial);
    CHECK(swapped.to_client == "tail\nONE\nTWO\nTHREE\n");
    CHECK(swapped.last().empty());
    CHECK(swapped.incomplete == "1 connection taken without the beginning");
    const auto lost = import_of(talk().without(2).packets, partial);
    CHECK(lost.to_client == "tail\n");
    CHECK(lost.to_server == "MID\n");
    lacks(lost, 0, 14);
    CHECK(has(lost.incomplete, "; 1 connection taken without the beginning"));
    // --partial changes nothing for a connection with a beginning.
    lacks(
        import_of(Talk(number).open().chat().server(ack | psh, "ONE\n").close().without(4).packets, partial),
        0, 14);
    whole(import_of(Talk(number).open().chat().close().packets, partial));
  }
  const auto probed =
      import_of(Talk().client(ack, std::string(1, '\0'), -1).server(ack).client(ack | psh, "HI\n").packets,
                {"--partial", "--port", "6667"});
  CHECK(probed.to_server == "HI\n");
}

TEST_CASE("bytes on a SYN are kept, and wait for the server's answer", "[import]") {
  if (unavailable()) return;
  const auto talk = [] { return Talk().client(syn, "EARLY\n").server(syn | ack).client(ack); };
  const auto imported = import_of(talk().chat().close().packets);
  whole(imported, "EARLY\nNICK a\nPING\n");
  CHECK(imported.count(EventKind::ClientEnd) == 1);
  CHECK(imported.events[1].second == "EARLY\n");
  whole(import_of(talk().chat().close().swap(0, 1).packets), "EARLY\nNICK a\nPING\n");
  const auto refusal = import_of(Talk().client(syn, "EARLY\n").server(rst | ack).packets);
  CHECK(refusal.answer.err.empty());
  CHECK(refusal.incomplete.empty());
  REQUIRE(refusal.events.size() == 1);
  CHECK(refusal.events[0].first == EventKind::Refused);
}

TEST_CASE("what was sent twice, and probes whether somebody is there, are no events", "[import]") {
  if (unavailable()) return;
  const Talk talk = Talk().open().chat().close();
  std::vector<Talk::Packet> twice;
  for (const auto& packet : talk.packets) {
    twice.push_back(packet);
    twice.push_back({packet.time_ns + 1000, packet.datagram});
  }
  const auto plain = import_of(talk.packets), doubled = import_of(twice);
  whole(doubled);
  CHECK(doubled.events == plain.events);
  const auto probed = import_of(Talk()
                                    .open()
                                    .chat()
                                    .client(ack, std::string(1, '\0'), -1)
                                    .server(ack)
                                    .client(ack, "", -1)
                                    .server(ack)
                                    .server(ack, std::string(1, '\0'), -1)
                                    .client(ack)
                                    .close()
                                    .packets);
  whole(probed);
  CHECK(probed.events == plain.events);
  whole(import_of(Talk().open().chat().client(ack | psh, "PING\n", -5).close().packets));
}

TEST_CASE("a RST that nobody would believe ends nothing", "[import]") {
  if (unavailable()) return;
  const auto imported = import_of(Talk()
                                      .open()
                                      .chat()
                                      .server(rst, "", 500'000'000)
                                      .client(ack | psh, "still\n")
                                      .server(ack | psh, "yes\n")
                                      .close()
                                      .packets);
  CHECK(has(imported.answer.err, "1 packet left out: outside the window"));
  CHECK(imported.to_server == "NICK a\nPING\nstill\n");
  CHECK(imported.to_client == "hi a\nPONG\nyes\n");
  CHECK(imported.last().empty());
  const auto early =
      import_of(Talk().open().chat().server(ack | psh, "bye\n").server(rst | ack).swap(7, 8).packets);
  CHECK(early.to_client == "hi a\nPONG\nbye\n");
  CHECK(early.last() == "server reset");
}

TEST_CASE("packets whose times say that they were captured out of order are put in order", "[import]") {
  if (unavailable()) return;
  Talk talk = Talk().open().chat().server(ack | psh, "bye\n").client(rst);
  auto shuffled = talk.packets;
  for (std::size_t i = 0; i + 1 < shuffled.size(); i += 2) std::swap(shuffled[i], shuffled[i + 1]);
  std::swap(shuffled[7], shuffled[8]);
  CHECK(import_of(shuffled).events == import_of(talk.packets).events);
  // A clock that was set back is no disorder.
  for (std::size_t i = 6; i < talk.packets.size(); ++i) talk.packets[i].time_ns -= 5'000'000'000;
  whole(import_of(talk.packets), "NICK a\nPING\n", "hi a\nPONG\nbye\n");
}

TEST_CASE("a capture that is packed, or holds several kinds of link, is answered with what to do",
          "[import]") {
  if (unavailable()) return;
  const Folder folder;
  const std::string in = (folder / "in.pcap").string(), out = (folder / "out.trace").string();
  const auto attempt = [&](const std::string& bytes) {
    write_file(in, bytes);
    return run(convert::add_import_command, "import", {in, "-o", out});
  };
  CHECK(refused(attempt(std::string("\x1f\x8b\x08\0\0\0\0\0", 8)), "gzip, unpack it first", out));
  CHECK(refused(attempt("\x28\xb5\x2f\xfd and more"), "zstd, unpack it first", out));
  // A second interface, of Ethernet beside raw IP, and a packet of it.
  std::string mixed = convert::pcapng::beginning("test", "test");
  const Talk talk = Talk().open().chat().close();
  for (const auto& packet : talk.packets)
    convert::pcapng::append_packet(mixed, packet.time_ns, packet.datagram);
  mixed += std::string("\x01\0\0\0\x14\0\0\0\x01\0\0\0\0\0\x04\0\x14\0\0\0", 20);
  CHECK(refused(attempt(mixed), "several interfaces", out));
}

TEST_CASE("a port scan costs little memory and is refused, connection by connection", "[import]") {
  if (unavailable()) return;
  std::vector<Talk::Packet> packets;
  for (int i = 0; i < 3000; ++i) {
    std::string one = Talk::datagram(0, 1000, 0, syn, "");
    one[13] = static_cast<char>(i & 0xff);
    one[14] = static_cast<char>(i >> 8);
    packets.push_back({1'700'000'000'000'000'000 + static_cast<std::uint64_t>(i), one});
  }
  const auto imported = import_of(packets);
  CHECK(imported.count(EventKind::Refused) == 3000);
  CHECK(imported.answer.err.empty());
}
