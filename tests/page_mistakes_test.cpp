// What the writer of a page is told about a mistake in it.
#include "tests/small_page.h"
#include "traces/protocol/page.h"

#include <catch2/catch.hpp>

namespace chorus::protocol {
namespace {

// What the trouble says when `added` ends the small page.
std::string mistake(std::string_view added) {
  const auto page = Page::parse(std::string(small).append(added), "my.toml");
  return page ? "no mistake" : page.error().what;
}

std::string mistake_in(std::string_view text) {
  const auto page = Page::parse(text, "my.toml");
  return page ? "no mistake" : page.error().what;
}

}  // namespace

using Catch::StartsWith;

TEST_CASE("a mistake in a page names file, line and key") {
  CHECK(mistake("") == "no mistake");
  CHECK_THAT(mistake("[framign]\n"), StartsWith("my.toml:19: framign is unknown; known here: answer, chat"));
  CHECK_THAT(mistake("at2 = 3\n"),
             StartsWith("my.toml:19: field.at2 is unknown; known here: at, attribute, behind"));
  CHECK_THAT(mistake("[[answer]]\nto = \"HELO\"\nby = \"CODE\"\n"),
             StartsWith("my.toml:20: answer.to names a kind that kind.names does not list: HELO"));
  CHECK(mistake("[[answer]]\nto = \"HELLO\"\n") == "my.toml:19: answer.by is missing");
  CHECK(mistake("[[answer]]\nto = 7\nby = \"CODE\"\n") ==
        "my.toml:20: answer.to must be a text or an array of texts with at least one and is an integer");
  CHECK(mistake("[chat]\nkinds = []\n") ==
        "my.toml:20: chat.kinds must be a text or an array of texts with at least one and is an array");
  CHECK_THAT(mistake("[[reply]]\non = \"CODE\"\npattern = \"(\"\ntext = \"x\"\n"),
             StartsWith("my.toml:21: reply.pattern is not a regular expression: "));
  CHECK(mistake("[[reply]]\non = \"CODE\"\npattern = \"(.)\"\ntext = \"{2}\"\n") ==
        "my.toml:22: reply.text mentions {2}, but the pattern has 1 groups");
  CHECK_THAT(mistake("[[reply]]\non = \"CODE\"\ntext = \"{x}\"\n"),
             StartsWith("my.toml:21: reply.text has a brace"));
  CHECK_THAT(mistake("[names]\nuser = \"u{clinet}\"\n"),
             StartsWith("my.toml:20: names.user is no template: "));
  CHECK_THAT(mistake("[names]\nuser = \"bob\"\n"),
             StartsWith("my.toml:20: names.user must mention {client}"));
  CHECK_THAT(mistake("[names]\nroom = \"{recorded}\"\n"),
             StartsWith("my.toml:20: names.room must mention {cohort}"));
  CHECK_THAT(mistake("[login]\ngates_until = \"ready\"\n"),
             StartsWith("my.toml:20: login.gates_until is \"ready\", but"));
  CHECK(mistake("[login]\nready = { kinds = \"CODE\", field = \"cod\", equals = \"2\" }\n") ==
        "my.toml:20: login.ready.field names no field of CODE from the server: cod");
  CHECK(mistake("[login]\nready = { kinds = \"CODE\", field = \"code\" }\n") ==
        "my.toml:20: login.ready.field needs field and one of equals and differs");
  CHECK(mistake("[[failure]]\nkinds = \"CODE\"\n") == "my.toml:19: failure.means is missing");
  CHECK(mistake("[[failure]]\nkinds = \"CODE\"\nmeans = \"x\"\nrefused = \"yes\"\n") ==
        "my.toml:22: failure.refused must be true or false and is a text");
  CHECK(mistake("[[fanout]]\nkinds = \"TALK\"\nreaches = \"rom\"\necho = true\n") ==
        "my.toml:21: fanout.reaches must be one of room, all, one and is \"rom\"");
  CHECK_THAT(mistake("[[field]]\nname = \"n\"\nkinds = \"TALK\"\nat = 4\nsize = 3\nencoding = \"integer\"\n"),
             StartsWith("my.toml:23: field.size of an integer must be 1, 2, 4 or 8"));
  CHECK_THAT(
      mistake("[[field]]\nname = \"n\"\nkinds = \"TALK\"\n"),
      StartsWith("my.toml:19: field needs one of at, after, word, lead, attribute, element and pattern"));
  CHECK_THAT(mistake("[[field]]\nname = \"n\"\nkinds = \"TALK\"\npattern = \"a\"\n"),
             StartsWith("my.toml:22: field.pattern needs a group"));
  CHECK_THAT(mistake("[[field]]\nname = \"n\"\nkinds = \"TALK\"\npattern = \"(a)\"\ndeclares = true\n"),
             StartsWith("my.toml:23: field.declares is for a user or a room"));
  CHECK_THAT(mistake("[[field]]\nname = \"code\"\nkinds = \"CODE\"\nat = 4\nsize = 2\n"),
             StartsWith("my.toml:20: field.name is given to two fields of one kind: code"));
  CHECK_THAT(mistake("ports = [70000]\n"), Catch::Contains("field.ports is unknown"));
}

TEST_CASE("mistakes in framing and kinds name file, line and key") {
  CHECK(mistake_in("") == "my.toml:1: name is missing");
  CHECK(mistake_in("name = \"a b\"\n[framing]\ntype = \"raw\"\n") ==
        "my.toml:1: name must be one word without slashes");
  CHECK(mistake_in("name = \"a\"\n[framing]\ntype = \"raw\"\n") == "no mistake");
  CHECK(mistake_in("name = \"a\"\nports = [0]\n[framing]\ntype = \"raw\"\n") ==
        "my.toml:2: ports must have integers from 1 to 65535 only");
  CHECK(mistake_in("name = \"a\"\n[framing]\ntype = \"lines\"\n") ==
        "my.toml:3: framing.type must be one of raw, line, length, varint, xml and is \"lines\"");
  CHECK(mistake_in("name = \"a\"\n[framing]\ntype = \"line\"\nwidth = 2\n[kind]\nword = 1\n") ==
        "my.toml:4: framing.width belongs to type = \"length\" or \"varint\"");
  CHECK_THAT(
      mistake_in("name = \"a\"\n[framing]\ntype = \"length\"\nwidth = 8\nheader = 4\n[kind]\nword = 1\n"),
      StartsWith("my.toml:5: framing.header leaves the length field outside of the header"));
  CHECK(mistake_in("name = \"a\"\n[framing]\ntype = \"length\"\nmax_message = 0\n[kind]\nword = 1\n") ==
        "my.toml:4: framing.max_message must be from 1 to 16777216 and is 0");
  CHECK_THAT(mistake_in("name = \"a\"\n[framing]\ntype = \"line\"\n"), Catch::Contains("kind is missing"));
  CHECK_THAT(mistake_in("name = \"a\"\n[framing]\ntype = \"line\"\n[kind]\nat = 0\nwidth = 1\n"),
             StartsWith("my.toml:4: kind.names is missing"));
  CHECK_THAT(
      mistake_in(
          "name = \"a\"\n[framing]\ntype = \"line\"\n[kind]\nat = 0\nwidth = 1\nnames = {256 = \"A\"}\n"),
      StartsWith("my.toml:7: kind.names.256 must be a number of at most 1 bytes"));
  CHECK_THAT(mistake_in("name = \"a\"\n[framing]\ntype = \"line\"\n[kind]\nat = 0\nwidth = 1\nnames = {1 = "
                        "\"A\", 2 = \"A\"}\n"),
             StartsWith("my.toml:7: kind.names.2 names a kind that already has"));
  CHECK_THAT(mistake_in("name = \"a\"\n[framing]\ntype = \"line\"\n[kind]\nword = 1\nskip = [\"::\"]\n"),
             StartsWith("my.toml:6: kind.skip must have single characters"));
  CHECK_THAT(mistake_in("name = \"a\n"), StartsWith("my.toml:1: not TOML: "));
  CHECK_THAT(mistake_in("name = \"a\"\nname = \"b\"\n"), StartsWith("my.toml:2: not TOML: "));
}

}  // namespace chorus::protocol
