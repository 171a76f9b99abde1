// `chorus show`: what a trace holds, for somebody who has never seen it.
//
// This room knows no protocol. What a page can say (protocol, kinds, names, messages) comes from a describer
// that the top of the program passes in; without one the chunks of bytes are shown.
#pragma once

#include "traces/format/reader.h"

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace chorus::convert {

struct KindCount {
  std::string kind;
  std::uint64_t to_server = 0, to_client = 0;
};

struct NameSeen {
  std::string role;      // "user" or "room"
  std::string recorded;  // as in the bytes
  std::string value;     // the template that stands for it in a replay
};

struct MessageLine {
  format::Nanos time{};
  std::uint32_t connection = 0;
  bool to_server = false;
  std::string kind;
  format::Bytes bytes;  // borrowed from the trace or from Seen::kept; without its delimiter
};

struct Seen {
  std::string protocol, because;  // the page's name and how it was found; "raw" = none fits
  bool raw = true;
  std::vector<KindCount> kinds;  // in the order of their first appearance
  std::vector<NameSeen> names;
  std::string names_problem;        // why no names can be given, "" = none
  std::vector<std::string> broken;  // connections whose framing failed, and where
  std::vector<MessageLine> messages;
  std::shared_ptr<void> kept;  // owns what messages borrow beside the trace
};

// `protocol`: a page's name or path, "" = recognise it.
using Describe = std::function<Expected<Seen>(const format::Trace&, const std::string& protocol)>;

struct ShowOptions {
  bool events = false;  // a line per message (per chunk where no page fits) instead of the summary
  format::Nanos from = format::Nanos::min(), to = format::Nanos::max();  // of these lines: from <= time < to
  bool full = false;                                                     // do not cut texts
  std::size_t rows = 20;                                                 // of a table of the summary; 0 = all
};

struct Summary;

// A trace, or the beginning of a long one, and what is known of all of it.
struct Shown {
  const format::Trace& trace;
  const Summary& summary;
  const Seen& seen;        // of `trace`
  bool beginning = false;  // `trace` is not all of it
};
void show_text(std::ostream& out, const Shown& shown, const ShowOptions& options);
void show_events(std::ostream& out, const format::Trace& trace, const Seen& seen, const ShowOptions& options);
// One document, "chorus.show/1"; with `events` it has the messages.
void show_json(std::ostream& out, const Shown& shown, const ShowOptions& options);

}  // namespace chorus::convert
