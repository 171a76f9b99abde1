// add() must cost a caller almost nothing and never wait for the disk, yet lose nothing on a slow one and
// keep memory bounded. So events go straight into columns under one lock; full ones are handed to the
// writer's thread, which packs, compresses and writes them (block_writer.h) and gives the emptied columns
// back.
#include "traces/format/writer.h"

#include "traces/format/block_writer.h"
#include "traces/format/info_json.h"
#include "traces/format/turn.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <variant>

namespace chorus::format {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t most_block_payload = 8u << 20;  // with max_rows a block stays below 16 MiB
constexpr std::uint64_t bytes_an_event = 25;            // in the columns, beside the payload
constexpr std::size_t spare_columns = 4;                // emptied ones that are kept for the next events

Start now() {
  using namespace std::chrono;
  return {duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count(),
          duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count()};
}

std::uint64_t cost_of(const EventColumns& events) {
  return events.payload.size() + events.count() * bytes_an_event;
}

}  // namespace

struct Writer::Impl {
  using Job = std::variant<std::unique_ptr<EventColumns>, TableBlock>;

  Impl(std::unique_ptr<BlockWriter> file, const WriterOptions& wanted, std::filesystem::path path);

  void add(const Event& event);
  void add_table(std::vector<TableBlock> blocks);
  void run();
  void stop();
  Expected<void> close();
  void note(std::string what);

  // Immutable after start.
  const std::filesystem::path path_;
  WriterOptions options_;

  // Under mutex_.
  mutable std::mutex mutex_;
  std::condition_variable work_, room_;
  std::unique_ptr<EventColumns> open_ = std::make_unique<EventColumns>();
  std::deque<Job> jobs_;
  std::vector<std::unique_ptr<EventColumns>> spare_;
  std::uint64_t queued_ = 0;  // bytes in open_, in jobs_ and in the job that is being written
  bool closing_ = false, failed_ = false;
  std::string problem_;

  std::atomic<bool> ok_{true};
  std::atomic<std::uint64_t> events_{0}, payload_{0}, lost_{0};

  // The writer's thread only, and close() after it has ended.
  std::unique_ptr<BlockWriter> file_;
  std::thread thread_;

 private:
  bool has_room(std::unique_lock<std::mutex>& lock, std::uint64_t cost);
  void add_part(const Event& part);
  void seal();
  Expected<void> write(const Job& job);
  void finished(Job job, const Expected<void>& written);
  void lose_queue(const EventColumns* failed);
};

Writer::Impl::Impl(std::unique_ptr<BlockWriter> file, const WriterOptions& wanted, std::filesystem::path path)
    : path_(std::move(path)), options_(wanted), file_(std::move(file)) {
  options_.block_events = std::clamp(options_.block_events, 1u, max_rows);
  options_.block_payload = std::clamp(options_.block_payload, 1u, most_block_payload);
  options_.block_age =
      std::clamp<Nanos>(options_.block_age, std::chrono::milliseconds(1), std::chrono::hours(1));
}

// Whether `cost` more bytes fit; waits for that where the options say so.
bool Writer::Impl::has_room(std::unique_lock<std::mutex>& lock, std::uint64_t cost) {
  if (closing_ || failed_) return false;
  if (queued_ + cost <= options_.queue_bytes) return true;
  if (!options_.wait_when_full) return false;
  seal();
  room_.wait(lock,
             [&] { return closing_ || failed_ || queued_ == 0 || queued_ + cost <= options_.queue_bytes; });
  return !closing_ && !failed_;
}

void Writer::Impl::add(const Event& event) {
  assert(event.kind != EventKind::None);
  const bool divisible = event.kind == EventKind::ToServer || event.kind == EventKind::ToClient;
  const std::uint64_t parts =
      divisible ? std::max<std::uint64_t>(1, (event.payload.size() + max_text - 1) / max_text) : 1;
  std::unique_lock lock(mutex_);
  if (!has_room(lock, event.payload.size() + parts * bytes_an_event)) {
    lost_.fetch_add(parts, std::memory_order_relaxed);
    open_->lose(event.time, parts);
    return;
  }
  if (event.payload.size() <= max_text) return add_part(event);
  Event part = event;
  for (std::uint64_t i = 0; i < parts; ++i) {
    part.payload = event.payload.substr(i * max_text, max_text);
    add_part(part);
    part.intended.reset();
  }
}

void Writer::Impl::add_part(const Event& part) {
  const bool full =
      open_->count() > 0 && open_->payload.size() + part.payload.size() > options_.block_payload;
  if (full || !open_->fits(part.time)) seal();
  open_->add(part);
  queued_ += part.payload.size() + bytes_an_event;
  events_.fetch_add(1, std::memory_order_relaxed);
  payload_.fetch_add(part.payload.size(), std::memory_order_relaxed);
  if (open_->count() >= options_.block_events || open_->payload.size() >= options_.block_payload) seal();
}

// Hands the open columns to the thread.
void Writer::Impl::seal() {
  if (open_->count() == 0 && open_->lost == 0) return;
  jobs_.emplace_back(std::move(open_));
  if (spare_.empty()) {
    open_ = std::make_unique<EventColumns>();
  } else {
    open_ = std::move(spare_.back());
    spare_.pop_back();
  }
  work_.notify_one();
}

void Writer::Impl::add_table(std::vector<TableBlock> blocks) {
  const std::lock_guard lock(mutex_);
  if (closing_ || failed_) return;
  for (TableBlock& block : blocks) {
    queued_ += block.bytes.size();
    jobs_.emplace_back(std::move(block));
  }
  work_.notify_one();
}

void Writer::Impl::note(std::string what) {
  const std::lock_guard lock(mutex_);
  if (problem_.empty()) problem_ = std::move(what);
  ok_ = false;
}

