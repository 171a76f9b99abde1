#include "tests/bench/table.h"

#include <catch2/catch.hpp>

using namespace chorus::bench;

namespace {

Row row(const std::string& name, double ours, double baseline, double target = 0, double absolute = 0) {
  return {name, "us", target, absolute, {ours}, {baseline}};
}

const std::vector<Listed> benchmarks{{"send", "so many messages"}, {"receive", "so many deliveries"}};
const std::string empty = "before\n<!-- bench -->\n<!-- /bench -->\nafter\n";

}  // namespace

TEST_CASE("a benchmark's median is the middle value, or between the two middle ones") {
  CHECK(median({}) == 0);
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 2}) == 2);
  CHECK(median({4, 1, 9, 2}) == 3);
}

TEST_CASE("a benchmark's target is met by the ratio, by the figure itself, or by both") {
  CHECK_FALSE(outcome_of(row("a", 1, 2)).met);
  CHECK(outcome_of(row("a", 2.3, 2, 1.15)).met == true);
  CHECK(outcome_of(row("a", 2.31, 2, 1.15)).met == false);
  CHECK(outcome_of(row("a", 2, 0.1, 0, 2)).met == true);
  CHECK(outcome_of(row("a", 2.1, 9, 0, 2)).met == false);
  CHECK(outcome_of(row("a", 2.1, 9, 1, 2)).met == false);
  CHECK(outcome_of(row("a", 2, 1, 1, 2)).met == false);
}

TEST_CASE("a baseline that took nothing has no ratio, and the figure is still judged by itself") {
  const Outcome outcome = outcome_of(row("a", 2, 0, 1.5, 2));
  CHECK_FALSE(outcome.ratio);
  CHECK(outcome.met == true);
  CHECK_FALSE(outcome_of(row("a", 2, 0, 1.5)).met);
}

TEST_CASE("the README's table of benchmarks is written between its markers") {
  const std::string table =
      with_table(empty, {row("send", 20, 16, 1.15), row("send/p50", 1.5, 0.5, 0, 2), row("send/shown", 1, 1)},
                 benchmarks, "On a machine.");
  CHECK(table ==
        "before\n<!-- bench -->\n"
        "| what | ours | baseline | ratio | target |\n|---|---|---|---|---|\n"
        "| `send` so many messages | 20.0 us | 16.0 | 1.25 | 1.15, missed |\n"
        "| `send/p50` | 1.50 us | 0.500 | 3.00 | 2.00 us, met |\n"
        "\nOn a machine.\n<!-- /bench -->\nafter\n");
}

TEST_CASE("benchmarks of the README that were not run keep their lines, and all stand in their order") {
  const std::string first = with_table(empty, {row("receive", 1, 2)}, benchmarks, "Then.");
  const std::string second =
      with_table(first, {row("send", 3, 1), row("send/p50", 1, 1, 2)}, benchmarks, "Now.");
  const std::string third = with_table(second, {row("send", 4, 1)}, benchmarks, "Now.");
  CHECK(second ==
        "before\n<!-- bench -->\n"
        "| what | ours | baseline | ratio | target |\n|---|---|---|---|---|\n"
        "| `send` so many messages | 3.00 us | 1.00 | 3.00 |  |\n"
        "| `send/p50` | 1.00 us | 1.00 | 1.00 | 2.00, met |\n"
        "| `receive` so many deliveries | 1.00 us | 2.00 | 0.500 |  |\n"
        "\nNow.\n<!-- /bench -->\nafter\n");
  CHECK(third.find("send/p50") == std::string::npos);
  CHECK(third.find("| `send` so many messages | 4.00 us |") != std::string::npos);
  CHECK(third.find("| `receive` so many deliveries | 1.00 us |") != std::string::npos);
}

TEST_CASE("a README without markers has no place for the table") {
  CHECK_THROWS(with_table("nothing\n", {}, benchmarks, ""));
  CHECK_THROWS(with_table("<!-- bench -->\n", {}, benchmarks, ""));
}
