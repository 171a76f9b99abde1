// What a benchmark is: figures of ours and of a baseline, taken in turns in one run, so that a busy machine
// is busy for both. A baseline does the same job in as few raw system calls as it takes, and checks nothing.
#pragma once

#include <string>
#include <vector>

namespace chorus::bench {

struct Settings {
  unsigned clients = 1000;
  unsigned runs = 5;   // of each side
  double seconds = 3;  // how long a steady state is watched
};

// One figure, smaller is better. One value a run and side, in the order of the runs.
struct Row {
  std::string name;
  std::string unit;
  double target = 0;  // design's limit for ours / baseline; 0 = none was set
  std::vector<double> ours{}, baseline{};
  std::vector<double>
      baseline_calls{};  // system calls per message; empty where none is made in the timed part
};

double median(std::vector<double> values);

// Each returns its rows, the first of which bears the benchmark's name; "name/detail" are the others'. They
// throw std::runtime_error when something did not go as it must for the figures to mean anything.
std::vector<Row> send_exact(const Settings& settings);
std::vector<Row> receive_broadcast(const Settings& settings);
std::vector<Row> receive_interleaved(const Settings& settings);
std::vector<Row> trace_write(const Settings& settings);
std::vector<Row> trace_read(const Settings& settings);
std::vector<Row> frame_and_render(const Settings& settings);
std::vector<Row> page_over_raw(const Settings& settings);

}  // namespace chorus::bench
