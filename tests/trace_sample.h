// A small trace that has something of everything, and a folder for it: used by the tests of the trace format.
#pragma once

#include "traces/format/quantity.h"
#include "traces/format/reader.h"
#include "traces/format/writer.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace chorus::format::sample {

// An empty folder that goes away with its owner.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("chorus-" + hex(random()))) {
    std::filesystem::create_directory(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  static std::uint64_t random() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }
  std::filesystem::path path_;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::remove(path);  // writing over it would have some file systems wait for the disk
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline constexpr Start start{1'700'000'000'000'000'000, 5'000'000'000};

// Two clients and a refused one; event i is at i microseconds, and its payload tells its number.
inline std::vector<Event> events(std::vector<std::string>& texts, std::size_t count = 40) {
  constexpr EventKind kinds[] = {EventKind::Opened,   EventKind::ToServer,    EventKind::ToClient,
                                 EventKind::ToServer, EventKind::ClientEnd,   EventKind::ServerEnd,
                                 EventKind::Refused,  EventKind::ClientReset, EventKind::ServerReset,
                                 EventKind::Closed};
  texts.clear();
  for (std::size_t i = 0; i < count; ++i)
    texts.push_back("event " + std::to_string(i) + std::string(i % 7, '\0'));
  std::vector<Event> all;
  for (std::size_t i = 0; i < count; ++i) {
    Event event{std::chrono::microseconds(i), static_cast<std::uint32_t>(i % 3), kinds[i % 10], texts[i], {}};
    if (i % 10 == 3) event.intended = event.time - Nanos(500);
    all.push_back(event);
  }
  return all;
}

inline void write_tables(Writer& writer) {
  writer.clients(std::vector<ClientRow>{{0, 0, 0, Outcome::Completed, 0, 7, 100, 200, true},
                                        {1, 0, 1, Outcome::Refused, 3, 0, -1, -1, false}});
  writer.bindings(std::vector<Binding>{{0, 1, "alice", "u0000001"}, {0, shared_by_all, "#room", "#room-0"}});
  writer.divergences(
      std::vector<Divergence>{{1, 2, Nanos(77), "001 Welcome", "433 in use"}, {1, 3, Nanos(78), "", ""}});
  Sketch latency;
  for (int i = 1; i <= 1000; ++i) latency.add(std::chrono::microseconds(i));
  writer.sketches(
      std::vector<NamedSketch>{{"latency", Nanos(0), Nanos(0), latency}, {"empty", Nanos(5), Nanos(6), {}}});
  writer.series(std::vector<Series>{{"sent", {{Nanos(1), 0.5}, {Nanos(2), 1.5}}}, {"nothing", {}}});
}

// Writes the sample to `path`; `with_tables` adds one row or two of every table.
inline void write(const std::filesystem::path& path, WriterOptions options = {}, bool with_tables = true,
                  std::size_t count = 40) {
  options.start = start;
  auto writer = Writer::create(path, options);
  REQUIRE(writer.has_value());
  std::vector<std::string> texts;
  (*writer)->info(R"({"mode":"run","tool":"0.1"})");
  for (const Event& event : events(texts, count)) (*writer)->add(event);
  if (with_tables) write_tables(**writer);
  (*writer)->info(R"({"tool":"0.2","protocol":"irc"})");
  const auto closed = (*writer)->close();
  INFO((closed ? "" : closed.error().what));
  REQUIRE(closed.has_value());
}

inline bool same(const Event& a, const Event& b) {
  return a.time == b.time && a.connection == b.connection && a.kind == b.kind && a.payload == b.payload &&
         a.intended == b.intended;
}

}  // namespace chorus::format::sample
