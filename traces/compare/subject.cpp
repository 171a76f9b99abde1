#include "traces/compare/subject.h"

#include "traces/protocol/canonical.h"
#include "traces/protocol/names.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include <boost/json.hpp>
#include <xxhash.h>

namespace chorus::compare {
namespace {

using protocol::Conversation;

Mask mask_of(const Page& page, Side from, KindId kind) {
  const protocol::KindUse use = page.use(from, kind);
  // What is asked for again and again is no talk; a message that is acknowledged is.
  if (from == Side::server ? use.replied && !use.chat : use.dropped) return Mask::reply;
  switch (page.comparison(from, kind)) {
    case protocol::Comparison::kind_only:
      return Mask::kind_only;
    case protocol::Comparison::ignored:
      return Mask::ignored;
    case protocol::Comparison::exact:
      break;
  }
  return Mask::none;
}

std::vector<std::string> self_of(const Page& page, const Conversation& talk) {
  std::vector<std::string> self;
  const auto names = protocol::Names::find(page, {&talk, 1}, protocol::NewNames{});
  if (!names) return self;
  for (const std::size_t name : names->all_of(0)) self.push_back((*names)[name].recorded);
  return self;
}

// What of one copy is known: how its words are put back, and which names are its own.
struct Copy {
  std::optional<protocol::Normaliser> normalise;
  std::map<std::string, std::string, std::less<>> recorded_of;  // own name -> recorded
};

std::map<std::uint32_t, Copy> copies_of(const format::Trace& trace, Subject& subject) {
  std::map<std::uint32_t, std::vector<format::Binding>> rows;
  for (const format::ClientRow& row : trace.clients)
    if (row.kept) rows[row.copy];
  for (const format::Binding& row : trace.bindings) {
    rows[row.copy].push_back(row);
    subject.group.insert(row.recorded);
  }
  std::map<std::uint32_t, Copy> copies;
  for (const auto& [number, bindings] : rows) {
    Copy& copy = copies[number];
    copy.normalise.emplace(bindings);
    for (const format::Binding& row : bindings) copy.recorded_of.emplace(row.own, row.recorded);
  }
  return copies;
}

// Reads the messages of one client.
class Reading {
 public:
  Reading(const Page& page, Subject& subject, const Copy* copy, const Subject* recorded)
      : page_(page), subject_(subject), copy_(copy), recorded_(recorded) {}

  void operator()(Client& client) {
    if (page_.is_raw()) return streams(client);
    client.lines.reserve(client.talk->messages.size());
    for (const protocol::Message& message : client.talk->messages)
      client.lines.push_back(line(client, message));
  }

 private:
  void streams(Client& client) {
    for (const protocol::Message& message : client.talk->messages)
      client.stream[static_cast<std::size_t>(message.from)] += message.bytes;
    if (!copy_) return;
    for (const Side side : {Side::client, Side::server}) {
      std::string& bytes = client.stream[static_cast<std::size_t>(side)];
      bytes = (*copy_->normalise)(page_, side, protocol::unknown_kind, bytes);
    }
  }

  Line line(const Client& client, const protocol::Message& message) {
    Line line;
    line.time = message.time;
    line.from = message.from;
    line.kind = message.kind;
    line.text = message.bytes;
    if (copy_)
      line.text =
          subject_.texts.emplace_back((*copy_->normalise)(page_, message.from, message.kind, message.bytes));
    if (page_.framing(message.from).type == protocol::Framing::Type::xml)
      line.text = subject_.texts.emplace_back(protocol::canonical_xml(line.text));
    line.mask = mask_of(page_, message.from, message.kind);
    if (line.mask == Mask::none) line.key = key(line);
    if (message.from == Side::server) name_sender(client, message, line);
    return line;
  }

