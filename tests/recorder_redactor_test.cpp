// What may reach the disk, as pure code: events in, events out. That it also holds on a disk is tested in
// loop/recorder_redaction_test.cpp.
#include "recorder/leg.h"
#include "recorder/redactor.h"
#include "recorder/summary.h"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::recorder;
using namespace std::chrono_literals;
using format::EventKind;

namespace {

std::shared_ptr<const protocol::Page> page(std::string_view name) {
  auto found = protocol::Page::find(name);
  REQUIRE(found.has_value());
  return std::make_shared<const protocol::Page>(std::move(*found));
}

protocol::Pattern pattern(std::string_view text) {
  auto compiled = protocol::Pattern::compile(text);
  REQUIRE(compiled.has_value());
  return *compiled;
}

Redaction secrets_of(std::string_view name) {
  Redaction redaction;
  redaction.page = page(name);
  redaction.secrets = {redaction.page->has_secrets(protocol::Side::client),
                       redaction.page->has_secrets(protocol::Side::server)};
  return redaction;
}

// One connection; what may be written is listed as "kind@milliseconds text".
struct Bench {
  explicit Bench(Redaction wanted) : redaction(std::move(wanted)) {}
  void add(EventKind kind, std::string_view payload, int at) {
    const std::string bytes(payload);  // nobody may keep a borrowed one
    redactor.add({.time = std::chrono::milliseconds(at),
                  .connection = 3,
                  .kind = kind,
                  .payload = bytes,
                  .intended = {}},
                 ready());
  }
  void client(std::string_view bytes, int at = 0) { add(EventKind::ToServer, bytes, at); }
  void server(std::string_view bytes, int at = 0) { add(EventKind::ToClient, bytes, at); }
  void finish() { redactor.finish(ready()); }
  Redactor::Ready ready() {
    return [this](const format::Event& event) {
      CHECK(event.connection == 3);
      written.push_back(std::string(schema::EnumNameEventKind(event.kind)) + "@" +
                        std::to_string(event.time / 1ms) + " " + std::string(event.payload));
    };
  }

