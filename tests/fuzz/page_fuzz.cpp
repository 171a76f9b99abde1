// A page that anybody may have written, over bytes that anybody may have sent. An input is the text of a
// page, a NUL (TOML has none), and a stream that is looked at as if each side had sent it.
#include "tests/fuzz/fuzz_target.h"
#include "traces/protocol/builtin_pages.h"
#include "traces/protocol/page.h"

namespace chorus::fuzz {
namespace {

using namespace protocol;

constexpr unsigned most_messages = 64;  // of one input: more of the same finds nothing new

void within(const FieldSpan& span, Bytes message, const char* what) {
  must(span.at <= message.size() && span.size <= message.size() - span.at, what);
}

// What both sides' messages are asked.
void look(const Page& page, Side from, KindId kind, Bytes message) {
  must(kind < page.kinds(), "kinds are numbered below kinds()");
  must(!page.kind_name(kind).empty(), "kinds have names");
  within(page.kind_span(from, message), message, "the kind stands in the message");
  std::vector<Page::Field> fields;
  page.fields(from, kind, message, fields);
  for (const Page::Field& field : fields) {
    within(field.span, message, "a field lies in its message");
    (void)Page::value(field, message);
  }
  std::vector<FieldSpan> spans;
  page.masked(from, kind, message, spans);
  page.protect(message, spans);
  for (const FieldSpan& span : spans) within(span, message, "a masked part lies in its message");
  (void)page.comparison(from, kind);
  for (const AnswerRule& rule : page.answers()) (void)page.correlation(rule, from, kind, message);
}

void hear(const Page& page, KindId kind, Bytes message) {  // as a client does
  const std::vector<std::string> self = {"alice", ""};
  (void)page.is_own(kind, message, self);
  (void)page.failure(kind, message);
  (void)page.is_ready(kind, message);
  const auto gate = page.gate_of(kind);
  must(gate == no_gate || gate < page.gates().size(), "a kind's gate is one of the page's");
  std::string reply;
  (void)page.reply(kind, message, reply);
  if (page.use(Side::server, kind).delivers) (void)page.delivery_key(kind, message);
  std::vector<Page::Extracted> extracted;
  page.extract(kind, message, extracted);
  for (const auto& one : extracted) {
    must(one.variable < page.variables().size(), "what is extracted is a variable of the page");
    within(one.field.span, message, "what is extracted lies in its message");
  }
}

void say(const Page& page, KindId kind, Bytes message) {  // what a client sends
  if (const FanOut* fanout = page.fanout(kind, message)) {
    (void)page.delivery_key(*fanout, kind, message, "alice");
  }
  std::vector<Page::Insert> inserts;
  page.inserts(kind, message, inserts);
  for (const auto& one : inserts) within(one.field.span, message, "what is inserted lies in its message");
}

void listen(Page& page, Side from, Bytes stream) {
  Scan scan;
  for (unsigned count = 0; count < most_messages && !stream.empty(); ++count) {
    const Frame frame = next_frame(page.framing(from), stream, scan);
    if (frame.is != Frame::Is::message) return;
    must(frame.size > 0 && frame.size <= stream.size(), "a message is made of bytes that are there");
    const Bytes message = stream.substr(0, frame.size);
    stream.remove_prefix(frame.size);
    const KindId listed = page.kind_of(from, message);
    const KindId kind = page.learn_kind(from, message);
    must(listed == unknown_kind || listed == kind, "learning renumbers no kind");
    look(page, from, kind, message);
    if (from == Side::server) {
      hear(page, kind, message);
    } else {
      say(page, kind, message);
    }
  }
}

constexpr std::string_view small_page = R"(name = "small"
summary = "a page to begin with"
[framing]
type = "line"
[kind]
word = 1
[[field]]
kinds = ["SAY"]
name = "text"
pattern = '^SAY (.*)$'
role = "text"
)";

}  // namespace

std::vector<std::string> seeds() {
  using namespace std::string_view_literals;
  const std::vector<std::string_view> streams = {
      "NICK alice\r\nJOIN #a\r\n:alice!u@h JOIN #a\r\nPING :x\r\n:s 433 * alice :in use\r\nERROR :full\r\n"sv,
      "\6\0\x0b\0alice\0\x08\0\x33\0\2\0\0\0"sv,
      "\x10\x11\0\4MQTT\4\2\0\x3c\0\5alice\x20\2\0\0\x30\6\0\1t\1hi"sv,
      "<?xml version='1.0'?><stream:stream to='a'><auth mechanism='PLAIN'>AGEAYg==</auth><message "
      "to='r@c/alice' "
      "id='7'><body>hi</body></message></stream:stream>"sv,
  };
  std::vector<std::string> all;
  const auto add = [&](std::string_view page, std::string_view stream) {
    all.emplace_back(page).append(1, '\0').append(stream);
  };
  for (const std::string_view stream : streams) {
    add(small_page, stream);
    for (const BuiltinPage& page : builtin_pages()) add(page.text, stream);
  }
  return all;
}

}  // namespace chorus::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace chorus::fuzz;
  const Bytes input(reinterpret_cast<const char*>(data), size);
  const Bytes text = input.substr(0, input.find('\0'));
  const Bytes stream = input.substr(std::min(size, text.size() + 1));
  auto page = Page::parse(text, "fuzz.toml");
  if (!page) {
    must(!page.error().what.empty(), "a mistake is said");
    return 0;
  }
  must(page->text() == text, "a page keeps its text");
  (void)page->recognises(stream, stream);
  listen(*page, Side::client, stream);
  listen(*page, Side::server, stream);
  return 0;
}