  // Hash of the text without what the page masks.
  std::uint64_t key(Line& line) {
    spans_.clear();
    page_.masked(line.from, line.kind, line.text, spans_);
    if (spans_.empty()) return XXH3_64bits(line.text.data(), line.text.size());
    line.mask = Mask::masked;
    std::string kept;
    std::size_t done = 0;
    for (const protocol::FieldSpan& span : spans_) {
      if (span.at < done) continue;
      kept.append(line.text, done, span.at - done).append(1, '\0');
      done = span.at + span.size;
    }
    kept.append(line.text, done);
    return XXH3_64bits(kept.data(), kept.size());
  }

  // The first user the message names who is not the receiver.
  void name_sender(const Client& client, const protocol::Message& message, Line& line) {
    fields_.clear();
    page_.fields(message.from, message.kind, message.bytes, fields_);
    for (const Page::Field& field : fields_) {
      if (field.role != protocol::Role::user) continue;
      std::string value = Page::value(field, message.bytes);
      if (value.empty() || std::find(client.self.begin(), client.self.end(), value) != client.self.end())
        continue;
      subject_.senders.insert(value);
      if (copy_) place(value, line);
      line.sender = std::move(value);
      return;
    }
  }

  void place(std::string& value, Line& line) const {
    const auto own = copy_->recorded_of.find(value);
    if (own != copy_->recorded_of.end()) {
      value = own->second;
      return;
    }
    // A name that the recording had and that nobody replaced is a service's or the server's own.
    line.foreign = !recorded_ || !recorded_->senders.contains(value) || subject_.group.contains(value);
  }

  const Page& page_;
  Subject& subject_;
  const Copy* copy_;
  const Subject* recorded_;
  std::vector<Page::Field> fields_;
  std::vector<protocol::FieldSpan> spans_;
};

void see_recording(const Page& page, Subject& subject) {
  for (const Conversation& talk : subject.talks) {
    Client& client = subject.clients.emplace_back();
    client.number = client.origin = talk.connection;
    client.talk = &talk;
    client.self = self_of(page, talk);
    Reading(page, subject, nullptr, nullptr)(client);
  }
}

void see_run(const Page& page, Subject& subject, const Subject* recorded) {
  const auto copies = copies_of(*subject.trace, subject);
  std::map<std::uint32_t, const format::ClientRow*> rows;
  for (const format::ClientRow& row : subject.trace->clients)
    if (row.kept) rows[row.client] = &row;
  for (const Conversation& talk : subject.talks) {
    const auto row = rows.find(talk.connection);
    if (row == rows.end()) continue;
    Client& client = subject.clients.emplace_back();
    client.number = talk.connection;
    client.origin = row->second->origin;
    client.talk = &talk;
    client.self = self_of(page, talk);
    Reading(page, subject, &copies.at(row->second->copy), recorded)(client);
  }
  std::sort(subject.clients.begin(), subject.clients.end(),
            [](const Client& x, const Client& y) { return x.number < y.number; });
}

}  // namespace

std::string Subject::setting(std::string_view option) const {
  const boost::json::value* options = info.if_contains("options");
  if (!options || !options->is_object()) return {};
  const boost::json::value* value = options->as_object().if_contains(option);
  if (!value) return {};
  return value->is_string() ? std::string(value->as_string()) : boost::json::serialize(*value);
}

Subject see(const format::Trace& trace, Page& page, const Subject* recorded) {
  Subject subject;
  subject.trace = &trace;
  subject.run = trace.is_run();
  boost::system::error_code bad;
  boost::json::value info = boost::json::parse(trace.info, bad);
  if (!bad && info.is_object()) subject.info = std::move(info.as_object());
  subject.talks = protocol::converse(trace, page);
  std::stable_sort(subject.talks.begin(), subject.talks.end(),
                   [](const Conversation& x, const Conversation& y) { return x.opened < y.opened; });
  if (!trace.events.empty()) subject.length = trace.events.back().time;
  if (subject.run)
    see_run(page, subject, recorded);
  else
    see_recording(page, subject);
  return subject;
}

}  // namespace chorus::compare
