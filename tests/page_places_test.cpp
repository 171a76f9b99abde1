// Where fields are: every way that a page can say it, and what substitution makes of the message around them.
#include "tests/hand_made_trace.h"
#include "traces/protocol/canonical.h"
#include "traces/protocol/locator.h"
#include "traces/protocol/names.h"

#include <catch2/catch.hpp>

namespace chorus::protocol {
namespace {

using namespace std::string_literals;

Page page_of(std::string_view text) {
  auto page = Page::parse(text, "my.toml");
  if (!page) FAIL(page.error().what);
  return std::move(*page);
}

std::vector<std::string> values(const Page& page, Side from, Bytes message) {
  std::vector<Page::Field> fields;
  page.fields(from, page.kind_of(from, message), message, fields);
  std::vector<std::string> found;
  for (const auto& field : fields) found.push_back(Page::value(field, message));
  return found;
}

// A one-client recording through a built-in page, and message `n` as client `copy` sends it.
struct Recorded {
  Page page;
  HandMadeTrace hand;
  std::vector<Conversation> group;
  Names names;
  Recorded(std::string_view page_name, HandMadeTrace trace, NewNames wanted = {})
      : page(Page::find(page_name).value()), hand(std::move(trace)), group(converse(hand.trace(), page)) {
    auto found = Names::find(page, group, wanted);
    if (!found) FAIL(found.error().what);
    names = std::move(*found);
  }
  const Message& message(std::size_t n) const { return group[0].messages[n]; }
  std::string rendered(std::size_t n, std::uint32_t copy) const {
    const auto compiled = MessageTemplate::compile(page, names, 0, message(n).kind, message(n).bytes);
    std::string out, why;
    return compiled.render(page, names, {copy, copy, 1}, 0, out, &why) ? out : why;
  }
  // What `rendered` becomes when it is put back.
  std::string restored(std::size_t n, std::uint32_t copy) const {
    const auto rows = bindings(names, {copy, copy, 1});
    return Normaliser(rows)(page, Side::client, message(n).kind, rendered(n, copy));
  }
};

const std::string connect = "\x10\x11\x00\x04MQTT\x04\x02\x00<\x00\x05"s + "alice";
const std::string connect_as =  // with a user name and a password
    "\x10\x20\x00\x04MQTT\x04\xc2\x00<\x00\x05"s + "alice\x00\x05"s + "alice\x00\x06"s + "secret";
const std::string subscribe = "\x82\x0f\x00\x01\x00\nchat/room1\x01"s;
const std::string publish = "2\x17\x00\nchat/room1\x00\x07"s + "I'm alice";

}  // namespace

TEST_CASE("MQTT: another client id, topic and text make inner and outer lengths true", "[protocol]") {
  HandMadeTrace trace;
  trace.opened(0).client(0, connect).client(0, subscribe).client(0, publish);
  const Recorded mqtt("mqtt", std::move(trace));
  CHECK(mqtt.rendered(0, 12) == "\x10\x14\x00\x04MQTT\x04\x02\x00<\x00\x08u0000012"s);
  CHECK(mqtt.rendered(1, 12) == "\x82\x15\x00\x01\x00\x10"s + "chat/room1-00012\x01");
  CHECK(mqtt.rendered(2, 12) == "2\x20\x00\x10"s + "chat/room1-00012\x00\x07I'm u0000012"s);
  for (const std::size_t n : {0, 1, 2}) CHECK(mqtt.restored(n, 12) == mqtt.message(n).bytes);
}

TEST_CASE("MQTT: a user name is there when its flag says so, and only --users changes a password",
          "[protocol]") {
  const auto recording = [] {
    HandMadeTrace trace;
    trace.opened(0).client(0, connect_as);
    return trace;
  };
  const Recorded plain("mqtt", recording());
  CHECK(plain.rendered(0, 3) ==
        "\x10\x26\x00\x04MQTT\x04\xc2\x00<\x00\x08u0000003\x00\x08u0000003\x00\x06secret"s);
  auto users = Users::parse("name,password\nann,a\nben,bb\ncyd,\"c,\"\"c\"\n", "users.csv");
  REQUIRE(users.has_value());
  const Recorded listed("mqtt", recording(), {{}, std::make_shared<const Users>(std::move(*users))});
  CHECK(listed.rendered(0, 2) ==
        "\x10\x1a\x00\x04MQTT\x04\xc2\x00<\x00\x03"s + "cyd\x00\x03"s + "cyd\x00\x04"s + "c,\"c");
  CHECK(listed.names.needs_users());
  for (const auto& row : bindings(listed.names, {0, 0, 1}))
    CHECK(row.own != "a");  // secrets stay out of traces
}

TEST_CASE("XMPP: names change inside base64, attributes and text, and never in namespaces or tags",
          "[protocol]") {
  HandMadeTrace trace;
  trace.opened(0)
      .client(0,
              "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>")
      .client(0,
              "<presence to='muc@conference.localhost/alice'><x "
              "xmlns='http://jabber.org/protocol/muc'/></presence>")
      .client(0,
              "<message type='groupchat' to='muc@conference.localhost'><body>alice, malice, "
              "alice_</body></message>");
  const Recorded xmpp("xmpp", std::move(trace));
  // base64 of NUL u0000004 NUL secret
  CHECK(xmpp.rendered(0, 4) ==
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHUwMDAwMDA0AHNlY3JldA==</auth>");
  CHECK(xmpp.rendered(1, 4) ==
        "<presence to='muc00004@conference.localhost/u0000004'>"
        "<x xmlns='http://jabber.org/protocol/muc'/></presence>");
  CHECK(xmpp.rendered(2, 4) ==
        "<message type='groupchat' to='muc00004@conference.localhost'>"
        "<body>u0000004, malice, u0000004_</body></message>");
  for (const std::size_t n : {0, 1, 2}) CHECK(xmpp.restored(n, 4) == xmpp.message(n).bytes);
}

TEST_CASE("MQTT: every topic of a subscription is a room of the copy, but for wildcards", "[protocol]") {
  HandMadeTrace trace;
  trace.opened(0).client(0, "\x82\x1a\x00\x01\x00\x06inbox1\x01\x00\x03"s + "in2\x00\x00\x06inbox#\x01"s);
  const Recorded mqtt("mqtt", std::move(trace));
  CHECK(mqtt.rendered(0, 7) ==
        "\x82\x26\x00\x01\x00\x0cinbox1-00007\x01\x00\x09in2-00007\x00\x00\x06inbox#\x01"s);
  CHECK(mqtt.restored(0, 7) == mqtt.message(0).bytes);
}

TEST_CASE("text that a server writes in another way is the same text", "[protocol]") {
  CHECK(xml_text("a &lt; b &amp;&#x26;&#38; <![CDATA[<x>&amp;]]>&#x1F600;") ==
        "a < b &&& <x>&amp;\xf0\x9f\x98\x80");
  for (const char* as_it_is : {"", "&", "&x;", "&#;", "&#x110000;", "&#99999999999;", "<![CDAT"})
    CHECK(xml_text(as_it_is) == as_it_is);
  const Page xmpp = *Page::find("xmpp");
  const std::string sent = "<message type='groupchat' to='r@c'><body>it&apos;s</body></message>";
  const std::string came = "<message from='r@c/bob' type='groupchat'><body>it's</body></message>";
  const auto kind = xmpp.kind_of(Side::client, sent);
  const FanOut* fanout = xmpp.fanout(kind, sent);
  REQUIRE(fanout != nullptr);
  CHECK(xmpp.delivery_key(*fanout, kind, sent, "bob") == xmpp.delivery_key(kind, came));
  CHECK(xmpp.delivery_key(*fanout, kind, sent, "alice") != xmpp.delivery_key(kind, came));
}

TEST_CASE("a path skips parts with their lengths, and those whose bit is not set", "[protocol]") {
  const Page page = page_of(R"(name = "p"
[framing]
type = "length"
header = 4
[kind]
at = 2
names = {1 = "A"}
[[field]]
kinds = ["A"]
name = "third"
after = ["1", "u8", "varint if 0.1"]
if = "0.0"
size = "u16"
endian = "big"
role = "text"
)");
  const auto body = [](std::string bytes) { return packet(1, bytes); };
  CHECK(values(page, Side::client, body("\x01\x02xx\x00\x03"s + "abc")) == std::vector<std::string>{"abc"});
  CHECK(values(page, Side::client, body("\x03\x02xx\x01y\x00\x01z"s)) == std::vector<std::string>{"z"});
  CHECK(values(page, Side::client, body("\x02\x02xx\x01y\x00\x01z"s)).empty());  // its own bit is not set
  CHECK(values(page, Side::client, body("\x01\x09xx"s)).empty());                // lengths that lie
  CHECK(values(page, Side::client, body("\x01\x00\xff\xff"s)).empty());
}

TEST_CASE("words, leading words, attributes and elements are found without a pattern", "[protocol]") {
  const Page irc = *Page::find("irc");
  CHECK(values(irc, Side::server, "@time=1 :bob!~b@host PRIVMSG #room :hello you \r\n") ==
        std::vector<std::string>{"hello you ", "bob"});
  CHECK(values(irc, Side::server, ":irc.test NOTICE bob :statistics\r\n") ==
        std::vector<std::string>{"statistics"});  // a server is no user
  CHECK(values(irc, Side::client, "PRIVMSG #room one\r\n") ==
        std::vector<std::string>{"#room", "#room", "one"});
  const Page xmpp = *Page::find("xmpp");
  CHECK(values(
            xmpp, Side::server,
            "<message from='r@c/bob' type='groupchat'><bodyguard/><body xml:lang='en'>hi</body></message>") ==
        std::vector<std::string>{"bob", "hi"});
  CHECK(values(xmpp, Side::server, "<message type='groupchat' from='r@c'><subject/></message>").empty());
}

TEST_CASE("an element's kind is its name, its type and for some its child", "[protocol]") {
  const Page xmpp = *Page::find("xmpp");
  const auto kind = [&](std::string_view text) {
    return std::string(xmpp.kind_name(xmpp.kind_of(Side::server, text)));
  };
  CHECK(kind("<iq type='result' id='1'><bind xmlns='x'><jid>a</jid></bind></iq>") == "IQ.RESULT.BIND");
  CHECK(kind("<iq id='1' type=\"result\"/>") == "IQ.RESULT");
  CHECK(kind("<?xml version='1.0'?><stream:stream to='a>b'>") == "STREAM:STREAM");
  CHECK(kind("<presence a='type=&quot;x'/>") == "PRESENCE");
  CHECK(kind(" ") == "SPACE");
  CHECK(kind("<message type='chat'><body>x</body></message>") == "MESSAGE.CHAT");
}

TEST_CASE("what XML spells in two ways is spelled in one before it is compared", "[protocol]") {
  CHECK(canonical_xml("<a  b=\"1\" a='2'><c></c><d e='\"'/>x</a>") == "<a a='2' b='1'><c/><d e='\"'/>x</a>");
  CHECK(canonical_xml("<a b=\"it's\">") == "<a b=\"it's\">");
  for (const char* as_it_is :
       {"", " ", "a < b", "<a b>", "<a b=c>", "</stream:stream>", "<", "<a", "<?xml?>", "<!x>", "<>"})
    CHECK(canonical_xml(as_it_is) == as_it_is);
}

TEST_CASE("base64 is what RFC 4648 says, and anything else is none", "[protocol]") {
  for (const auto& [text, coded] : std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                                                    {"f", "Zg=="},
                                                                                    {"fo", "Zm8="},
                                                                                    {"foo", "Zm9v"},
                                                                                    {"foob", "Zm9vYg=="},
                                                                                    {"\xff\x00"s, "/wA="}}) {
    std::string out;
    append_base64(text, out);
    CHECK(out == coded);
    CHECK(from_base64(coded) == text);
  }
  CHECK_FALSE(from_base64("a").has_value());
  CHECK_FALSE(from_base64("ab cd").has_value());
  CHECK_FALSE(from_base64("ab\xff=").has_value());
}

TEST_CASE("a file of users is read as RFC 4180 says, and its mistakes name the line", "[protocol]") {
  const auto wrong = [](std::string_view text) {
    const auto users = Users::parse(text, "users.csv");
    return users ? "no mistake"s : users.error().what;
  };
  CHECK(wrong("") == "users.csv has no header; its first line names the columns, as name,password");
  CHECK(wrong("name,name\na,b\n") == "users.csv:1: column 2 has the name of another: name");
  CHECK(wrong("name,password\na\n") == "users.csv:2: 1 values where the header names 2 columns");
  CHECK(wrong("name,password\n") == "users.csv has a header and no users; give one line for each client");
  const auto users = Users::parse("name,motto\r\nann,\"a\nb\"\r\n\r\nben,\r\n", "users.csv");
  REQUIRE(users.has_value());
  CHECK(users->size() == 2);
  CHECK(users->value(0, 1) == "a\nb");
  CHECK(users->value(1, 1).empty());
}

}  // namespace chorus::protocol
