#include "tests/framing_sample.h"

#include <catch2/catch.hpp>

namespace chorus::tests {

TEST_CASE("an XML stream is its root's tags, whole stanzas and keep-alives") {
  const std::vector<std::string> messages = {
      "<?xml version='1.0'?>\n<stream:stream to='a.example' version=\"1.0\">",
      "<stream:features><mechanisms xmlns='urn'><mechanism>PLAIN</mechanism></mechanisms></stream:features>",
      "<auth mechanism='PLAIN'>AGFsaWNl</auth >",
      " ",
      "\n",
      "<stream:stream xmlns='jabber:client'>",  // restarted: no declaration, nothing was closed
      "<presence/>",
      "<iq type='set' id=\"it's > and />\"><bind a='\">'/><b/></iq>",
      "<message><body><![CDATA[</body> ]] ]></message>]]]></body></message>",
      "<message><stream:stream/><stream:streamer></stream:streamer></message>",
      "<stream:streamer>text</stream:streamer>",
      "</stream:stream>",
  };
  std::string bytes;
  for (const std::string& message : messages) bytes += message;
  const Cut result = cut(xml(), bytes);
  CHECK(result.messages == messages);
  CHECK(result.rest.empty());
  CHECK(result.broken.empty());
}

TEST_CASE("without a root each XML element of a stream is a message") {
  const std::vector<std::string> messages = {"<?xml version='1.0'?><a/>", "\n", "<b><a>x</a></b>"};
  CHECK(cut(xml(""), "<?xml version='1.0'?><a/>\n<b><a>x</a></b>").messages == messages);
  CHECK_FALSE(cut(xml(""), "</a>").broken.empty());
}

TEST_CASE("what is no XML stream is broken, and says why") {
  for (const std::string_view bytes :
       {"hello", "</message>", "</stream:streamer>", "< a>", "<>", "</>", "<a/b>", "<a><b", "<!-- -->",
        "<!DOCTYPE a>", "<![CDATA[x]]>", "<a><!-- -->", "<a><?php ?>", "<?php ?>", "<?xml?><?xml?>",
        "<?xml?>x", "<a></a b>", "<a><![CDATX["}) {
    const Cut result = cut(xml(), bytes);
    INFO(bytes);
    if (bytes == "<a><b") {
      CHECK(result.rest == bytes);  // may yet become something
    } else {
      CHECK_FALSE(result.broken.empty());
    }
  }
}

TEST_CASE("XML elements may be nested to a bound") {
  const auto nested = [](int depth) {
    std::string bytes;
    for (int i = 0; i < depth; ++i) bytes += "<a>";
    for (int i = 0; i < depth; ++i) bytes += "</a>";
    return bytes;
  };
  CHECK(next_frame(xml(), nested(64)).size == nested(64).size());
  CHECK(verdict(xml(), nested(65)) == Frame::Is::broken);
}

TEST_CASE("an endless stanza is broken at the largest message") {
  Framing framing = xml();
  framing.max_message = 16;
  for (const std::string_view start : {"<a>", "<a b='", "<a b=\"", "<a><![CDATA[", "<?xml ", "<", "</"}) {
    const std::string bytes = std::string(start) + std::string(16 - start.size(), 'x');
    CHECK(verdict(framing, bytes.substr(0, 15)) == Frame::Is::more);
    CHECK(verdict(framing, bytes) == Frame::Is::broken);
    CHECK(verdict(framing, bytes + "</a>") == Frame::Is::broken);
  }
  CHECK(verdict(framing, "<a>123456789</a>") == Frame::Is::message);
  CHECK(verdict(framing, "<a>1234567890</a>") == Frame::Is::broken);
}

}  // namespace chorus::tests
