// Writes a trace. The file is "<name>.partial" until close() gave it its name.
// Reader and writer stand next to each other on purpose: container.h holds what both must agree on.
#pragma once

#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace chorus::format {

struct WriterOptions {
  bool force = false;         // replace an existing file (when the new one is complete)
  Codec codec = Codec::Zstd;  // falls back to None where zstd does not exist
  Start start{};              // clock pair; zero = now
  std::uint32_t block_events = 16384;
  std::uint32_t block_payload = 1u << 20;
  Nanos block_age = std::chrono::milliseconds(500);  // a block of events is closed at this age, idle or not
  std::uint64_t queue_bytes =
      40u << 20;  // a second of a disk's silence at 40 MB/s; with all else below 64 MiB
  // When the queue is full, add() waits for the disk instead of dropping. For tools that rewrite traces,
  // where nobody's timing depends on add().
  bool wait_when_full = false;
};

// Thread-safe: add() copies the event into a bounded queue and never waits for the disk; one thread of the
// writer's own builds blocks, closes them by time and writes them. When the queue is full events are dropped
// and counted, and the block at hand says how many, and of what times. The first failure of the disk is kept:
// every later add() is dropped and counted, ok() turns false, and close() reports it; blocks that were
// already written stay good, and the file keeps its .partial name. Payloads of more than 1 MiB become several
// events of the same time (only the first has the intended time); other kinds' texts end at 1 MiB.
class Writer {
 public:
  // Fails when `path` exists (unless force) or is no regular file, and when its .partial exists: always when
  // another process writes it or it is a link, else unless force.
  static Expected<std::unique_ptr<Writer>> create(const std::filesystem::path& path,
                                                  const WriterOptions& options);
  ~Writer();  // without close(): the file stays .partial, cut after the last whole block
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  const Start& start() const noexcept;
  bool ok() const noexcept;
  std::string problem() const;  // why ok() is false
  std::uint64_t lost_events() const noexcept;
  std::uint64_t events() const noexcept;         // accepted so far, in the trace's parts of 1 MiB
  std::uint64_t payload_bytes() const noexcept;  // accepted so far

  void add(const Event& event);
  void info(std::string_view json);  // one JSON object; may be called again with more members

  // The rest belongs to runs; written at once, in blocks of their own.
  void clients(std::span<const ClientRow> rows);
  void bindings(std::span<const Binding> rows);
  void divergences(std::span<const Divergence> rows);
  void sketches(std::span<const NamedSketch> sketches);
  void series(std::span<const Series> series);

  // Writes what is queued, index and footer, syncs, and gives the file its name. Fails when anything was
  // lost: where add() only had to drop events, the file is complete and named even so, and its footer says
  // how many are missing.
  Expected<void> close();

 private:
  struct Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus::format
