#include "tests/loop/recorder_fixture.h"

#include <csignal>
#include <stdexcept>

namespace chorus::test {

namespace {

std::string quoted(const std::string& word) {
  return "'" + word + "'";
}

}  // namespace

RecorderUnderTest::RecorderUnderTest(std::uint16_t upstream_port, const std::vector<std::string>& options,
                                     const std::string& prefix) {
  const std::uint16_t upstream = upstream_port == 0 ? listener.port() : upstream_port;
  if (upstream_port != 0) listener.close();
  std::vector<std::string> words{CHORUS_EXECUTABLE,
                                 "record",
                                 "--listen",
                                 "127.0.0.1:0",
                                 "--upstream",
                                 "127.0.0.1:" + std::to_string(upstream),
                                 "-o",
                                 trace_file().string()};
  words.insert(words.end(), options.begin(), options.end());
  if (!prefix.empty()) {
    std::string command = prefix + "; exec";
    for (const std::string& word : words) command += ' ' + quoted(word);
    words = {"sh", "-c", command};
  }
  process = std::make_unique<Process>(words);
  const std::string line = process->err_line_with("recording 127.0.0.1:");
  port = static_cast<std::uint16_t>(std::stoi(line.substr(line.find(':') + 1)));
}

RecorderUnderTest::Pair RecorderUnderTest::connect() {
  Socket client = Socket::connect(port);
  return {std::move(client), listener.accept()};
}

format::Trace RecorderUnderTest::finish() {
  process->signal(SIGTERM);
  if (const int status = process->wait(); status != 0)
    throw std::runtime_error("exit status " + std::to_string(status) + ": " + process->err_rest());
  if (std::filesystem::exists(partial_file())) throw std::runtime_error("a .partial was left behind");
  return load();
}

format::Trace RecorderUnderTest::load() const {
  auto trace = format::load(trace_file());
  if (!trace) throw std::runtime_error(trace.error().what);
  if (trace->damage.any()) throw std::runtime_error("damaged trace: " + trace->damage.first);
  return std::move(*trace);
}

std::map<std::uint32_t, Told> told(const format::Trace& trace) {
  using format::EventKind;
  std::map<std::uint32_t, Told> all;
  std::map<std::uint32_t, format::Nanos> latest;
  for (const format::Event& event : trace.events) {
    if (latest.contains(event.connection) && event.time < latest[event.connection])
      throw std::runtime_error("the times of a connection run backwards");
    latest[event.connection] = event.time;
    Told& one = all[event.connection];
    const std::string kind = schema::EnumNameEventKind(event.kind);
    if (!one.kinds.ends_with(kind)) one.kinds += (one.kinds.empty() ? "" : " ") + kind;
    if (event.kind == EventKind::ToServer) one.to_server += event.payload;
    if (event.kind == EventKind::ToClient) one.to_client += event.payload;
    one.last = event.payload;
  }
  return all;
}

}  // namespace chorus::test
