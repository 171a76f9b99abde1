#include "traces/format/sketch.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <catch2/catch.hpp>

namespace chorus::format {
namespace {

using std::chrono::nanoseconds;

std::vector<std::int64_t> latencies(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> distribution(std::log(300'000.0), 2.5);
  std::vector<std::int64_t> values(count);
  for (auto& value : values) value = static_cast<std::int64_t>(distribution(random));
  return values;
}

TEST_CASE("a bucket begins where the one before it ends, over all 64 bits", "[sketch]") {
  for (std::uint32_t bucket = 0; bucket < Sketch::most_buckets; ++bucket) {
    const auto lowest = Sketch::lowest_of(bucket);
    REQUIRE(Sketch::bucket_of(lowest) == bucket);
    REQUIRE(Sketch::bucket_of(Sketch::middle_of(bucket)) == bucket);
    if (bucket > 0) REQUIRE(Sketch::bucket_of(lowest - 1) == bucket - 1);
  }
  CHECK(Sketch::bucket_of(~std::uint64_t{0}) == Sketch::most_buckets - 1);
}

TEST_CASE("a bucket's number is what the schema says", "[sketch]") {
  CHECK(Sketch::bucket_of(0) == 0);
  CHECK(Sketch::bucket_of(63) == 63);
  CHECK(Sketch::bucket_of(64) == 64);
  CHECK(Sketch::bucket_of(129) == 128);        // e = 7: 64 * 2 + (129 >> 1) - 64
  CHECK(Sketch::bucket_of(1'000'000) == 954);  // e = 19: 64 * 14 + (1000000 >> 13) - 64
}

TEST_CASE("quantiles are within 0.8 % of the exact ones", "[sketch]") {
  auto values = latencies(100'000, 1);
  Sketch sketch;
  for (const auto value : values) sketch.add(nanoseconds(value));
  std::sort(values.begin(), values.end());
  for (const double q : {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size()) - 1e-6));
    const auto exact = static_cast<double>(values[rank - 1]);
    INFO("q " << q);
    CHECK(std::abs(static_cast<double>(sketch.quantile(q).count()) - exact) <= 0.008 * exact);
  }
  CHECK(sketch.quantile(1).count() == values.back());
  CHECK(sketch.count() == values.size());
}

TEST_CASE("small values are exact", "[sketch]") {
  Sketch sketch;
  for (int i = 1; i <= 100; ++i) sketch.add(nanoseconds(i));
  CHECK(sketch.quantile(0.01).count() == 1);
  CHECK(sketch.quantile(0.07).count() == 7);
  CHECK(sketch.quantile(0.5).count() == 50);
  CHECK(sketch.quantile(0.99).count() == 99);
  CHECK(sketch.quantile(0).count() == 1);
}

TEST_CASE("a quantile is never above the largest value", "[sketch]") {
  Sketch sketch;
  sketch.add(nanoseconds(1'000'001), 10);
  CHECK(sketch.quantile(0.5) <= nanoseconds(1'000'001));
  CHECK(sketch.quantile(1) == nanoseconds(1'000'001));
}

TEST_CASE("an empty sketch has quantile 0, and a negative value counts as 0", "[sketch]") {
  Sketch sketch;
  CHECK(sketch.quantile(0.5).count() == 0);
  sketch.add(nanoseconds(-5));
  CHECK(sketch.count() == 1);
  CHECK(sketch.max().count() == 0);
  CHECK(sketch.buckets().at(0) == 1);
  sketch.add(nanoseconds::max());
  CHECK(sketch.quantile(1) == nanoseconds::max());
}

TEST_CASE("merged sketches are the sketch of all values", "[sketch]") {
  Sketch all, left, right;
  for (const auto value : latencies(2'000, 2)) {
    all.add(nanoseconds(value));
    left.add(nanoseconds(value));
  }
  for (const auto value : latencies(3'000, 3)) {
    all.add(nanoseconds(value), 2);
    right.add(nanoseconds(value), 2);
  }
  left.merge(right);
  CHECK(left.buckets() == all.buckets());
  CHECK(left.count() == 8'000);
  CHECK(left.max() == all.max());
}

}  // namespace
}  // namespace chorus::format
