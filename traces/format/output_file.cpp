#include "traces/format/output_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace chorus::format {
namespace fs = std::filesystem;
namespace {

#ifdef _WIN32

using Handle = HANDLE;
const Handle no_file = INVALID_HANDLE_VALUE;

std::error_code last_error() {
  return {static_cast<int>(GetLastError()), std::system_category()};
}
bool exists_already(const std::error_code& error) {
  return error.value() == ERROR_FILE_EXISTS;
}
bool in_use(const std::error_code& error) {
  return error.value() == ERROR_SHARING_VIOLATION;
}

// Sharing allows others to read, not to write: that is the lock.
Handle make_new(const fs::path& path) {
  return CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL,
                     nullptr);
}
bool is_locked(const fs::path& path) {
  const Handle handle = CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
  if (handle == no_file) return in_use(last_error());
  CloseHandle(handle);
  return false;
}
bool lock(Handle) {
  return true;
}

// What was written of `bytes`, or -1.
std::int64_t write_some(Handle handle, Bytes bytes) {
  DWORD written = 0;
  const auto most = static_cast<DWORD>(std::min<std::size_t>(bytes.size(), 1u << 30));
  return WriteFile(handle, bytes.data(), most, &written, nullptr) ? static_cast<std::int64_t>(written) : -1;
}
bool cut_at(Handle handle, std::uint64_t size) {
  LARGE_INTEGER at;
  at.QuadPart = static_cast<LONGLONG>(size);
  return SetFilePointerEx(handle, at, nullptr, FILE_BEGIN) && SetEndOfFile(handle);
}
bool sync(Handle handle) {
  return FlushFileBuffers(handle);
}
bool close_file(Handle handle) {
  return CloseHandle(handle);
}
bool rename_to(const fs::path& from, const fs::path& to, bool replace) {
  return MoveFileExW(from.c_str(), to.c_str(),
                     MOVEFILE_WRITE_THROUGH | (replace ? MOVEFILE_REPLACE_EXISTING : 0));
}
bool sync_folder_of(const fs::path&) {
  return true;
}  // MOVEFILE_WRITE_THROUGH did it

#else

using Handle = int;
constexpr Handle no_file = -1;

std::error_code last_error() {
  return {errno, std::generic_category()};
}
bool exists_already(const std::error_code& error) {
  return error == std::errc::file_exists;
}

bool lock(Handle handle) {
  return ::flock(handle, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}
Handle make_new(const fs::path& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}
bool is_locked(const fs::path& path) {
  const Handle handle = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (handle == no_file) return false;
  const bool ours = lock(handle);
  ::close(handle);
  return !ours;
}

std::int64_t write_some(Handle handle, Bytes bytes) {
  const ssize_t written = ::write(handle, bytes.data(), bytes.size());
  return written < 0 && errno == EINTR ? 0 : written;
}
bool cut_at(Handle handle, std::uint64_t size) {
  const auto at = static_cast<off_t>(size);
  return ::ftruncate(handle, at) == 0 && ::lseek(handle, at, SEEK_SET) == at;
}
bool sync(Handle handle) {
  return ::fsync(handle) == 0;
}
bool close_file(Handle handle) {
  return ::close(handle) == 0;
}

bool rename_to(const fs::path& from, const fs::path& to, bool replace) {
  if (replace) return ::rename(from.c_str(), to.c_str()) == 0;
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
#endif
  // A file system that cannot refuse by itself: look first.
  if (::access(to.c_str(), F_OK) == 0) {
    errno = EEXIST;
    return false;
  }
  return ::rename(from.c_str(), to.c_str()) == 0;
}

bool sync_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Handle handle = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle == no_file) return errno == EACCES;  // a folder may be writable and not readable
  const bool synced = ::fsync(handle) == 0 || errno == EINVAL;
  const std::error_code error = last_error();
  ::close(handle);
  errno = error.value();
  return synced;
}

#endif

std::string cannot(std::string_view what, const fs::path& path, const std::error_code& error) {
  return "cannot " + std::string(what) + ' ' + path.string() + ": " + error.message();
}

