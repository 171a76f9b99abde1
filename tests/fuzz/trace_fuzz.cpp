// A trace that anybody may have written. An input is a file. It is read as it is, and once more with every
// length, number and checksum put right, so that what stands behind the checksums is reached, too.
#include "tests/fuzz/fuzz_target.h"
#include "traces/format/columns.h"
#include "traces/format/container.h"
#include "traces/format/reader.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

// AddressSanitizer has these; without it memory is not watched.
#ifdef __linux__
extern "C" {
[[gnu::weak]] int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                                            void (*)(const volatile void*));
[[gnu::weak]] std::size_t __sanitizer_get_allocated_size(const volatile void*);
}
#endif

namespace chorus::fuzz {
namespace {

using namespace format;

constexpr std::int64_t most_memory = 64 << 20;  // bytes, whatever is in a file
std::int64_t in_use = 0, peak = 0;

void watch_memory() {
#ifdef __linux__
  static bool watched = false;
  if (watched || __sanitizer_install_malloc_and_free_hooks == nullptr) return;
  watched = true;
  __sanitizer_install_malloc_and_free_hooks(
      [](const volatile void*, std::size_t size) {
        in_use += static_cast<std::int64_t>(size);
        peak = std::max(peak, in_use);
      },
      [](const volatile void* block) {
        if (block != nullptr) in_use -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(block));
      });
#endif
}

// The bytes under a name that a Reader can open.
class File {
 public:
#ifdef __linux__
  File() : handle_(::memfd_create("trace", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(handle_)) {}
  void hold(Bytes bytes) {
    must(::ftruncate(handle_, static_cast<off_t>(bytes.size())) == 0 &&
             ::pwrite(handle_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()),
         "the input fits into memory");
  }
#else
  File() : path_(std::filesystem::temp_directory_path() / "chorus-fuzz.trace") {}
  void hold(Bytes bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
#endif
  const std::filesystem::path& path() const {
    return path_;
  }

 private:
  int handle_ = -1;
  std::filesystem::path path_;
};

template <class T>
T get(const std::string& bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}
template <class T>
void put(std::string& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

void seal(std::string& bytes, std::size_t at, std::size_t size) {
  put(bytes, at + size, crc32c(Bytes(bytes).substr(at, size)));
}

// What a writer would have written around the same content.
std::string repaired(std::string bytes) {
  if (bytes.size() < file_header_size) return bytes;
  bytes.replace(0, file_magic.size(), file_magic);
  put(bytes, 8, newest_version);
  put(bytes, 10, std::uint16_t{file_header_size});
  seal(bytes, 0, 60);
  const auto mark = get<std::uint32_t>(bytes, 60);
  std::uint64_t number = 0;
  std::size_t at = file_header_size;
  while ((at = bytes.find(block_magic, at)) != std::string::npos && at + block_header_size <= bytes.size()) {
    const std::size_t rest = bytes.size() - at - block_header_size;
    auto stored = static_cast<std::uint32_t>(std::min<std::size_t>(get<std::uint32_t>(bytes, at + 12), rest));
    const std::size_t next = bytes.find(block_magic, at + block_header_size);
    if (next != std::string::npos && at + block_header_size + padded(stored) != next) {
      stored = static_cast<std::uint32_t>(next - at - block_header_size);
    }
    put(bytes, at + 12, stored);
    if (bytes[at + 9] == 0) put(bytes, at + 16, stored);
    put(bytes, at + 24, number);
    put(bytes, at + 48, xxh3(Bytes(bytes).substr(at + block_header_size, stored)));
    put(bytes, at + 56, mark);
    seal(bytes, at, 60);
    const std::size_t behind = at + block_header_size + padded(stored);
    if (bytes[at + 8] == static_cast<char>(BlockKind::Index) && behind + trailer_size <= bytes.size()) {
      put(bytes, behind, std::uint64_t{at});
      put(bytes, behind + 8, number);
      put(bytes, behind + 16, mark);
      bytes.replace(behind + 24, trailer_magic.size(), trailer_magic);
      seal(bytes, behind, 20);
    }
    ++number;
    at = behind;
  }
  return bytes;
}

struct Told {
  std::uint64_t events = 0, payload = 0, blocks = 0;
  bool operator==(const Told&) const = default;
};

void check_block(const Reader& reader) {
  must(reader.kind() > BlockKind::None && reader.kind() < BlockKind::Index, "a block is of a known kind");
  must(reader.events().size() <= max_rows && reader.clients().size() <= max_rows,
       "no block has too many rows");
  for (const ClientRow& row : reader.clients()) {
    must(row.outcome >= Outcome::Completed && row.outcome <= Outcome::Unfinished, "an outcome is known");
    must(row.canary <= Canary::JoinedLate, "a canary is known");
  }
  std::size_t texts = 0;
  for (const Binding& row : reader.bindings()) texts += row.recorded.size() + row.own.size();
  for (const Divergence& row : reader.divergences()) texts += row.expected.size() + row.got.size();
  must(texts <= max_block_bytes, "no text comes from nowhere");
  for (const NamedSketch& named : reader.sketches()) {
    must(named.sketch.buckets().size() <= Sketch::most_buckets, "a histogram ends");
    (void)named.sketch.quantile(0.99);
  }
}

Told read_to_end(Reader& reader, const Selection& wanted) {
  Told told;
  while (reader.next()) {
    told.blocks += reader.kind() != BlockKind::Events || !reader.events().empty();
    check_block(reader);
    for (const Event& event : reader.events()) {
      must(event.kind > EventKind::None && event.kind <= EventKind::Closed, "an event is of a known kind");
      must(event.time >= wanted.from && event.time <= wanted.until, "an event is one that is wanted");
      must(!event.intended || event.kind == EventKind::ToServer, "only what is sent was intended");
      ++told.events;
      told.payload += event.payload.size();
      if (!event.payload.empty()) (void)*const_cast<const volatile char*>(&event.payload.back());
    }
  }
  must(!reader.next(), "the end is the end");
  return told;
}

void read(const File& file, std::size_t size) {
  const auto reader = Reader::open(file.path());
  if (!reader) {
    must(!reader.error().what.empty() && reader.error().what.find('\n') == std::string::npos,
         "why, in one line");
    return;
  }
  Selection wanted;
  const Told all = read_to_end(**reader, wanted);
  const Damage damage = (*reader)->damage();
  must(damage.any() == !damage.first.empty() || damage.dropped_events > 0 || !damage.incomplete.empty(),
       "damage is told");
  must(damage.missing_time >= Nanos(0), "no time is negative");
  must((*reader)->wasted_bytes() <= 12 * size + (256u << 20), "a reader gives up");

  // One of two ways to read it again: executions are what finds something.
  if (size % 2 == 0) {
    (*reader)->seek(wanted);
    must(read_to_end(**reader, wanted) == all, "a reader that begins again reads the same");
    return;
  }
  wanted.from = Nanos(3'000);
  wanted.until = Nanos(20'000);
  wanted.connections = {1, 70};
  (*reader)->seek(wanted);
  must(read_to_end(**reader, wanted).events <= all.events, "what is wanted is a part of all");
}

std::string file_content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const char* folder :
       {CHORUS_SOURCE "/tests/golden", CHORUS_SOURCE "/tests/malformed", CHORUS_SOURCE "/tests/traces"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() == ".trace") all.push_back(file_content(entry.path()));
    }
  }
  std::sort(all.begin(), all.end());  // a folder has no order
  return all;
}

}  // namespace chorus::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace chorus::fuzz;
  static File file;
  const std::string input(reinterpret_cast<const char*>(data), size);
  watch_memory();
  const std::int64_t before = peak = in_use;
  file.hold(input);
  read(file, size);
  const std::string right = repaired(input);
  if (right != input) {
    file.hold(right);
    read(file, size);
  }
  must(peak - before <= most_memory, "no file takes more than 64 MiB");
  return 0;
}
