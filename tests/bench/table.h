// What is made of the figures of a benchmark, as pure code: medians, whether a target is met, and the table
// in the README.
#pragma once

#include "tests/bench/benchmark.h"

#include <optional>

namespace chorus::bench {

double median(std::vector<double> values);  // 0 of none

struct Outcome {
  double ours = 0, baseline = 0;  // medians
  std::optional<double> ratio{};  // none where the baseline took nothing
  std::optional<bool> met{};      // none where no target was set
};
Outcome outcome_of(const Row& row);

std::string number(double value);       // three digits that count, or all before the point
std::string target_of(const Row& row);  // "1.15", "2 us"; "" where none was set

// One row's name and what it measures, in the order of the table.
struct Listed {
  std::string name, what;
};

// The README with these rows between <!-- bench --> and <!-- /bench -->, each benchmark at its place in
// `benchmarks`; the lines of benchmarks without a row here stay as they are. A detail ("name/detail") is
// listed where it has a target. Throws std::runtime_error when there are no markers.
std::string with_table(const std::string& readme, const std::vector<Row>& rows,
                       const std::vector<Listed>& benchmarks, const std::string& conditions);

}  // namespace chorus::bench
