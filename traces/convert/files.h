// What every tool shares that turns one file into another: the input is never written over, a file that did
// not come to its end does not stay, and damage of the input is said.
#pragma once

#include "traces/format/reader.h"
#include "traces/format/writer.h"

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

namespace chorus::convert {

// Refuses an output whose name, or whose name while it is written, is the input's: not even --force writes
// over what is being read.
Expected<void> keep_apart(const std::filesystem::path& input, const std::filesystem::path& output);

// The trace that a tool makes. Without finish() nothing of it stays.
class NewTrace {
 public:
  static Expected<NewTrace> create(const std::filesystem::path& path, format::Start start, bool force);
  NewTrace(NewTrace&&) noexcept = default;
  NewTrace& operator=(NewTrace&&) = delete;
  ~NewTrace();

  format::Writer& writer() { return *writer_; }
  Expected<void> finish();

 private:
  NewTrace(std::unique_ptr<format::Writer> writer, std::filesystem::path path)
      : writer_(std::move(writer)), path_(std::move(path)) {}
  std::unique_ptr<format::Writer> writer_;
  std::filesystem::path path_;
};

// The events of a block in order of time; events of one connection keep their order.
std::vector<const format::Event*> in_order(const std::vector<format::Event>& events);

// One sentence on what is missing of a file that was read to its end, "" for a whole one. `kept`: what there
// is, in words.
std::string damage_words(const format::Damage& damage, const std::string& kept = {});

std::string counted(std::uint64_t count, const std::string& noun);  // "1 event", "2 events"

// How the command `name` ends: `say` tells what was done, or stderr gets the reason why not. The exit status.
template <class Report, class Say>
int conclude(const std::string& name, const Expected<Report>& report, Say say) {
  if (report)
    say(*report);
  else
    std::cerr << "chorus " << name << ": " << report.error().what << "\n";
  return static_cast<int>(report ? Exit::ok : Exit::trouble);
}

}  // namespace chorus::convert
