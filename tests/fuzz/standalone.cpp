// Fuzzing where there is no libFuzzer: inputs of a corpus, mutated without coverage, the same ones in every
// run. It finds little that is deep, but it runs with every test and every compiler.
//
// fuzz-NAME [COUNT] [FILE|FOLDER...] [--keep FILE]
//   COUNT executions [10000]; with 0 each input is run as it is, which repeats a finding.
//   The corpus is the files, or the target's own seeds.
//   --keep writes each input to FILE before it is run: after a crash it is the one.
#include "tests/fuzz/fuzz_target.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string_view>

namespace chorus::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest = 64 * 1024;  // bytes of an input

// std::mt19937_64 gives the same numbers everywhere, the standard's distributions do not.
class Random {
 public:
  std::size_t below(std::size_t bound) {
    return bound == 0 ? 0 : static_cast<std::size_t>(engine_() % bound);
  }

 private:
  std::mt19937_64 engine_{20090209};
};

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  std::string next() {
    std::string input = corpus_[random_.below(corpus_.size())];
    for (std::size_t rounds = 1 + random_.below(6); rounds > 0; --rounds) mutate(input);
    input.resize(std::min(input.size(), longest));
    return input;
  }

 private:
  static constexpr std::array<std::string_view, 24> tokens = {
      "<",    ">",  "/>", "</",  "<![CDATA[", "]]>", "'",     "\"",   "\r\n", "\n", " ",  "[[",
      "]]\n", "= ", "{",  "}\n", "\xff\xff",  "-1",  "65536", "\x80", "(",    ")*", "\\", "."};

  void mutate(std::string& input) {
    const std::size_t at = random_.below(input.size() + 1);
    const std::size_t some = std::min(1 + random_.below(1 + random_.below(64)), input.size() - at);
    switch (random_.below(8)) {
      case 0:  // one bit
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << random_.below(8));
        break;
      case 1:  // one byte
        if (at < input.size()) input[at] = static_cast<char>(random_.below(256));
        break;
      case 2:
        input.insert(at, 1 + random_.below(4), static_cast<char>(random_.below(256)));
        break;
      case 3:
        input.erase(at, some);
        break;
      case 4:
        input.insert(at, tokens[random_.below(tokens.size())]);
        break;
      case 5:  // again
        input.insert(random_.below(input.size() + 1), input.substr(at, some));
        break;
      case 6: {  // from another
        const std::string& other = corpus_[random_.below(corpus_.size())];
        input.insert(at, other, random_.below(other.size() + 1), 1 + random_.below(80));
        break;
      }
      default:  // cut
        if (random_.below(4) == 0) input.resize(at);
    }
  }

  const std::vector<std::string>& corpus_;
  Random random_;
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(const std::string& input, const fs::path& keep) {
  if (!keep.empty()) std::ofstream(keep, std::ios::binary | std::ios::trunc) << input;
  const auto block = std::make_unique<std::uint8_t[]>(input.size());  // ends where the input ends
  std::copy(input.begin(), input.end(), block.get());
  LLVMFuzzerTestOneInput(block.get(), input.size());
}

struct Options {
  std::uint64_t count = 10'000;
  std::vector<std::string> corpus;
  fs::path keep;
};

Options options_of(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& one = arguments[i];
    const bool is_number = one.find_first_not_of("0123456789") == std::string::npos;
    if (one == "--keep" && i + 1 < arguments.size()) {
      options.keep = arguments[++i];
    } else if (is_number && !fs::exists(one)) {
      std::from_chars(one.data(), one.data() + one.size(), options.count);
    } else if (fs::is_directory(one)) {
      for (const auto& entry : fs::directory_iterator(one)) {
        if (entry.is_regular_file()) options.corpus.push_back(read(entry.path()));
      }
    } else if (fs::is_regular_file(one)) {
      options.corpus.push_back(read(one));
    } else {
      std::fprintf(stderr, "%s is no number, file or folder; see standalone.cpp\n", one.c_str());
      std::exit(2);
    }
  }
  std::sort(options.corpus.begin(), options.corpus.end());  // a folder has no order
  if (options.corpus.empty()) options.corpus = seeds();
  return options;
}

}  // namespace
}  // namespace chorus::fuzz

int main(int argc, char** argv) {
  using namespace chorus::fuzz;
  const Options options = options_of({argv + 1, argv + argc});
  for (const std::string& input : options.corpus) run(input, options.keep);
  Mutator mutator(options.corpus);
  for (std::uint64_t i = 0; i < options.count; ++i) run(mutator.next(), options.keep);
  std::printf("%zu inputs as they are and %llu mutated ones: no promise broken\n", options.corpus.size(),
              static_cast<unsigned long long>(options.count));
}
