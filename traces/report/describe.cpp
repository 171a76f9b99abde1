#include "traces/report/describe.h"

#include "traces/protocol/conversation.h"
#include "traces/protocol/left_out.h"
#include "traces/protocol/names.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace chorus::report {
namespace {

using protocol::Conversation;
using protocol::Message;
using protocol::Page;
using protocol::Side;

Expected<protocol::Recognised> page_for(const format::Trace& trace, const std::string& name) {
  if (name.empty()) return protocol::recognise(trace);
  Expected<Page> page = Page::find(name);
  if (!page) return page.error();
  return protocol::Recognised{std::move(*page), "named by --protocol"};
}

// All messages of all connections in order of time; of equal times in order of connection.
std::vector<convert::MessageLine> lines(const std::vector<Conversation>& talks, const Page& page) {
  std::vector<convert::MessageLine> result;
  for (const Conversation& talk : talks)
    for (const Message& message : talk.messages)
      result.push_back({message.time, talk.connection, message.from == Side::client,
                        std::string(page.kind_name(message.kind)),
                        protocol::without_delimiter(page.framing(message.from), message.bytes)});
  std::stable_sort(result.begin(), result.end(),
                   [](const auto& x, const auto& y) { return x.time < y.time; });
  return result;
}

std::vector<convert::KindCount> count(const std::vector<convert::MessageLine>& messages) {
  std::vector<convert::KindCount> kinds;
  std::map<std::string, std::size_t> rows;
  for (const convert::MessageLine& message : messages) {
    const auto [row, fresh] = rows.emplace(message.kind, kinds.size());
    if (fresh) kinds.push_back({message.kind, 0, 0});
    ++(message.to_server ? kinds[row->second].to_server : kinds[row->second].to_client);
  }
  return kinds;
}

void name(const Page& page, const std::vector<Conversation>& talks, convert::Seen& seen) {
  const auto names = protocol::Names::find(page, talks, protocol::NewNames{});
  if (!names) {
    seen.names_problem = names.error().what;
    return;
  }
  for (std::size_t i = 0; i < names->size(); ++i) {
    const protocol::Name& row = (*names)[i];
    seen.names.push_back(
        {row.role == protocol::Role::room ? "room" : "user", row.recorded, row.value.text()});
  }
}

// Without the server's chunks, of which only zeros are there. Its bytes are the other one's.
format::Trace without_server(const format::Trace& trace) {
  format::Trace part;
  part.path = trace.path;
  part.start = trace.start;
  part.info = trace.info;
  std::copy_if(trace.events.begin(), trace.events.end(), std::back_inserter(part.events),
               [](const auto& event) { return event.kind != format::EventKind::ToClient; });
  return part;
}

Expected<convert::Seen> describe_bytes(const format::Trace& trace, const std::string& protocol) {
  auto recognised = page_for(trace, protocol);
  if (!recognised) return recognised.error();
  Page& page = recognised->page;
  convert::Seen seen;
  seen.protocol = page.name();
  seen.because = recognised->because;
  seen.raw = page.is_raw();
  if (seen.raw) return seen;

  auto talks = std::make_shared<std::vector<Conversation>>(protocol::converse(trace, page));
  seen.messages = lines(*talks, page);
  seen.kinds = count(seen.messages);
  if (!trace.is_run()) name(page, *talks, seen);  // a run's names were replaced already
  for (const Conversation& talk : *talks)
    if (!talk.broken.empty())
      seen.broken.push_back("connection " + std::to_string(talk.connection) + ": " + talk.broken);
  seen.kept = talks;
  return seen;
}

}  // namespace

Expected<convert::Seen> describe(const format::Trace& trace, const std::string& protocol) {
  const protocol::LeftOut left_out = protocol::left_out(trace);
  if (left_out.client_bytes) {
    convert::Seen seen;
    seen.protocol = "raw";
    seen.because = "its bytes were not kept";
    return seen;
  }
  return left_out.server_bytes ? describe_bytes(without_server(trace), protocol)
                               : describe_bytes(trace, protocol);
}

}  // namespace chorus::report
