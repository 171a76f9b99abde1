#include "tests/bench/crowd.h"

#include "traces/format/writer.h"

#include <csignal>
#include <fstream>
#include <stdexcept>

#include <boost/json/parse.hpp>

namespace chorus::bench {
namespace {

using format::EventKind;
using format::Nanos;

constexpr const char* page_text = R"(name = "bench"
summary = "lines of the benchmarks"
[framing]
type = "line"
[kind]
word = 1
names = ["SAY"]
[[field]]
kinds = ["SAY"]
from = "client"
name = "nick"
pattern = '^SAY (\S+) '
role = "user"
declares = true
[names]
user = "u{client:07}"
)";

class Recording {
 public:
  explicit Recording(const std::filesystem::path& trace) {
    auto created = format::Writer::create(trace, {});
    if (!created) throw std::runtime_error(created.error().what);
    writer_ = std::move(*created);
    writer_->info(R"({"mode":"recording"})");
    add(Nanos{0}, EventKind::Opened, "127.0.0.1:1 127.0.0.1:2");
  }
  void add(Nanos time, EventKind kind, std::string_view bytes = {}) {
    writer_->add({time, 0, kind, bytes, {}});
  }
  void close(Nanos time) {
    add(time, EventKind::ClientEnd);
    add(time, EventKind::Closed);
    if (const auto closed = writer_->close(); !closed) throw std::runtime_error(closed.error().what);
  }

 private:
  std::unique_ptr<format::Writer> writer_;
};

}  // namespace

std::string crowd_line(const std::string& name) {
  std::string line = "SAY " + name + " :";
  while (line.size() < message_size - 2)
    line += "the crowd says something that takes a while to read "[line.size() % 52];
  return line + "\r\n";
}

void record_speaker(const std::filesystem::path& trace, const SendPlan& plan) {
  Recording recording(trace);
  const std::string line = crowd_line("u0000000");
  Nanos time = plan.lead;
  for (unsigned i = 0; i < plan.each; ++i, time += plan.apart * plan.clients) {
    recording.add(time, EventKind::ToServer, line);
  }
  recording.close(time);
}

void record_listener(const std::filesystem::path& trace, std::chrono::nanoseconds stays) {
  Recording(trace).close(stays);
}

void write_page(const std::filesystem::path& page) {
  std::ofstream(page) << page_text;
}

std::vector<std::string> replay_command(const test::ScratchFolder& folder, const sockaddr_in& server,
                                        unsigned clients, std::chrono::nanoseconds apart,
                                        const std::vector<std::string>& more) {
  std::vector<std::string> command{CHORUS_EXECUTABLE,
                                   "replay",
                                   (folder / "one.trace").string(),
                                   "--protocol",
                                   (folder / "bench.toml").string(),
                                   "--target",
                                   "127.0.0.1:" + std::to_string(ntohs(server.sin_port)),
                                   "--clients",
                                   std::to_string(clients),
                                   "--processes",
                                   "1",
                                   "--ramp",
                                   std::to_string(apart.count()) + "ns",
                                   "--phase",
                                   "0ms",
                                   "--no-trial",
                                   "--json"};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

void explain(test::Process& replay, const std::exception& error) {
  replay.signal(SIGKILL);
  replay.wait();
  throw std::runtime_error(std::string(error.what()) + "; chorus replay said: " + replay.err_rest());
}

double cpu_of(test::Process& replay, const Board& board, std::uint64_t first, double seconds,
              std::chrono::nanoseconds settled_after) {
  try {
    return cpu_per_message_us(replay.pid(), board, first, seconds, settled_after);
  } catch (const std::exception& error) {
    explain(replay, error);
  }
}

boost::json::value finish(test::Process& replay, unsigned clients) {
  replay.wait();  // whatever its verdict is: on a busy machine lateness makes a run INVALID, and is a figure
                  // here
  const std::string text = replay.out_rest();
  boost::system::error_code error;
  boost::json::value document = boost::json::parse(text, error);
  if (error) throw std::runtime_error("chorus replay gave no document: " + text + replay.err_rest());
  const auto count = [&](const char* group, const char* key) {
    return document.at(group).at(key).to_number<std::uint64_t>();
  };
  // A crowd that only listens has nothing that it could be judged by.
  if (count("clients", "completed") + count("clients", "unjudged") != clients ||
      count("messages", "sent") != count("messages", "scheduled")) {
    throw std::runtime_error("chorus replay did not play the whole benchmark: " + text);
  }
  return document;
}

}  // namespace chorus::bench
