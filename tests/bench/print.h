// What people and programs read of the benchmarks.
#pragma once

#include "tests/bench/table.h"

#include <filesystem>

#include <boost/json/object.hpp>

namespace chorus::bench {

double load_average();  // of the last minute

class Printer {
 public:
  explicit Printer(bool json);
  // A table's rows are printed at once; `load` is load_average() before them.
  void add(const std::vector<Row>& rows, double load);
  void finish();

 private:
  void head() const;
  bool json_;
  boost::json::object document_;
};

// with_table() on a file, with what this machine is; throws std::runtime_error when it has no place for it.
void write_readme(const std::filesystem::path& readme, const std::vector<Row>& rows,
                  const std::vector<Listed>& benchmarks, const Settings& settings);

}  // namespace chorus::bench
