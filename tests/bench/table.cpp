#include "tests/bench/table.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <stdexcept>

namespace chorus::bench {
namespace {

constexpr const char* opening = "<!-- bench -->\n";
constexpr const char* closing = "<!-- /bench -->";
constexpr const char* line_opening = "| `";

// "receive-resting" of receive-resting/bare-resting.
std::string benchmark_of(const std::string& name) {
  return name.substr(0, name.find('/'));
}

struct Line {
  std::string name, text;
};

std::vector<Line> lines_of(const std::string& table) {
  std::vector<Line> lines;
  std::istringstream input(table);
  for (std::string text; std::getline(input, text);) {
    const std::size_t begin = std::string(line_opening).size();
    if (text.rfind(line_opening, 0) == 0)
      lines.push_back({text.substr(begin, text.find('`', begin) - begin), text});
  }
  return lines;
}

Line line_of(const Row& row, const std::vector<Listed>& benchmarks) {
  const Outcome outcome = outcome_of(row);
  std::string text = line_opening + row.name + "`";
  for (const Listed& listed : benchmarks)
    if (listed.name == row.name) text += " " + listed.what;
  text += " | " + number(outcome.ours) + " " + row.unit + " | " + number(outcome.baseline) + " | " +
          (outcome.ratio ? number(*outcome.ratio) : "-") + " | " + target_of(row);
  if (outcome.met) text += *outcome.met ? ", met" : ", missed";
  return {row.name, text + " |"};
}

}  // namespace

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Outcome outcome_of(const Row& row) {
  Outcome outcome{median(row.ours), median(row.baseline)};
  if (outcome.baseline > 0) outcome.ratio = outcome.ours / outcome.baseline;
  if (row.target > 0 && outcome.ratio) outcome.met = *outcome.ratio <= row.target;
  if (row.absolute_target > 0)
    outcome.met = outcome.met.value_or(true) && outcome.ours <= row.absolute_target;
  return outcome;
}

std::string number(double value) {
  char text[32];
  const double size = std::abs(value);
  const int digits = size == 0 ? 0 : std::clamp(2 - static_cast<int>(std::floor(std::log10(size))), 0, 3);
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string target_of(const Row& row) {
  std::string text = row.target > 0 ? number(row.target) : "";
  if (row.absolute_target <= 0) return text;
  if (!text.empty()) text += " and ";
  return text + number(row.absolute_target) + " " + row.unit;
}

std::string with_table(const std::string& readme, const std::vector<Row>& rows,
                       const std::vector<Listed>& benchmarks, const std::string& conditions) {
  std::size_t begin = readme.find(opening);
  const std::size_t end = begin == std::string::npos ? begin : readme.find(closing, begin);
  if (end == std::string::npos) throw std::runtime_error("the README has no markers for the table");
  begin += std::string(opening).size();

  std::vector<Line> lines = lines_of(readme.substr(begin, end - begin));
  lines.erase(std::remove_if(lines.begin(), lines.end(),
                             [&](const Line& line) {
                               return std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
                                 return benchmark_of(row.name) == benchmark_of(line.name);
                               });
                             }),
              lines.end());
  for (const Row& row : rows) {
    if (benchmark_of(row.name) == row.name || outcome_of(row).met) lines.push_back(line_of(row, benchmarks));
  }
  const auto place = [&](const Line& line) {
    return std::find_if(benchmarks.begin(), benchmarks.end(),
                        [&](const Listed& listed) { return listed.name == benchmark_of(line.name); });
  };
  std::stable_sort(lines.begin(), lines.end(),
                   [&](const Line& a, const Line& b) { return place(a) < place(b); });

  std::string table = "| what | ours | baseline | ratio | target |\n|---|---|---|---|---|\n";
  for (const Line& line : lines) table += line.text + "\n";
  return readme.substr(0, begin) + table + "\n" + conditions + "\n" + readme.substr(end);
}

}  // namespace chorus::bench
