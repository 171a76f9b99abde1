#include "replayer/shard_result.h"

#include <cstring>
#include <type_traits>

namespace chorus::replayer {

// each_member() below is found through these classes' namespace, so it cannot be an anonymous one.
template <class T>
concept Plain = std::is_trivially_copyable_v<T>;

class Packer {
 public:
  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }
  std::string take() { return std::move(out_); }

 private:
  template <Plain T>
  void put(const T& value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(const std::string& text) {
    put(text.size());
    out_ += text;
  }
  template <class T>
  void put(const std::vector<T>& list) {
    put(list.size());
    for (const T& one : list) put(one);
  }
  template <class K, class V>
  void put(const std::map<K, V>& map) {
    put(map.size());
    for (const auto& [key, value] : map) (*this)(key, value);
  }
  void put(const Sketch& sketch) {
    put(sketch.buckets());
    put(sketch.max());
  }
  template <class T>
  requires requires(Packer& packer, T& value) { each_member(packer, value); }
  void put(const T& value) {
    each_member(*this, const_cast<T&>(value));  // it only reads
  }

  std::string out_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}
  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }
  bool whole() const { return good_ && bytes_.empty(); }

 private:
  template <Plain T>
  void get(T& value) {
    good_ = good_ && bytes_.size() >= sizeof value;
    if (!good_) return;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
  }
  std::size_t length() {
    std::size_t size = 0;
    get(size);
    good_ = good_ && size <= bytes_.size();  // no element is shorter than a byte
    return good_ ? size : 0;
  }
  void get(std::string& text) {
    const std::size_t size = length();
    text.assign(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
  }
  template <class T>
  void get(std::vector<T>& list) {
    list.clear();
    for (std::size_t left = length(); left > 0 && good_; --left) get(list.emplace_back());
  }
  template <class K, class V>
  void get(std::map<K, V>& map) {
    for (std::size_t left = length(); left > 0 && good_; --left) {
      K key{};
      get(key);
      get(map[std::move(key)]);
    }
  }
  void get(Sketch& sketch) {
    std::vector<std::uint64_t> buckets;
    Nanos max{};
    (*this)(buckets, max);
    if (buckets.size() > Sketch::most_buckets) good_ = false;
    for (std::size_t bucket = 0; good_ && bucket < buckets.size(); ++bucket)
      if (buckets[bucket] > 0) sketch.add_bucket(static_cast<std::uint32_t>(bucket), buckets[bucket]);
    sketch.raise_max(max);
  }
  template <class T>
  requires requires(Unpacker& unpacker, T& value) { each_member(unpacker, value); }
  void get(T& value) { each_member(*this, value); }

  std::string_view bytes_;
  bool good_ = true;
};

// One list of members for both ways.
template <class Way>
void each_member(Way& way, Reason& reason) {
  way(reason.what, reason.advice);
}
template <class Way>
void each_member(Way& way, Stop& stop) {
  way(stop.reason, stop.part, stop.step);
}
template <class Way>
void each_member(Way& way, StopCount& count) {
  way(count.clients, count.expected, count.got);
}
template <class Way>
void each_member(Way& way, format::Divergence& one) {
  way(one.client, one.step, one.time, one.expected, one.got);
}
template <class Way>
void each_member(Way& way, StepTally& step) {
  way(step.sent, step.unanswered, step.expected, step.delivered, step.lateness, step.latency, step.delivery);
}
template <class Way>
void each_member(Way& way, Fanout& fanout) {
  way(fanout.expected, fanout.delivered, fanout.duplicated, fanout.ambiguous, fanout.unexpected,
      fanout.delivery, fanout.rooms, fanout.unlisted, fanout.gaps, fanout.most_pending);
}
template <class Way>
void each_member(Way& way, Tally& tally) {
  way(tally.scheduled, tally.sent, tally.late_dropped, tally.pushed_back, tally.proceeded, tally.bytes_out,
      tally.sent_by_kind, tally.lateness, tally.longest_stall, tally.waited_for_processor, tally.received,
      tally.bytes_in, tally.unanswered, tally.replies, tally.divergent, tally.own_failures,
      tally.received_by_kind, tally.unanswered_by_kind, tally.latency, tally.connect, tally.ready,
      tally.divergences, tally.stops, tally.others, tally.fanout, tally.pushback, tally.steps);
}
template <class Way>
void each_member(Way& way, ShardResult& result) {
  way(result.performance.tally, result.performance.clients, result.cpu_s, result.rss_peak_bytes,
      result.interrupted, result.trace_problem);
}

std::string pack(const ShardResult& result) {
  Packer packer;
  each_member(packer, const_cast<ShardResult&>(result));
  return packer.take();
}

bool unpack(std::string_view bytes, ShardResult& result) {
  Unpacker unpacker(bytes);
  each_member(unpacker, result);
  return unpacker.whole();
}

}  // namespace chorus::replayer
