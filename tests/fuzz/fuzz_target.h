// A fuzz target takes any bytes and must find the code's promises kept. Run by libFuzzer when clang builds it
// (./dev fuzz), else by standalone.cpp: the same targets, a plain mutator, no coverage.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

// One execution. The bytes begin where a heap block begins and end where it ends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace chorus::fuzz {

// Inputs to begin with. Defined by each target.
std::vector<std::string> seeds();

// No assert: fuzzers also run on what users run, and there asserts are off.
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

}  // namespace chorus::fuzz