  Redaction redaction;
  Redacted redacted;
  Redactor redactor{redaction, redacted};
  std::vector<std::string> written;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a password that the page knows is blanked at the same length, and the rest stays") {
  Bench bench(secrets_of("irc"));
  bench.client("PASS hunter2\r\nNICK alice\r\npass :a b\r\n", 5);
  CHECK(bench.written == Lines{"ToServer@5 PASS xxxxxxx\r\nNICK alice\r\npass :xxx\r\n"});
  CHECK(bench.redacted.sides[0].secrets == 2);
}

TEST_CASE("a login of a version that the page does not know is blanked whole, and later messages are read") {
  const std::string mqtt31("\x10\x1c\x00\x06MQIsdp\x03\xc2\x00\x3c\x00\x02id\x00\x02me\x00\x06secret", 30);
  const std::string mqtt5("\x10\x1b\x00\x04MQTT\x05\xc2\x00\x3c\x00\x00\x02id\x00\x02me\x00\x06secret", 29);
  const std::string ping("\xc0\x00", 2);
  for (const std::string& connect : {mqtt31, mqtt5}) {
    Bench bench(secrets_of("mqtt"));
    bench.client(connect, 1);
    bench.client(ping, 2);
    REQUIRE(bench.written.size() == 2);
    CHECK(bench.written[0] == "ToServer@1 " + connect.substr(0, 2) + std::string(connect.size() - 2, 'x'));
    CHECK(bench.written[1] == "ToServer@2 " + ping);
    CHECK(bench.redacted.sides[0].blank_bytes == connect.size() - 2);
  }
  Bench known(secrets_of("mqtt5"));
  known.client(mqtt5, 1);
  CHECK(known.written[0] == "ToServer@1 " + mqtt5.substr(0, mqtt5.size() - 6) + "xxxxxx");
}

TEST_CASE(
    "a password that comes in pieces waits until its message is whole, and every piece keeps its time and "
    "size") {
  Bench bench(secrets_of("irc"));
  bench.add(EventKind::Opened, "a b", 0);
  bench.client("NICK al", 1);
  bench.client("ice\r\nPASS hun", 2);
  CHECK(bench.written == Lines{"Opened@0 a b", "ToServer@1 NICK al"});
  bench.client("te", 3);
  bench.server("NOTICE :wait\r\n", 4);
  CHECK(bench.written.size() == 2);
  bench.client("r2\r\n", 5);
  CHECK(bench.written == Lines{"Opened@0 a b", "ToServer@1 NICK al", "ToServer@2 ice\r\nPASS xxx",
                               "ToServer@3 xx", "ToClient@4 NOTICE :wait\r\n", "ToServer@5 xx\r\n"});
}

TEST_CASE("cut anywhere, a login leaves no byte of its password, and all of everything else") {
  const std::string login = "CAP LS\r\nPASS hunter2\r\nNICK alice\r\n",
                    kept = "CAP LS\r\nPASS xxxxxxx\r\nNICK alice\r\n";
  for (std::size_t cut = 1; cut < login.size(); ++cut) {
    Bench bench(secrets_of("irc"));
    bench.client(login.substr(0, cut), 1);
    bench.client(login.substr(cut), 2);
    INFO(cut);
    CHECK(bench.written == Lines{"ToServer@1 " + kept.substr(0, cut), "ToServer@2 " + kept.substr(cut)});
  }
}

TEST_CASE("a message that never ends is blanked as far as it came") {
  Bench bench(secrets_of("irc"));
  bench.client("NICK alice\r\nPASS hunt", 1);
  bench.add(EventKind::ClientEnd, "", 2);
  CHECK(bench.written.empty());
  bench.finish();
  CHECK(bench.written == Lines{"ToServer@1 NICK alice\r\nxxxxxxxxx", "ClientEnd@2 "});
  CHECK(bench.redacted.sides[0].blank_bytes == 9);
}

TEST_CASE(
    "what waits is bounded: a client that never finishes its message does not keep the server's bytes in "
    "memory") {
  Bench bench(secrets_of("irc"));
  bench.client("PASS hunt", 1);
  const std::string line = std::string(998, 'a') + "\r\n";
  for (std::size_t sent = 0; sent <= most_held; sent += line.size()) bench.server(line, 2);
  REQUIRE(bench.written.size() > 1);
  CHECK(bench.written[0] == "ToServer@1 xxxxxxxxx");
  bench.client("er2\r\nPASS again\r\n", 3);  // where its messages begin is not known any more
  CHECK(bench.written.back() == "ToServer@3 " + std::string(17, 'x'));
}

TEST_CASE("where the client's bytes are no messages of the page, nothing of them is kept") {
  Redaction redaction = secrets_of("mqtt");
  REQUIRE(redaction.secrets[0]);
  Bench bench(std::move(redaction));
  bench.client(std::string_view("\x10\xff\xff\xff\xff\xff\xff", 7));
  CHECK(bench.written == Lines{"ToServer@0 xxxxxxx"});
}

TEST_CASE("a password inside base64 is blanked inside it, and the text stays base64 of the same length") {
  Bench bench(secrets_of("xmpp"));
  const std::string head = "<stream:stream to='here'>",
                    auth = "<auth mechanism='PLAIN'>AGFsaWNlAGh1bnRlcjI=</auth>";
  bench.client(head + auth);  // \0alice\0hunter2
  CHECK(bench.written == Lines{"ToServer@0 " + head + "<auth mechanism='PLAIN'>AGFsaWNlAHh4eHh4eHg=</auth>"});
  CHECK(bench.redacted.sides[0].secrets == 1);
}

TEST_CASE("every way that IRC has to say a password is known") {
  const auto blanked = [](std::string_view line) {
    Bench bench(secrets_of("irc"));
    bench.client(std::string(line) + "\r\n");
    return bench.written.at(0).substr(11, line.size());
  };
  CHECK(blanked("@a=b :me PASS hunter2") == "@a=b :me PASS xxxxxxx");
  CHECK(blanked("OPER root hunter2") == "OPER root xxxxxxx");
  CHECK(blanked("AUTHENTICATE PLAIN") == "AUTHENTICATE PLAIN");
  CHECK(blanked("AUTHENTICATE EXTERNAL") == "AUTHENTICATE EXTERNAL");
  CHECK(blanked("AUTHENTICATE +") == "AUTHENTICATE +");
  CHECK(blanked("AUTHENTICATE AGFsaWNlAGh1bnRlcjI=") == "AUTHENTICATE AGFsaWNlAHh4eHh4eHg=");
  CHECK(blanked("PRIVMSG NickServ :IDENTIFY hunter2") == "PRIVMSG NickServ :IDENTIFY xxxxxxx");
  CHECK(blanked("privmsg nickserv@services :identify alice hunter2") ==
        "privmsg nickserv@services :identify alice xxxxxxx");
  CHECK(blanked("NickServ IDENTIFY hunter2") == "NickServ IDENTIFY xxxxxxx");
  CHECK(blanked("NS ID alice hunter2") == "NS ID alice xxxxxxx");
  CHECK(blanked("PRIVMSG NickServ :REGISTER hunter2 a@b.c") == "PRIVMSG NickServ :REGISTER xxxxxxx a@b.c");
  CHECK(blanked("PRIVMSG NickServ :SET PASSWORD hunter2") == "PRIVMSG NickServ :SET PASSWORD xxxxxxx");
  CHECK(blanked("PRIVMSG NickServ :HELP IDENTIFY") == "PRIVMSG NickServ :HELP IDENTIFY");
  CHECK(blanked("PRIVMSG #a :identify yourself") == "PRIVMSG #a :identify yourself");
}

TEST_CASE("the other ways that XMPP has to say a password are known, too") {
  const auto blanked = [](const std::string& element) {
    const std::string head = "<stream:stream to='here'>";
    Bench bench(secrets_of("xmpp"));
    bench.client(head + element);
    return bench.written.at(0).substr(11 + head.size());
  };
  CHECK(blanked("<response xmlns='s'>AGFsaWNlAGh1bnRlcjI=</response>") ==
        "<response xmlns='s'>AGFsaWNlAHh4eHh4eHg=</response>");
  CHECK(blanked("<authenticate mechanism='PLAIN'><initial-response>AGFsaWNlAGh1bnRlcjI=</initial-response>"
                "</authenticate>") ==
        "<authenticate mechanism='PLAIN'><initial-response>AGFsaWNlAHh4eHh4eHg=</initial-response>"
        "</authenticate>");
  CHECK(blanked("<iq id='1' type='set'><query xmlns='jabber:iq:auth'><username>alice</username>"
                "<password>hunter2</password></query></iq>") ==
        "<iq id='1' type='set'><query xmlns='jabber:iq:auth'><username>alice</username>"
        "<password>xxxxxxx</password></query></iq>");
}

TEST_CASE("the password of an MQTT CONNECT is blanked, of 3.1.1 and of 5, cut anywhere") {
  const auto text = [](std::string_view bytes) {
    return std::string{static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size())} +
           std::string(bytes);
  };
  for (const bool five : {false, true}) {
    const auto connect = [&](std::string_view password) {
      const std::string body = text("MQTT") + std::string(five ? "\x05" : "\x04") +
                               std::string("\xC2\x00\x3C", 3) + (five ? std::string(1, '\0') : "") +
                               text("id") + text("alice") + text(password);
      return std::string("\x10") + static_cast<char>(body.size()) + body;
    };
    const std::string sent = connect("hunter2"), kept = connect("xxxxxxx");
    for (std::size_t cut = 1; cut < sent.size(); ++cut) {
      Bench bench(secrets_of(five ? "mqtt5" : "mqtt"));
      bench.client(sent.substr(0, cut), 1);
      bench.client(sent.substr(cut), 2);
      INFO(five << cut);
      CHECK(bench.written == Lines{"ToServer@1 " + kept.substr(0, cut), "ToServer@2 " + kept.substr(cut)});
    }
  }
}

