// The architecture is a set of one-way arrows, and header-only libraries let everybody include everything. So
// this test reads what the compiler really read: the dependency files beside the objects of this build.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace fs = std::filesystem;

namespace {

// Room -> rooms it may include, itself apart. schema/ and the headers from outside are open to all.
const std::map<std::string, std::set<std::string>>& arrows() {
  static const std::map<std::string, std::set<std::string>> allowed = {
      {"traces/format", {}},
      {"traces/protocol", {"traces/format"}},
      {"traces/convert", {"traces/format"}},
      {"traces/learn", {"traces/format", "traces/protocol"}},
      {"traces/compare", {"traces/format", "traces/protocol"}},
      {"traces/report", {"traces/format", "traces/protocol", "traces/convert", "traces/compare"}},
      {"recorder", {"traces/format", "traces/protocol", "traces/convert", "traces/compare", "traces/report"}},
      {"replayer", {"traces/format", "traces/protocol", "traces/convert", "traces/compare", "traces/report"}},
  };
  return allowed;
}

// The room of a path below the source folder; "" for files that belong to none.
std::string room_of(const std::string& relative) {
  for (const auto& [room, allowed] : arrows()) {
    if (relative.rfind(room + "/", 0) == 0) return room;
  }
  return "";
}

// `ninja -t deps` prints what the compiler said of each object: "object: #deps ..." then one indented path a
// line.
std::map<std::string, std::vector<std::string>> dependencies() {
  const std::string list = std::string(CHORUS_BUILD) + "/deps.txt";
  const std::string command = "ninja -C '" CHORUS_BUILD "' -t deps > '" + list + "' 2>/dev/null";
  std::map<std::string, std::vector<std::string>> objects;
  if (std::system(command.c_str()) != 0) return objects;
  std::ifstream in(list);
  std::string line, object;
  while (std::getline(in, line)) {
    if (line.empty()) continue;
    if (line[0] != ' ') {
      object = line.substr(0, line.find(':'));
    } else {
      objects[object].push_back(line.substr(line.find_first_not_of(' ')));
    }
  }
  return objects;
}

std::string relative_to_source(const std::string& path) {
  const fs::path absolute = path[0] == '/' ? fs::path(path) : fs::path(CHORUS_BUILD) / path;
  return fs::path(absolute).lexically_normal().lexically_relative(CHORUS_SOURCE).generic_string();
}

}  // namespace

TEST_CASE("rooms depend on each other one way, and nothing below traces knows of sockets", "[rooms]") {
  std::set<std::string> seen;
  for (const auto& [object, files] : dependencies()) {
    if (files.empty()) continue;
    const std::string room = room_of(relative_to_source(files.front()));  // the source itself comes first
    if (room.empty()) continue;
    seen.insert(room);
    const bool pure = room.rfind("traces/", 0) == 0;
    for (const std::string& file : files) {
      const std::string other = room_of(relative_to_source(file));
      INFO(object << " includes " << file);
      if (!other.empty() && other != room) CHECK(arrows().at(room).count(other) == 1);
      if (pure) {
        CHECK(file.find("boost/asio") == std::string::npos);
        CHECK(file.find("boost/beast") == std::string::npos);
      }
    }
  }
  // The list was read: every room that has sources was looked at.
  for (const char* room : {"traces/format", "traces/protocol", "traces/convert", "traces/compare",
                           "traces/report", "recorder", "replayer"}) {
    INFO(room);
    CHECK(seen.count(room) == 1);
  }
}
