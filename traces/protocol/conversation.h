// A trace seen through a page: per connection, the messages of both sides in the order of their arrival.
#pragma once

#include "traces/format/reader.h"
#include "traces/protocol/page.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace chorus::protocol {

using format::Nanos;

struct Message {
  Nanos time{};                     // when its last byte arrived
  std::optional<Nanos> intended{};  // of sends in a run
  Side from = Side::client;
  KindId kind = unknown_kind;
  Bytes bytes{};  // delimiter or header included; borrowed from the trace or from `joined`
};

struct Conversation {
  std::uint32_t connection = 0;
  Nanos opened{};
  std::optional<std::string> refused;  // the server's leg could not be opened, and why
  std::vector<Message> messages;
  std::optional<Nanos> client_end, server_end;  // end of stream or reset
  bool client_reset = false, server_reset = false;
  std::optional<Nanos> closed;
  std::string broken;  // where framing failed, "" = nowhere; the rest of that side is left out
  std::uint64_t unfinished[2] = {0, 0};              // bytes of a last, incomplete message, by Side
  std::vector<std::unique_ptr<std::string>> joined;  // messages that arrived in several chunks
};

// `page` learns kinds that it does not list. The trace must outlive the result.
std::vector<Conversation> converse(const format::Trace& trace, Page& page);

// Whether the page finds messages at all. One that was named by hand and is wrong finds none, and then
// nothing could ever fail or differ. The Trouble continues a sentence that begins with the trace's name.
Expected<void> fits(const Page& page, const std::vector<Conversation>& conversations);

// The built-in page that fits the trace, by its first messages and by framing all of it; a recording made
// with `record --protocol` says it itself, and a run's trace carries its page. `because` says how it was
// found.
struct Recognised {
  Page page;
  std::string because;
};
Expected<Recognised> recognise(const format::Trace& trace);  // Page::raw() when nothing fits

}  // namespace chorus::protocol
