#include "tests/bench/print.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <unistd.h>

namespace chorus::bench {
namespace {

std::string number(double value) {
  char text[32];
  const int digits = value == 0 ? 0 : std::clamp(2 - static_cast<int>(std::floor(std::log10(value))), 0, 3);
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : 0;
}

boost::json::array array(const std::vector<double>& values) {
  return boost::json::array(values.begin(), values.end());
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Printer::Printer(bool json) : json_(json) {
  if (!json_) head();
}

void Printer::head() const {
  std::printf("%ld processors, load average %.1f before; medians, smaller is better\n",
              sysconf(_SC_NPROCESSORS_ONLN), load_average());
  std::printf("%-32s %9s %9s  %-12s %6s %8s %5s  %s\n", "", "ours", "baseline", "", "ratio", "target", "runs",
              "the baseline's system calls");
}

void Printer::add(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const double ours = median(row.ours), baseline = median(row.baseline), ratio = ours / baseline;
    if (json_) {
      boost::json::object object{{"ours", ours},
                                 {"baseline", baseline},
                                 {"ratio", ratio},
                                 {"unit", row.unit},
                                 {"runs", row.ours.size()},
                                 {"ours_each", array(row.ours)},
                                 {"baseline_each", array(row.baseline)}};
      if (row.target > 0) object["target"] = row.target;
      if (!row.baseline_calls.empty()) object["baseline_calls"] = median(row.baseline_calls);
      document_[row.name] = std::move(object);
      continue;
    }
    std::printf("%-32s %9s %9s  %-12s %6.2f %8s %5zu", row.name.c_str(), number(ours).c_str(),
                number(baseline).c_str(), row.unit.c_str(), ratio,
                row.target > 0 ? ("<= " + number(row.target)).c_str() : "", row.ours.size());
    if (!row.baseline_calls.empty()) std::printf("  %.3g a message", median(row.baseline_calls));
    std::printf("%s\n", row.target > 0 && ratio > row.target ? "  over target" : "");
  }
  std::fflush(stdout);
}

void Printer::finish() {
  if (json_) {
    std::cout << boost::json::serialize(document_) << std::endl;
  } else {
    std::printf("load average %.1f after\n", load_average());
  }
}

}  // namespace chorus::bench
