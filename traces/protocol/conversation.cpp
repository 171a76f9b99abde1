// Cuts the chunks of a trace into messages. A message that lies within one chunk is borrowed from the trace;
// one that arrived in several is put together in `joined`.
#include "traces/protocol/conversation.h"

#include <algorithm>
#include <unordered_map>

namespace chorus::protocol {
namespace {

using format::EventKind;

// The bytes of one side that no message has been made of yet.
struct Stream {
  std::string pending;
  Scan scan;                 // of pending
  std::uint64_t offset = 0;  // of the next byte that is not part of a message
  bool broken = false;
};

class Listener {
 public:
  Listener(Conversation& conversation, Page& page) : conversation_(&conversation), page_(&page) {}

  void hear(const format::Event& event) {
    Conversation& c = *conversation_;
    switch (event.kind) {
      case EventKind::Opened:
        c.opened = event.time;
        break;
      case EventKind::Refused:
        c.refused = std::string(event.payload);
        break;
      case EventKind::ToServer:
        chunk(Side::client, event);
        break;
      case EventKind::ToClient:
        chunk(Side::server, event);
        break;
      case EventKind::ClientReset:
        c.client_reset = true;
        [[fallthrough]];
      case EventKind::ClientEnd:
        ended(c.client_end, event.time);
        break;
      case EventKind::ServerReset:
        c.server_reset = true;
        [[fallthrough]];
      case EventKind::ServerEnd:
        ended(c.server_end, event.time);
        break;
      case EventKind::Closed:
        c.closed = event.time;
        break;
      case EventKind::None:
        break;
    }
  }

  void finish() {
    for (const Side side : {Side::client, Side::server}) {
      const Stream& stream = streams_[static_cast<std::size_t>(side)];
      conversation_->unfinished[static_cast<std::size_t>(side)] = stream.broken ? 0 : stream.pending.size();
    }
  }

 private:
  static void ended(std::optional<Nanos>& end, Nanos time) {
    if (!end) end = time;
  }

  void chunk(Side side, const format::Event& event) {
    Stream& stream = streams_[static_cast<std::size_t>(side)];
    if (stream.broken) return;
    const std::size_t earlier = stream.pending.size();
    if (earlier > 0) stream.pending += event.payload;
    Bytes rest = earlier > 0 ? Bytes(stream.pending) : event.payload;
    const std::size_t all = rest.size();
    while (!rest.empty()) {
      const Frame frame = next_frame(page_->framing(side), rest, stream.scan);
      if (frame.is == Frame::Is::more) break;
      if (frame.is == Frame::Is::broken) {
        broke(side, stream, frame.why);
        return;
      }
      const std::size_t start = all - rest.size();  // of the message, in pending or in the chunk
      Bytes bytes = rest.substr(0, frame.size);
      if (start < earlier) {
        bytes = *conversation_->joined.emplace_back(std::make_unique<std::string>(bytes));
      } else {
        bytes = event.payload.substr(start - earlier, frame.size);
      }
      add(side, bytes, event);
      stream.offset += frame.size;
      rest.remove_prefix(frame.size);
    }
    if (earlier > 0) {
      stream.pending.erase(0, all - rest.size());
    } else {
      stream.pending.assign(rest);
    }
  }

  void add(Side side, Bytes bytes, const format::Event& event) {
    Message message;
    message.time = event.time;
    message.intended = event.intended;
    message.from = side;
    message.kind = page_->learn_kind(side, bytes);
    message.bytes = bytes;
    conversation_->messages.push_back(message);
  }

  void broke(Side side, Stream& stream, const char* why) {
    stream.broken = true;
    stream.pending.clear();
    if (!conversation_->broken.empty()) conversation_->broken += "; ";
    conversation_->broken += std::string(side == Side::client ? "the client's" : "the server's") +
                             " bytes from offset " + std::to_string(stream.offset) +
                             " on are no messages of " + std::string(page_->name()) + ": " + why;
  }

  Conversation* conversation_;
  Page* page_;
  Stream streams_[2];  // by Side
};

}  // namespace

std::vector<Conversation> converse(const format::Trace& trace, Page& page) {
  std::unordered_map<std::uint32_t, std::size_t> position;  // of a connection in the result
  std::vector<std::unique_ptr<Conversation>> conversations;
  std::vector<Listener> listeners;
  for (const format::Event& event : trace.events) {
    const auto [found, is_new] = position.emplace(event.connection, conversations.size());
    if (is_new) {
      conversations.push_back(std::make_unique<Conversation>());
      conversations.back()->connection = event.connection;
      conversations.back()->opened = event.time;
      listeners.emplace_back(*conversations.back(), page);
    }
    listeners[found->second].hear(event);
  }
  std::vector<Conversation> result;
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    listeners[i].finish();
    result.push_back(std::move(*conversations[i]));
  }
  return result;
}

Expected<void> fits(const Page& page, const std::vector<Conversation>& conversations) {
  for (const Conversation& conversation : conversations) {
    const bool had_bytes =
        conversation.unfinished[0] + conversation.unfinished[1] > 0 || !conversation.broken.empty();
    if (!conversation.messages.empty() || !had_bytes) continue;
    return Trouble{"is not of the protocol " + std::string(page.name()) + ": connection " +
                   std::to_string(conversation.connection) + ": " +
                   (conversation.broken.empty() ? "its bytes make no whole message" : conversation.broken) +
                   "; leave --protocol out, or name another page"};
  }
  return {};
}

}  // namespace chorus::protocol
