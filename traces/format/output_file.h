// A file that must not be lost, mixed up or read by others: made new (0600, never through a link), locked
// while it is written, every call checked, and named only when all of it is on disk. Knows nothing of traces.
#pragma once

#include "traces/format/event.h"
#include "traces/format/trouble.h"

#include <filesystem>
#include <memory>
#include <string>

namespace chorus::format {

// "<name>.partial"
std::filesystem::path partial_name(const std::filesystem::path& path);

class OutputFile {
 public:
  // Makes "<path>.partial". Refuses when `path` exists (unless `force`) or is no regular file; when the
  // partial file is being written by another process, is a link, or was left behind (the last only unless
  // `force`).
  static Expected<std::unique_ptr<OutputFile>> create(const std::filesystem::path& path, bool force);
  ~OutputFile();  // closes; the file keeps its partial name

  // Appends all of `bytes`. After a failure the file is cut back to the size that it had before.
  Expected<void> append(Bytes first, Bytes second = {}, Bytes third = {});
  std::uint64_t size() const noexcept;
  Expected<void> finish();  // syncs, closes, gives the file its name and syncs the folder

 private:
  struct Impl;
  explicit OutputFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace chorus::format
