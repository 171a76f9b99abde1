// What a benchmark is: figures of ours and of a baseline, taken in turns in one run, so that a busy machine
// is busy for both. A baseline does the same job in as few raw system calls as it takes, and checks nothing.
#pragma once

#include <string>
#include <vector>

namespace chorus::bench {

struct Settings {
  unsigned clients = 10'000;
  unsigned runs = 5;   // of each side
  double seconds = 3;  // how long a steady state is watched
};

// One figure, smaller is better. One value a run and side, in the order of the runs.
struct Row {
  std::string name;
  std::string unit;
  double target = 0;           // the limit for ours / baseline; 0 = none was set
  double absolute_target = 0;  // the limit for ours, in `unit`; 0 = none was set
  std::vector<double> ours{}, baseline{};
  std::vector<double>
      baseline_calls{};  // system calls per message; empty where none is made in the timed part
};

// Each returns its rows, the first of which bears the benchmark's name; "name/detail" are the others'. They
// throw std::runtime_error when something did not go as it must for the figures to mean anything.
std::vector<Row> send_exact_1k(const Settings& settings);
std::vector<Row> send_exact_10k(const Settings& settings);
std::vector<Row> send_exact_100k(const Settings& settings);
std::vector<Row> send_spin_10k(const Settings& settings);
std::vector<Row> send_grid_1ms(const Settings& settings);
std::vector<Row> receive_broadcast(const Settings& settings);
std::vector<Row> receive_resting(const Settings& settings);
std::vector<Row> receive_interleaved(const Settings& settings);
std::vector<Row> receive_interleaved_resting(const Settings& settings);
std::vector<Row> memory_per_client(const Settings& settings);
std::vector<Row> memory_per_chat_client(const Settings& settings);
std::vector<Row> trace_write(const Settings& settings);
std::vector<Row> trace_read(const Settings& settings);
std::vector<Row> trace_flat_memory(const Settings& settings);
std::vector<Row> frame_and_render(const Settings& settings);
std::vector<Row> page_over_raw(const Settings& settings);
std::vector<Row> record_round_trip(const Settings& settings);  // none where HAProxy is not installed

}  // namespace chorus::bench
