// libFuzzer begins with the files of a folder. An empty one is filled with the target's own seeds here, so
// that nothing binary needs to be kept among the sources.
#include "tests/fuzz/fuzz_target.h"

#include <filesystem>
#include <fstream>

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  namespace fs = std::filesystem;
  for (int i = 1; i < *argc; ++i) {
    const fs::path folder = (*argv)[i];
    if (!fs::is_directory(folder)) continue;
    if (!fs::is_empty(folder)) return 0;
    int number = 0;
    for (const std::string& seed : chorus::fuzz::seeds()) {
      std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
    }
    return 0;
  }
  return 0;
}
