#include "traces/convert/merge.h"

#include "traces/convert/files.h"
#include "traces/convert/info.h"
#include "traces/convert/summary.h"
#include "traces/format/quantity.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_map>

#include <boost/json.hpp>

namespace chorus::convert {
namespace {

namespace json = boost::json;
using format::Event;
using format::Nanos;

constexpr std::chrono::hours most_apart{24 * 365 * 10};  // more is no clock's error but a wrong one

// Members of Info that describe one recording and say nothing of the bytes.
constexpr std::array<std::string_view, 6> descriptive = {"tool", "started",  "options",
                                                         "cut",  "imported", "incomplete"};

struct Input {
  std::filesystem::path path;
  format::Start start;
  json::object info;
};

Expected<Input> look_at(const std::filesystem::path& path) {
  auto reader = format::Reader::open(path);
  if (!reader) return reader.error();
  Input input{path, (*reader)->start(), {}};
  while ((*reader)->next()) {
    if (const std::string& text = (*reader)->info(); !text.empty()) add_info(input.info, text);
    if (const std::string why = run_refusal(**reader, input.info); !why.empty())
      return Trouble{path.string() + ' ' + why};
  }
  return input;
}

bool describes(std::string_view member) {
  return std::find(descriptive.begin(), descriptive.end(), member) != descriptive.end();
}

std::string brief(const json::value& value) {
  const std::string text = json::serialize(value);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

// What was left out of one or another: flags hold for the group, counts add up.
void add_up(json::object& all, const json::object& more) {
  for (const auto& [name, value] : more) {
    json::value& sum = all[name];
    if (sum.is_bool() && value.is_bool())
      sum = sum.get_bool() || value.get_bool();
    else if (sum.is_number() && value.is_number())
      sum = sum.to_number<std::uint64_t>() + value.to_number<std::uint64_t>();
    else if (sum.is_object() && value.is_object())
      add_up(sum.get_object(), value.get_object());
    else
      sum = value;
  }
}

std::string payloads_of(const Input& input) {
  const json::value* whose = input.info.if_contains("payloads");
  return whose != nullptr && whose->is_string() ? std::string(whose->get_string()) : "all";
}

// The whole group's Info. A member that only some recordings have holds for the group: it may say that
// something was left out.
Expected<json::object> agreed(const std::vector<Input>& inputs, const format::Start& start) {
  json::object all;
  json::array merged;
  for (const Input& input : inputs) {
    if (payloads_of(input) != payloads_of(inputs.front()))
      return Trouble{input.path.string() + " has the bytes of --payloads " + payloads_of(input) + ", " +
                     inputs.front().path.string() + " those of --payloads " + payloads_of(inputs.front()) +
                     "; in a group all must have been recorded alike"};
    json::object own{{"started", utc(input.start.wall_ns)}};
    for (const auto& [name, value] : input.info) {
      if (describes(name)) {
        own[name] = value;
        continue;
      }
      json::value* other = all.if_contains(name);
      if (other && name == "redacted" && other->is_object() && value.is_object()) {
        add_up(other->get_object(), value.get_object());
        continue;
      }
      if (other && name == "changed" && *other != value && other->is_string() && value.is_string()) {
        all[name] = std::string(other->get_string()) + "; " + std::string(value.get_string());
      } else if (other && *other != value) {
        return Trouble{input.path.string() + " has \"" + std::string(name) + "\" " + brief(value) +
                       ", the recordings before it have " + brief(*other) +
                       "; only recordings that agree can become one group"};
      } else {
        all[name] = value;
      }
    }
    merged.push_back(std::move(own));
  }
  all["mode"] = "recording";
  all["tool"] = CHORUS_VERSION;
  all["started"] = utc(start.wall_ns);
  all["merged"] = std::move(merged);
  return all;
}

// One input's events in order of time, block by block.
class Source {
 public:
  Source(std::unique_ptr<format::Reader> reader, Nanos shift) : reader_(std::move(reader)), shift_(shift) {
    refill();
  }
  const Event* event() const { return next_ < order_.size() ? order_[next_] : nullptr; }
  // A damaged or hostile trace may hold any time.
  Nanos time() const { return std::min(event()->time, Nanos::max() - shift_) + shift_; }
  void pop() {
    if (++next_ == order_.size()) refill();
  }
  const format::Damage& damage() const { return reader_->damage(); }
  std::unordered_map<std::uint32_t, std::uint32_t> numbers;  // of its connections in the group

 private:
  void refill() {
    order_.clear();
    next_ = 0;
    while (order_.empty() && reader_->next()) order_ = in_order(reader_->events());
  }
  std::unique_ptr<format::Reader> reader_;
  Nanos shift_;
  std::vector<const Event*> order_;
  std::size_t next_ = 0;
};

Source* earliest(std::vector<Source>& sources) {
  Source* first = nullptr;
  for (Source& source : sources)
    if (source.event() && (!first || source.time() < first->time())) first = &source;
  return first;
}

Expected<format::Start> common_start(const std::vector<Input>& inputs, Align align) {
  if (align == Align::start) return inputs.front().start;
  const auto by_wall = [](const Input& a, const Input& b) { return a.start.wall_ns < b.start.wall_ns; };
  const auto [first, last] = std::minmax_element(inputs.begin(), inputs.end(), by_wall);
  const std::uint64_t apart =
      static_cast<std::uint64_t>(last->start.wall_ns) - static_cast<std::uint64_t>(first->start.wall_ns);
  if (apart > static_cast<std::uint64_t>(std::chrono::nanoseconds(most_apart).count()))
    return Trouble{"the wall clocks of " + first->path.string() + " and " + last->path.string() +
                   " are more than ten years apart; use --align start"};
  return first->start;
}

}  // namespace

Expected<MergeReport> merge(const MergeOptions& options) {
  if (options.inputs.size() < 2)
    return Trouble{"there is one recording, expected two or more to make a group of"};
  std::vector<Input> inputs;
  for (const auto& path : options.inputs) {
    auto input = look_at(path);
    if (!input) return input.error();
    if (const auto apart = keep_apart(path, options.output); !apart) return apart.error();
    inputs.push_back(std::move(*input));
  }
  const auto start = common_start(inputs, options.align);
  if (!start) return start.error();
  const auto info = agreed(inputs, *start);
  if (!info) return info.error();

  auto trace = NewTrace::create(options.output, *start, options.force);
  if (!trace) return trace.error();
  trace->writer().info(json::serialize(*info));
  std::vector<Source> sources;
  for (const Input& input : inputs) {
    auto reader = format::Reader::open(input.path);
    if (!reader) return reader.error();
    const Nanos shift(options.align == Align::wall ? input.start.wall_ns - start->wall_ns : 0);
    sources.emplace_back(std::move(*reader), shift);
  }

  MergeReport report;
  while (Source* source = earliest(sources)) {
    Event event = *source->event();
    const auto [number, fresh] =
        source->numbers.try_emplace(event.connection, static_cast<std::uint32_t>(report.connections));
    if (fresh) ++report.connections;
    event.connection = number->second;
    event.time = source->time();
    event.intended.reset();
    trace->writer().add(event);
    ++report.events;
    if (!trace->writer().ok()) break;
    source->pop();
  }
  std::string incomplete;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    report.damage.push_back(sources[i].damage());
    if (const std::string damage = damage_words(report.damage.back()); !damage.empty())
      incomplete += (incomplete.empty() ? "" : "; ") + inputs[i].path.filename().string() + ": " + damage;
  }
  if (!incomplete.empty()) trace->writer().info(json::serialize(json::object{{"incomplete", incomplete}}));
  if (const auto closed = trace->finish(); !closed) return closed.error();
  return report;
}

}  // namespace chorus::convert
