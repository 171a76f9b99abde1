#include "traces/convert/files.h"

#include "traces/convert/printable.h"
#include "traces/format/output_file.h"
#include "traces/format/quantity.h"

#include <algorithm>

namespace chorus::convert {
namespace fs = std::filesystem;

Expected<void> keep_apart(const fs::path& input, const fs::path& output) {
  if (output.empty()) return Trouble{"-o is empty, expected the name of the file to write"};
  for (const fs::path& written : {output, format::partial_name(output)}) {
    std::error_code absent;
    if (fs::equivalent(input, written, absent) && !absent)
      return Trouble{"writing " + output.string() + " would write over its input " + input.string() +
                     "; name another file with -o"};
  }
  return {};
}

Expected<NewTrace> NewTrace::create(const fs::path& path, format::Start start, bool force) {
  format::WriterOptions options;
  options.force = force;
  options.start = start;
  options.wait_when_full = true;
  auto writer = format::Writer::create(path, options);
  if (!writer) return writer.error();
  return NewTrace(std::move(*writer), path);
}

NewTrace::~NewTrace() {
  if (!writer_) return;
  writer_.reset();
  std::error_code ignored;
  fs::remove(format::partial_name(path_), ignored);
}

Expected<void> NewTrace::finish() {
  const auto closed = writer_->close();
  if (closed) {
    writer_.reset();
    return {};
  }
  const std::string problem = writer_->problem();
  return Trouble{(problem.empty() ? closed.error().what : problem) + "; nothing of " + path_.string() +
                 " stays"};
}

std::vector<const format::Event*> in_order(const std::vector<format::Event>& events) {
  std::vector<const format::Event*> order;
  order.reserve(events.size());
  for (const format::Event& event : events) order.push_back(&event);
  std::stable_sort(order.begin(), order.end(),
                   [](const format::Event* a, const format::Event* b) { return a->time < b->time; });
  return order;
}

std::string counted(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

std::string damage_words(const format::Damage& damage, const std::string& kept) {
  if (!damage.any()) return {};
  format::Damage own = damage;
  own.incomplete.clear();
  const std::string inherited = damage.incomplete.empty() ? ""
                                                          : "what it was made from was not whole: " +
                                                                printable_words(damage.incomplete);
  if (!own.any()) return inherited;
  std::string text = damage.cut ? "the file is cut" : "the file is damaged";
  if (!kept.empty()) text += ": " + kept;
  if (damage.missing_events > 0) text += ", " + counted(damage.missing_events, "event") + " lost";
  if (damage.missing_time > format::Nanos(0))
    text += ", " + show_duration(damage.missing_time) + (damage.missing_events > 0 ? " of it" : " lost");
  if (damage.dropped_events > 0) {
    text += ", " + counted(damage.dropped_events, "event") + " dropped while it was written";
    if (damage.dropped_last > format::Nanos(0))
      text +=
          " (from " + show_duration(damage.dropped_first) + " to " + show_duration(damage.dropped_last) + ")";
  }
  if (damage.bad_blocks > 0) text += ", " + counted(damage.bad_blocks, "bad block");
  if (damage.skipped_bytes > 0) text += ", " + counted(damage.skipped_bytes, "byte") + " in no good block";
  if (damage.cut && !damage.counted) text += "; how much came after that nothing says";
  if (!damage.first.empty()) text += " (" + damage.first + ")";
  return text + (inherited.empty() ? "" : "; " + inherited);
}

}  // namespace chorus::convert
