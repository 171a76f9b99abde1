// What people and programs read of the benchmarks.
#pragma once

#include "tests/bench/benchmark.h"

#include <boost/json/object.hpp>

namespace chorus::bench {

class Printer {
 public:
  explicit Printer(bool json);
  void add(const std::vector<Row>& rows);  // a table's rows are printed at once
  void finish();

 private:
  void head() const;
  bool json_;
  boost::json::object document_;
};

}  // namespace chorus::bench