// Why `path` cannot become the name of a new file; "" when it can.
std::string refusal(const fs::path& path, bool force) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (path == "-") return "- names no file: a trace is written to a file, not to standard output";
  if (!fs::exists(status)) return path.filename().empty() ? '"' + path.string() + "\" names no file" : "";
  if (fs::is_symlink(status))
    return path.string() + " is a link, and is not written through; name another file";
  if (!fs::is_regular_file(status))
    return path.string() + " exists and is not a regular file; name another one";
  return force ? "" : path.string() + " exists already; name another file, or replace it with --force";
}

// Makes way for a new partial file; "" when there is none any more.
std::string clear_away(const fs::path& partial, bool force) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(partial, error);
  if (!fs::is_regular_file(status)) {
    return partial.string() +
           " is in the way and is a link or no regular file; remove it, or name another file";
  }
  if (is_locked(partial)) return partial.string() + " is being written by another process; name another file";
  if (!force) {
    return partial.string() +
           " was left behind by a recording that did not end; read it by that name and remove it" +
           ", or replace it with --force";
  }
  return fs::remove(partial, error) || !error ? "" : cannot("remove", partial, error);
}

}  // namespace

struct OutputFile::Impl {
  Handle handle = no_file;
  fs::path path, partial;
  bool force = false;
  std::uint64_t size = 0;
};

fs::path partial_name(const fs::path& path) {
  fs::path partial = path;
  partial += ".partial";
  return partial;
}

Expected<std::unique_ptr<OutputFile>> OutputFile::create(const fs::path& path, bool force) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->partial = partial_name(path);
  impl->force = force;
  if (auto why = refusal(path, force); !why.empty()) return Trouble{why};
  impl->handle = make_new(impl->partial);
  std::error_code error = last_error();
  if (impl->handle == no_file && exists_already(error)) {
    if (auto why = clear_away(impl->partial, force); !why.empty()) return Trouble{why};
    impl->handle = make_new(impl->partial);
    error = last_error();
  }
  if (impl->handle == no_file) return Trouble{cannot("create", impl->partial, error)};
  std::unique_ptr<OutputFile> file(new OutputFile(std::move(impl)));
  if (!lock(file->impl_->handle)) {
    return Trouble{file->impl_->partial.string() + " is being written by another process; name another file"};
  }
  return file;
}

OutputFile::OutputFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

OutputFile::~OutputFile() {
  if (impl_->handle != no_file) close_file(impl_->handle);
}

std::uint64_t OutputFile::size() const noexcept {
  return impl_->size;
}

Expected<void> OutputFile::append(Bytes first, Bytes second, Bytes third) {
  if (impl_->handle == no_file) return Trouble{impl_->partial.string() + " is closed"};
  std::uint64_t written = 0;
  for (Bytes rest : std::array{first, second, third}) {
    while (!rest.empty()) {
      const std::int64_t some = write_some(impl_->handle, rest);
      if (some < 0) {
        const std::error_code error = last_error();
        const bool cut = cut_at(impl_->handle, impl_->size);
        return Trouble{cannot("write", impl_->partial, error) +
                       (cut ? "" : " (and its end could not be cut off)")};
      }
      written += static_cast<std::uint64_t>(some);
      rest.remove_prefix(static_cast<std::size_t>(some));
    }
  }
  impl_->size += written;
  return {};
}

Expected<void> OutputFile::finish() {
  const Handle handle = std::exchange(impl_->handle, no_file);
  if (handle == no_file) return Trouble{impl_->partial.string() + " is closed"};
  if (!sync(handle)) {
    const std::error_code error = last_error();
    close_file(handle);
    return Trouble{cannot("sync", impl_->partial, error)};
  }
#ifdef _WIN32
  if (!close_file(handle))
    return Trouble{cannot("close", impl_->partial, last_error())};  // else it has no new name
  if (!rename_to(impl_->partial, impl_->path, impl_->force)) {
    return Trouble{cannot("rename to " + impl_->path.string(), impl_->partial, last_error())};
  }
#else
  // Renamed while it is still locked: nobody may take it for one that was left behind.
  const bool renamed = rename_to(impl_->partial, impl_->path, impl_->force);
  const std::error_code error = last_error();
  const bool closed = close_file(handle);
  if (!renamed)
    return Trouble{cannot("give its name to", impl_->partial, error) + " (" + impl_->path.string() + ')'};
  if (!closed) return Trouble{cannot("close", impl_->path, last_error())};
#endif
  if (!sync_folder_of(impl_->path)) return Trouble{cannot("sync the folder of", impl_->path, last_error())};
  return {};
}

}  // namespace chorus::format