// The writer's thread: each turn writes one job. Every block_age it also closes the open block, so no event
// is older than that when it goes to the disk, and add() never has to set a timer.
void Writer::Impl::run() {
  ask_for_long_turns();  // compressing takes a millisecond, from threads that forward or send within
                         // microseconds
  std::unique_lock lock(mutex_);
  auto tick = Clock::now() + options_.block_age;
  while (true) {
    work_.wait_until(lock, tick, [&] { return closing_ || !jobs_.empty(); });
    if (closing_ || Clock::now() >= tick) {
      seal();
      tick = Clock::now() + options_.block_age;
    }
    if (jobs_.empty()) {
      if (closing_) return;
      continue;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const auto written = write(job);
    lock.lock();
    finished(std::move(job), written);
  }
}

Expected<void> Writer::Impl::write(const Job& job) {
  if (const auto* events = std::get_if<std::unique_ptr<EventColumns>>(&job)) return file_->write(**events);
  return file_->write(std::get<TableBlock>(job));
}

void Writer::Impl::finished(Job job, const Expected<void>& written) {
  auto* const columns = std::get_if<std::unique_ptr<EventColumns>>(&job);
  queued_ -= columns ? cost_of(**columns) : std::get<TableBlock>(job).bytes.size();
  if (!written) {
    if (problem_.empty()) problem_ = written.error().what;
    ok_ = false;
    lose_queue(columns ? columns->get() : nullptr);
  }
  if (columns && spare_.size() < spare_columns) {
    (*columns)->clear();
    spare_.push_back(std::move(*columns));
  }
  room_.notify_all();
}

// After the disk's first failure: nothing that is queued will be written. How much that was goes into the
// next block, if there is room for one that says no more than this.
void Writer::Impl::lose_queue(const EventColumns* failed) {
  failed_ = true;
  EventColumns gone;
  const auto lose = [&](const EventColumns& columns) {
    lost_ += columns.count();
    gone.lose(columns);
  };
  if (failed != nullptr) lose(*failed);
  for (const Job& job : jobs_)
    if (const auto* columns = std::get_if<std::unique_ptr<EventColumns>>(&job)) lose(**columns);
  lose(*open_);
  jobs_.clear();
  open_->clear();
  // At the end it is tried once.
  if (!closing_ || (failed != nullptr && failed->count() > 0)) open_->lose(gone);
  queued_ = 0;
}

void Writer::Impl::stop() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_one();
  room_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Expected<void> Writer::Impl::close() {
  stop();
  if (!file_) return Trouble{path_.string() + " is closed already"};
  const std::uint64_t lost = lost_;
  const std::string counted = std::to_string(lost) + (lost == 1 ? " event was lost" : " events were lost");
  Expected<void> finished;
  if (!failed_) finished = file_->finish(lost);
  file_.reset();
  if (failed_ || !finished) {
    if (!failed_) problem_ = finished.error().what;
    ok_ = false;
    return Trouble{problem_ + "; " + counted + ", what was written before is in " +
                   partial_name(path_).string() + ", which can be read by that name"};
  }
  if (!problem_.empty()) return Trouble{problem_ + "; " + path_.string() + " is complete but for that"};
  if (lost > 0) {
    return Trouble{counted + " because the disk could not keep up; the rest is in " + path_.string() +
                   ": write to a faster disk"};
  }
  return {};
}

Expected<std::unique_ptr<Writer>> Writer::create(const std::filesystem::path& path,
                                                 const WriterOptions& options) {
  WriterOptions wanted = options;
  if (wanted.start.wall_ns == 0 && wanted.start.mono_ns == 0) wanted.start = now();
  auto file = BlockWriter::create(path, wanted.force, wanted.codec, wanted.start);
  if (!file) return file.error();
  auto impl = std::make_unique<Impl>(std::move(*file), wanted, path);
  try {
    impl->thread_ = std::thread([own = impl.get()] { own->run(); });
  } catch (const std::system_error& error) {
    return Trouble{"cannot start a thread that writes " + path.string() + ": " + error.what()};
  }
  return std::unique_ptr<Writer>(new Writer(std::move(impl)));
}

Writer::Writer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Writer::~Writer() {
  impl_->stop();
}

const Start& Writer::start() const noexcept {
  return impl_->options_.start;
}
bool Writer::ok() const noexcept {
  return impl_->ok_;
}
std::string Writer::problem() const {
  const std::lock_guard lock(impl_->mutex_);
  return impl_->problem_;
}
std::uint64_t Writer::lost_events() const noexcept {
  return impl_->lost_;
}
std::uint64_t Writer::events() const noexcept {
  return impl_->events_;
}
std::uint64_t Writer::payload_bytes() const noexcept {
  return impl_->payload_;
}

void Writer::add(const Event& event) {
  impl_->add(event);
}

void Writer::info(std::string_view json) {
  if (const std::string wrong = info_mistake(json); !wrong.empty()) {
    return impl_->note("what should describe the trace " + wrong);
  }
  std::vector<TableBlock> blocks;
  blocks.push_back(pack_info(json));
  impl_->add_table(std::move(blocks));
}
void Writer::clients(std::span<const ClientRow> rows) {
  impl_->add_table(pack(rows));
}
void Writer::bindings(std::span<const Binding> rows) {
  impl_->add_table(pack(rows));
}
void Writer::divergences(std::span<const Divergence> rows) {
  impl_->add_table(pack(rows));
}
void Writer::sketches(std::span<const NamedSketch> sketches) {
  impl_->add_table(pack(sketches));
}
void Writer::series(std::span<const Series> series) {
  impl_->add_table(pack(series));
}
Expected<void> Writer::close() {
  return impl_->close();
}

}  // namespace chorus::format
