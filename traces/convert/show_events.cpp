// One line for each message, or for each chunk where no page fits: time, connection, direction, kind, text.
#include "traces/convert/printable.h"
#include "traces/convert/show.h"
#include "traces/convert/summary.h"
#include "traces/convert/table.h"

#include <ostream>

namespace chorus::convert {
namespace {

using format::Nanos;

constexpr std::size_t text_width = 60;  // of one message, so that a line fits 100 columns

std::string padded(std::string text, std::size_t width, bool right) {
  const std::size_t wide = columns_of(text);
  const std::string gap(wide < width ? width - wide : 0, ' ');
  return right ? gap + text : text + gap;
}

// Streams line by line: a long trace is not held as text.
class EventLines {
 public:
  EventLines(std::ostream& out, const format::Trace& trace, const Seen& seen, const ShowOptions& options)
      : out_(out), options_(options), connection_width_(1), kind_width_(0) {
    Nanos last{};
    for (const format::Event& event : trace.events) {
      last = std::max(last, event.time);
      connection_width_ = std::max(connection_width_, std::to_string(event.connection).size());
    }
    time_width_ = seconds(last).size();
    for (const KindCount& kind : seen.kinds)
      kind_width_ = std::max(kind_width_, columns_of(printable(kind.kind)));
  }

  void line(Nanos time, std::uint32_t connection, std::string_view arrow, std::string_view kind,
            std::string_view text) {
    if (time < options_.from || time >= options_.to) return;
    std::string row = padded(seconds(time), time_width_, true) + "  " +
                      padded(std::to_string(connection), connection_width_, true) + "  " +
                      std::string(arrow) + "  ";
    if (kind_width_ > 0) row += padded(printable(kind), kind_width_, false) + "  ";
    row += printable(text, options_.full ? 0 : text_width);
    row.erase(row.find_last_not_of(' ') + 1);
    out_ << row << '\n';
  }

 private:
  std::ostream& out_;
  const ShowOptions& options_;
  std::size_t connection_width_, kind_width_, time_width_ = 0;
};

std::string words(const format::Event& event) {
  using format::EventKind;
  const std::string what = event.kind == EventKind::Opened        ? "opened"
                           : event.kind == EventKind::Refused     ? "refused"
                           : event.kind == EventKind::ClientEnd   ? "client ended"
                           : event.kind == EventKind::ServerEnd   ? "server ended"
                           : event.kind == EventKind::ClientReset ? "client reset"
                           : event.kind == EventKind::ServerReset ? "server reset"
                                                                  : "closed";
  return what + (event.payload.empty() ? "" : ": ") + std::string(event.payload);
}

bool is_chunk(const format::Event& event) {
  return event.kind == format::EventKind::ToServer || event.kind == format::EventKind::ToClient;
}

}  // namespace

// Messages and the life of their connections, merged by time.
void show_events(std::ostream& out, const format::Trace& trace, const Seen& seen,
                 const ShowOptions& options) {
  EventLines lines(out, trace, seen, options);
  std::size_t m = 0;
  const auto messages_until = [&](const format::Event* event) {
    for (; out && m < seen.messages.size(); ++m) {
      const MessageLine& row = seen.messages[m];
      // What arrived at the same moment: an opening comes first, an end comes last.
      if (event &&
          (event->kind == format::EventKind::Opened ? row.time >= event->time : row.time > event->time))
        return;
      lines.line(row.time, row.connection, row.to_server ? "->" : "<-", row.kind, row.bytes);
    }
  };
  for (const format::Event& event : trace.events) {
    if (!out) return;
    if (is_chunk(event)) continue;  // its messages are in the list
    messages_until(&event);
    lines.line(event.time, event.connection, "--", "", words(event));
  }
  messages_until(nullptr);
}

}  // namespace chorus::convert
