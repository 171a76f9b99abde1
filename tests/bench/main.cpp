// ./dev bench: the table of benchmarks. What each measures stands at the top of its file.
#include "tests/bench/benchmark.h"
#include "tests/bench/print.h"

#include <csignal>
#include <iostream>
#include <stdexcept>

#include <CLI/CLI.hpp>

namespace {

using namespace chorus::bench;

struct Benchmark {
  const char* name;
  std::vector<Row> (*run)(const Settings&);
};
constexpr Benchmark benchmarks[] = {
    {"send-exact-10k", send_exact},
    {"receive-broadcast", receive_broadcast},
    {"receive-interleaved", receive_interleaved},
    {"trace-write", trace_write},
    {"trace-read", trace_read},
    {"frame-and-render", frame_and_render},
    {"page-over-raw", page_over_raw},
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  Settings settings;
  std::string wanted;
  bool json = false;
  std::vector<std::string> names;
  for (const Benchmark& benchmark : benchmarks) names.emplace_back(benchmark.name);

  CLI::App app("every benchmark, each beside its baseline from the same run", "bench");
  app.add_option("NAME", wanted, "only this one")->check(CLI::IsMember(names));
  app.add_flag("--json", json, "one JSON document on stdout");
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
    for (const Benchmark& benchmark : benchmarks) {
      if (!wanted.empty() && wanted != benchmark.name) continue;
      std::cerr << "bench: " << benchmark.name << "\n";
      printer.add(benchmark.run(settings));
    }
  } catch (const std::exception& error) {
    std::cerr << "bench: " << error.what() << "\n";
    return 2;
  }
  printer.finish();
}
