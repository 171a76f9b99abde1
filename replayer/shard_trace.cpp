#include "replayer/shard_trace.h"

#include "traces/format/reader.h"

#include <algorithm>
#include <filesystem>

namespace chorus::replayer {
namespace {

class Part {
 public:
  explicit Part(std::unique_ptr<format::Reader> reader) : reader_(std::move(reader)) { advance(); }

  bool over() const { return over_; }
  const format::Event& front() const { return events_[at_]; }
  void pop() {
    if (++at_ == events_.size()) advance();
  }

 private:
  void advance() {
    at_ = 0;
    do {
      over_ = !reader_->next();
      if (over_) return;
      events_ = reader_->events();
    } while (events_.empty());
    std::stable_sort(events_.begin(), events_.end(),
                     [](const format::Event& a, const format::Event& b) { return a.time < b.time; });
  }

  std::unique_ptr<format::Reader> reader_;
  std::vector<format::Event> events_;
  std::size_t at_ = 0;
  bool over_ = false;
};

}  // namespace

std::string shard_trace_name(const std::string& output, std::uint32_t shard) {
  return output + ".shard" + std::to_string(shard);
}

void join_shard_traces(const std::vector<std::string>& parts, format::Writer& trace) {
  std::vector<Part> open;
  for (const std::string& name : parts) {
    for (const std::string& file : {name, name + ".partial"}) {
      auto reader = format::Reader::open(file);
      if (!reader) continue;
      Part part(std::move(*reader));
      if (!part.over()) open.push_back(std::move(part));
      break;
    }
  }
  while (!open.empty()) {
    const auto first = std::min_element(open.begin(), open.end(), [](const Part& a, const Part& b) {
      return a.front().time < b.front().time;
    });
    trace.add(first->front());
    first->pop();
    if (first->over()) open.erase(first);
  }
  std::error_code ignored;
  for (const std::string& name : parts) {
    std::filesystem::remove(name, ignored);
    std::filesystem::remove(name + ".partial", ignored);
  }
}

}  // namespace chorus::replayer
