// ./dev bench: the table of benchmarks. What each measures stands at the top of its file.
#include "tests/bench/benchmark.h"
#include "tests/bench/print.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <stdexcept>

#include <CLI/CLI.hpp>

namespace {

using namespace chorus::bench;

struct Benchmark {
  Listed listed;
  std::vector<Row> (*run)(const Settings&);
};

std::vector<Benchmark> all_benchmarks() {
  return {
      {{"send-exact-1k", "1,000 messages/s of at most 3,000 clients, each at its time"}, send_exact_1k},
      {{"send-exact-10k", "10,000 messages/s, each at its time"}, send_exact_10k},
      {{"send-exact-100k", "100,000 messages/s, each at its time"}, send_exact_100k},
      {{"send-spin-10k", "10,000 messages/s, awake 50 us before each"}, send_spin_10k},
      {{"send-grid-1ms", "10,000 messages/s on ticks of 1 ms, against exact sending"}, send_grid_1ms},
      {{"receive-broadcast", "40,000 deliveries/s, in the order of the accepts"}, receive_broadcast},
      {{"receive-resting", "40,000 deliveries/s, resting 500 us, against a baseline that does not"},
       receive_resting},
      {{"receive-interleaved", "40,000 deliveries/s, each to another worker"}, receive_interleaved},
      {{"receive-interleaved-resting",
        "40,000 deliveries/s, each to another worker, resting 500 us, against a baseline that does not"},
       receive_interleaved_resting},
      {{"memory-per-client", "private memory of a client that is connected and idle"}, memory_per_client},
      {{"memory-per-chat-client", "private memory of a client that chats in a room of two"},
       memory_per_chat_client},
      {{"trace-write", "an event into a trace, against write()"}, trace_write},
      {{"trace-read", "an event out of a trace, against read()"}, trace_read},
      {{"trace-flat-memory", "the most memory of writing 10 million events, against a tenth of them"},
       trace_flat_memory},
      {{"frame-and-render", "a message found in a stream and written anew, against memcpy"},
       frame_and_render},
      {{"page-over-raw",
        "a replay that understands its messages, against one of raw bytes; at most 1,000 clients"},
       page_over_raw},
      {{"record-round-trip", "100 bytes to a server and back through the recorder, against HAProxy"},
       record_round_trip},
  };
}

// One benchmark by its whole name, or all whose names begin so.
bool names_it(const std::string& wanted, const std::string& name, const std::vector<Benchmark>& all) {
  const bool whole = std::any_of(all.begin(), all.end(),
                                 [&](const Benchmark& benchmark) { return benchmark.listed.name == wanted; });
  return whole ? name == wanted : name.rfind(wanted, 0) == 0;
}

std::string busy(double load) {
  if (load <= 0.5) return {};
  char text[100];
  std::snprintf(text, sizeof text,
                "; load average %.1f: the machine is busy, or was with the benchmark before", load);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  Settings settings;
  std::vector<std::string> wanted;
  bool json = false, readme = false;
  const std::vector<Benchmark> benchmarks = all_benchmarks();
  std::vector<Listed> listed;
  std::string footer = "Benchmarks:\n";
  for (const Benchmark& benchmark : benchmarks) {
    listed.push_back(benchmark.listed);
    footer += "  " + benchmark.listed.name + ": " + benchmark.listed.what + "\n";
  }

  CLI::App app("every benchmark, each beside its baseline from the same run", "bench");
  app.footer(footer);
  app.add_option("NAME", wanted, "only these; one stands for all that begin so")
      ->check([&](const std::string& name) {
        for (const Listed& one : listed)
          if (names_it(name, one.name, benchmarks)) return std::string();
        return "no benchmark begins with '" + name + "'";
      });
  app.add_flag("--json", json, "one JSON document on stdout");
  app.add_flag("--readme", readme, "write the rows into the table of README.md, too");
  app.add_option("--clients", settings.clients, "of the benchmarks with sockets")
      ->check(CLI::Range(14, 15000))
      ->capture_default_str();
  app.add_option("--runs", settings.runs, "of each side, in turns")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seconds", settings.seconds, "how long a steady state is watched")
      ->check(CLI::Range(0.5, 600.0))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }

  Printer printer(json);
  try {
    for (const auto& [one, run] : benchmarks) {
      const std::string& name = one.name;
      if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), [&](const std::string& want) {
            return names_it(want, name, benchmarks);
          }))
        continue;
      const double load = load_average();
      std::cerr << "bench: " << name << busy(load) << "\n";
      const std::vector<Row> rows = run(settings);
      if (rows.empty()) continue;
      printer.add(rows, load);
      if (readme) write_readme(CHORUS_SOURCE "/README.md", rows, listed, settings);
    }
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << "\n";
    return 2;
  }
  printer.finish();
}