TEST_CASE("a pattern is looked for within each message, never in its delimiter") {
  Redaction redaction;
  redaction.page = page("irc");
  redaction.pattern = pattern("(?s)secret.*");
  Bench bench(std::move(redaction));
  bench.client("PRIVMSG #a :my secret is this\r\nPRIVMSG #a :hello\r\n");
  bench.server(":b PRIVMSG #a :secret\r\n");
  CHECK(bench.written == Lines{"ToServer@0 PRIVMSG #a :my xxxxxxxxxxxxxx\r\nPRIVMSG #a :hello\r\n",
                               "ToClient@0 :b PRIVMSG #a :xxxxxx\r\n"});
  CHECK(bench.redacted.sides[0].matches == 1);
  CHECK(bench.redacted.sides[1].matches == 1);
}

TEST_CASE("a pattern with groups blanks what the groups matched") {
  Redaction redaction;
  redaction.pattern = pattern("token=(\\w+)");
  Bench bench(std::move(redaction));
  bench.client("token=abc token=de other=f");
  CHECK(bench.written == Lines{"ToServer@0 token=xxx token=xx other=f"});
}

TEST_CASE("a pattern is looked for inside base64 that the page knows, too") {
  Redaction redaction;
  redaction.page = page("xmpp");
  redaction.pattern = pattern("alice");
  Bench bench(std::move(redaction));
  bench.client("<stream:stream><auth>AGFsaWNlAGh1bnRlcjI=</auth>");
  CHECK(bench.written == Lines{"ToServer@0 <stream:stream><auth>AHh4eHh4AGh1bnRlcjI=</auth>"});
}

