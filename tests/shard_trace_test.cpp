// The parts of a run's trace that shards wrote become one.
#include "replayer/shard_trace.h"

#include "tests/trace_sample.h"

using namespace std::chrono_literals;
using namespace chorus;
using format::EventKind;
using format::Nanos;

namespace {

class Parts {
 public:
  // Of one shard: client 10 * shard + i says its number at each time. Not closed: its writer died.
  void write(std::uint32_t shard, const std::vector<Nanos>& times, bool closed = true) {
    format::WriterOptions options;
    options.codec = format::Codec::None;
    options.block_events = 3;
    options.wait_when_full = true;
    const std::string name = this->name(shard);
    auto writer = format::Writer::create(name, options);
    REQUIRE(writer.has_value());
    for (std::size_t i = 0; i < times.size(); ++i) {
      const std::string text = std::to_string(shard) + ":" + std::to_string(i);
      (*writer)->add({times[i], 10 * shard, EventKind::ToServer, text, times[i] - 1us});
    }
    if (closed) REQUIRE((*writer)->close().has_value());
  }
  std::string name(std::uint32_t shard) const {
    return replayer::shard_trace_name((folder_ / "crowd.trace").string(), shard);
  }
  std::filesystem::path path(std::uint32_t shard, const char* more = "") const { return name(shard) + more; }

  // The events in the order of the file, and what is left in the folder.
  std::vector<std::string> join(std::uint32_t shards) {
    std::vector<std::string> names;
    for (std::uint32_t shard = 0; shard < shards; ++shard) names.push_back(name(shard));
    format::WriterOptions options;
    options.wait_when_full = true;
    auto writer = format::Writer::create(folder_ / "crowd.trace", options);
    REQUIRE(writer.has_value());
    replayer::join_shard_traces(names, **writer);
    REQUIRE((*writer)->close().has_value());
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      CHECK(entry.path().filename() == "crowd.trace");
    auto reader = format::Reader::open(folder_ / "crowd.trace");
    REQUIRE(reader.has_value());
    std::vector<std::string> texts;
    in_file.clear();
    while ((*reader)->next()) {
      for (const format::Event& event : (*reader)->events()) {
        texts.emplace_back(event.payload);
        in_file.push_back(event.time);
        CHECK(event.kind == EventKind::ToServer);
        CHECK(event.intended == event.time - 1us);
        CHECK(event.connection == 10u * static_cast<std::uint32_t>(event.payload[0] - '0'));
      }
    }
    CHECK_FALSE((*reader)->damage().any());
    return texts;
  }

  std::vector<Nanos> in_file;  // times, as joined

 private:
  format::sample::Folder folder_;
};

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a shard's part stands beside the run's trace", "[shards]") {
  CHECK(replayer::shard_trace_name("crowd.trace", 3) == "crowd.trace.shard3");
}

TEST_CASE("events of all shards are joined in order of time, and the parts are gone", "[shards]") {
  Parts parts;
  parts.write(0, {1ms, 4ms, 7ms, 10ms, 13ms});
  parts.write(1, {2ms, 3ms, 4ms, 30ms});
  parts.write(2, {0ms, 12ms, 14ms, 15ms, 16ms, 17ms, 18ms});
  CHECK(parts.join(3) == Texts{"2:0", "0:0", "1:0", "1:1", "0:1", "1:2", "0:2", "0:3", "2:1", "0:4", "2:2",
                               "2:3", "2:4", "2:5", "2:6", "1:3"});
  CHECK(std::is_sorted(parts.in_file.begin(), parts.in_file.end()));
}

TEST_CASE("threads that wrote a block a little out of order are put in order", "[shards]") {
  Parts parts;
  parts.write(0, {3ms, 1ms, 2ms, 6ms, 5ms, 4ms});
  parts.write(1, {2500us});
  CHECK(parts.join(2) == Texts{"0:1", "0:2", "1:0", "0:0", "0:5", "0:4", "0:3"});
}

TEST_CASE("a part that is missing, empty or no trace has nothing", "[shards]") {
  Parts parts;
  parts.write(0, {2ms});
  parts.write(2, {1ms});
  parts.write(3, {});
  format::sample::write_file(parts.path(4), "no trace");
  format::sample::write_file(parts.path(5), "");
  CHECK(parts.join(6) == Texts{"2:0", "0:0"});
}

TEST_CASE("of a part whose writer died its whole blocks are taken", "[shards]") {
  Parts parts;
  parts.write(0, {1ms, 4ms, 7ms, 10ms});
  parts.write(1, {2ms, 3ms, 5ms, 6ms, 8ms, 9ms}, false);
  REQUIRE(std::filesystem::exists(parts.path(1, ".partial")));
  const std::string bytes = format::sample::read_file(parts.path(1, ".partial"));
  format::sample::write_file(parts.path(1, ".partial"), bytes.substr(0, bytes.size() - 1));
  CHECK(parts.join(2) == Texts{"0:0", "1:0", "1:1", "0:1", "1:2", "0:2", "0:3"});
}

TEST_CASE("no parts at all leave the run's trace empty", "[shards]") {
  Parts parts;
  CHECK(parts.join(3).empty());
}
