#include "tests/bench/print.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <sys/utsname.h>
#include <unistd.h>

namespace chorus::bench {
namespace {

boost::json::array array(const std::vector<double>& values) {
  return boost::json::array(values.begin(), values.end());
}

boost::json::object object_of(const Row& row, double load) {
  const Outcome outcome = outcome_of(row);
  boost::json::object object{{"ours", outcome.ours},
                             {"baseline", outcome.baseline},
                             {"ratio", nullptr},
                             {"unit", row.unit},
                             {"runs", row.ours.size()},
                             {"ours_each", array(row.ours)},
                             {"baseline_each", array(row.baseline)},
                             {"load_before", load}};
  if (outcome.ratio) object["ratio"] = *outcome.ratio;
  if (row.target > 0) object["target"] = row.target;
  if (row.absolute_target > 0) object["absolute_target"] = row.absolute_target;
  if (outcome.met) object["met"] = *outcome.met;
  if (!row.baseline_calls.empty()) object["baseline_calls"] = median(row.baseline_calls);
  return object;
}

// "6.18.44" of 6.18.44-1-amd64.
std::string kernel() {
  utsname name{};
  if (uname(&name) != 0) return "?";
  const std::string release = name.release;
  return std::string(name.sysname) + " " + release.substr(0, release.find_first_not_of("0123456789."));
}

std::string grouped(unsigned count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

}  // namespace

double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : 0;
}

Printer::Printer(bool json) : json_(json) {
  if (!json_) head();
}

void Printer::head() const {
  std::printf("%ld processors, load average %.1f before; medians, smaller is better\n",
              sysconf(_SC_NPROCESSORS_ONLN), load_average());
  std::printf("%-32s %9s %9s  %-12s %6s  %-20s %-6s %4s  %s\n", "", "ours", "baseline", "", "ratio", "target",
              "", "runs", "the baseline's system calls");
}

void Printer::add(const std::vector<Row>& rows, double load) {
  for (const Row& row : rows) {
    if (json_) {
      document_[row.name] = object_of(row, load);
      continue;
    }
    const Outcome outcome = outcome_of(row);
    const std::string target = target_of(row);
    std::printf("%-32s %9s %9s  %-12s %6s  %-20s %-6s %4zu", row.name.c_str(), number(outcome.ours).c_str(),
                number(outcome.baseline).c_str(), row.unit.c_str(),
                outcome.ratio ? number(*outcome.ratio).c_str() : "-",
                target.empty() ? "" : ("<= " + target).c_str(),
                outcome.met ? (*outcome.met ? "met" : "MISSED") : "", row.ours.size());
    if (!row.baseline_calls.empty()) std::printf("  %.3g a message", median(row.baseline_calls));
    std::printf("\n");
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

void write_readme(const std::filesystem::path& readme, const std::vector<Row>& rows,
                  const std::vector<Listed>& benchmarks, const Settings& settings) {
  std::stringstream text;
  if (!(text << std::ifstream(readme).rdbuf())) {
    throw std::runtime_error(readme.string() + " cannot be read");
  }
  const std::string conditions = "Medians of " + std::to_string(settings.runs) + " runs of each side on " +
                                 std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " processors, " + kernel() +
                                 "; " + grouped(settings.clients) + " clients where there are sockets.";
  const std::string replaced = with_table(text.str(), rows, benchmarks, conditions);
  if (!(std::ofstream(readme) << replaced).flush()) {
    throw std::runtime_error(readme.string() + " cannot be written");
  }
}

}  // namespace chorus::bench
