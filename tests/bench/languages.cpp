// Made after the built-in pages irc, packet-chat, mqtt and xmpp, as far as a message that is said, heard and
// answered goes: the speaker's name where those have it, and once more in the text.
#include "tests/bench/languages.h"

namespace chorus::bench {
namespace {

constexpr const char* recorded = "alice";

constexpr const char* rules = R"(
[names]
user = "u{client:04}"
[login]
ready = { kinds = "HELLO" }
[[answer]]
to = "HELLO"
by = "HELLO"
required = true
[[answer]]
to = "SAY"
by = "SAY"
required = true
[[answer]]
to = "BYE"
by = "BYE"
required = true
[chat]
kinds = "SAY"
)";

std::string page(const std::string& name, const char* framing_and_fields) {
  return "name = \"bench-" + name + "\"\n" + framing_and_fields + rules;
}

std::string text() {
  return std::string("what ") + recorded +
         " says to all the others takes about as long as what people type in a chat";
}

// Words in lines, as IRC has them.
constexpr const char* line_page = R"([framing]
type = "line"
[kind]
word = 1
names = ["HELLO", "SAY", "BYE"]
[[field]]
kinds = ["HELLO", "SAY", "BYE"]
name = "nick"
word = 2
role = "user"
declares = true
own = true
[[field]]
kinds = ["SAY"]
name = "text"
word = 3
to_end = true
role = "text"
)";

Language line() {
  const std::string nick = recorded;
  return {"line", page("line", line_page), "HELLO " + nick + "\r\n", "SAY " + nick + " :" + text() + "\r\n",
          "BYE " + nick + "\r\n"};
}

// u16 length, u16 type and a nickname padded to 32 bytes, as the packet chat has them.
constexpr const char* length_page = R"([framing]
type = "length"
width = 2
header = 4
[kind]
at = 2
width = 2
[kind.names]
11 = "HELLO"
12 = "BYE"
32 = "SAY"
[[field]]
kinds = ["HELLO", "SAY", "BYE"]
name = "nick"
at = 4
size = 32
encoding = "nul"
role = "user"
declares = true
own = true
[[field]]
kinds = ["SAY"]
name = "text"
at = 36
size = "rest"
role = "text"
)";

Language length() {
  const auto packet = [](char type, const std::string& body) {
    return std::string{static_cast<char>(body.size()), 0, type, 0} + body;
  };
  std::string nick = recorded;
  nick.resize(32);
  return {"length", page("length", length_page), packet(11, nick), packet(32, nick + text()),
          packet(12, nick)};
}

// A type, a length of 7 bits a byte, and strings behind lengths of their own, as MQTT has them.
constexpr const char* varint_page = R"([framing]
type = "varint"
[kind]
at = 0
width = 1
mask = 0xf0
[kind.names]
0x10 = "HELLO"
0x30 = "SAY"
0x60 = "BYE"
[[field]]
kinds = ["HELLO", "SAY", "BYE"]
name = "nick"
after = "0"
size = "u16"
endian = "big"
role = "user"
declares = true
own = true
[[field]]
kinds = ["SAY"]
name = "text"
after = ["u16"]
size = "u16"
endian = "big"
role = "text"
)";

Language varint() {
  const auto string = [](const std::string& bytes) {
    return std::string{0, static_cast<char>(bytes.size())} + bytes;
  };
  const auto packet = [](char type, const std::string& body) {
    std::string head{type, static_cast<char>(body.size() & 0x7f)};
    if (body.size() > 0x7f)
      head = {type, static_cast<char>(body.size() | 0x80), static_cast<char>(body.size() >> 7)};
    return head + body;
  };
  return {"varint", page("varint", varint_page), packet(0x10, string(recorded)),
          packet(0x30, string(recorded) + string(text())), packet(0x60, string(recorded))};
}

// Stanzas in a stream that stays open, as XMPP has them.
constexpr const char* xml_page = R"([framing]
type = "xml"
root = "stream:stream"
[kind]
element = true
names = ["HELLO", "SAY", "BYE"]
[[field]]
kinds = ["HELLO", "SAY", "BYE"]
name = "nick"
attribute = "from"
role = "user"
declares = true
own = true
[[field]]
kinds = ["SAY"]
name = "text"
element = "body"
role = "text"
)";

Language xml() {
  const std::string from = std::string(" from='") + recorded + "'";
  return {"xml", page("xml", xml_page), "<stream:stream to='hall' version='1.0'><hello" + from + "/>",
          "<say to='hall' type='groupchat'" + from + "><body>" + text() + "</body></say>",
          "<bye" + from + "/>"};
}

}  // namespace

std::vector<Language> all_languages() {
  return {line(), length(), varint(), xml()};
}

}  // namespace chorus::bench