TEST_CASE("a pattern that takes too long to say lets nothing through") {
  Redaction redaction;
  redaction.pattern = pattern("(a+)+(a+)+(a+)+$");
  Bench bench(std::move(redaction));
  bench.client(std::string(200, 'a') + "b");
  CHECK(bench.written == Lines{"ToServer@0 " + std::string(201, 'x')});
}

TEST_CASE("bytes that nobody wanted become zeros, of one side or of both") {
  Redaction redaction;
  redaction.payloads = Payloads::client;
  {
    Bench bench(redaction);
    bench.client("hello");
    bench.server("hi");
    bench.add(EventKind::ServerReset, "why", 1);
    CHECK(bench.written ==
          Lines{"ToServer@0 hello", std::string("ToClient@0 \0\0", 13), "ServerReset@1 why"});
  }
  redaction.payloads = Payloads::none;
  Bench bench(redaction);
  bench.client("hello");
  CHECK(bench.written == Lines{std::string("ToServer@0 \0\0\0\0\0", 16)});
}

TEST_CASE("the trace says what was left out, and never the pattern") {
  RecordOptions options;
  options.redaction = secrets_of("irc");
  options.redaction.pattern = pattern("hunter2");
  options.redaction.payloads = Payloads::client;
  Redacted redacted;
  redacted.sides[0] = {.secrets = 1, .matches = 2, .blank_bytes = 3};
  const std::string begin = info_json(options, {}), end = redacted_json(options.redaction, redacted);
  CHECK((begin + end).find("hunter2") == std::string::npos);
  const auto info = boost::json::parse(begin), done = boost::json::parse(end);
  CHECK(info.at("payloads") == "client");
  CHECK(info.at("redacted").at("secrets") == true);
  CHECK(info.at("redacted").at("pattern") == true);
  CHECK(done.at("redacted").at("secrets") == true);
  CHECK(done.at("redacted").at("client").at("secrets") == 1);
  CHECK(done.at("redacted").at("client").at("matches") == 2);
  CHECK(done.at("redacted").at("client").at("blank_bytes") == 3);
  CHECK(done.at("redacted").at("server").at("secrets") == 0);
}

TEST_CASE("a recording that leaves nothing out says nothing about it, and what its times mean") {
  const auto info = boost::json::parse(info_json({}, {}));
  CHECK_FALSE(info.as_object().contains("redacted"));
  CHECK_FALSE(info.as_object().contains("payloads"));
  CHECK(info.at("times") == (kernel_times ? "kernel: arrival of the last segment of each read" : "reading"));
}

TEST_CASE("an arrival that a wall clock was set behind or long before counts as now") {
  CHECK(age_of_arrival(10s, 10s + 3us) == 3us);
  CHECK(age_of_arrival(10s, 9s) == 0us);
  CHECK(age_of_arrival(10s, 3600s) == 0us);
}
