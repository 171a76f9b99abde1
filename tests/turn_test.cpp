#include "traces/format/turn.h"

#include <catch2/catch.hpp>

#ifdef __linux__
#include <fstream>
#include <string>
#include <thread>

#include <sched.h>

namespace {

// As the kernel shows it; 0 where it does not.
unsigned long long length_of_turns() {
  std::ifstream file("/proc/thread-self/sched");
  for (std::string word; file >> word;)
    if (unsigned long long ns = 0; word == "se.slice" && file >> word >> ns) return ns;
  return 0;
}

}  // namespace

TEST_CASE("a thread's turns get short or long, and its policy stays", "[turn]") {
  std::thread([] {
    const int policy = sched_getscheduler(0);
    const auto before = length_of_turns();
    chorus::format::ask_for_short_turns();
    const auto shorter = length_of_turns();
    chorus::format::ask_for_long_turns();
    const auto longer = length_of_turns();
    CHECK(sched_getscheduler(0) == policy);
    if (shorter == longer) {  // this kernel grants nothing, or does not show it
      CHECK(shorter == before);
    } else {
      CHECK(shorter < before);
      CHECK(longer > before);
    }
  }).join();
}
#endif
