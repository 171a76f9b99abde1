// What all connections of one recording share: the trace that is being written, the clock and the totals.
#pragma once

#include "recorder/one_per_write.h"
#include "recorder/redactor.h"
#include "recorder/status.h"
#include "traces/format/writer.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace chorus::recorder {

// Thread-safe.
class Recording {
 public:
  Recording(std::unique_ptr<format::Writer> writer, Redaction redaction,
            std::optional<protocol::Framing> one_per_write, StatusLine& status);

  format::Nanos now() const;  // since the start of the trace

  // Keeps the event. When the disk fails that is said once and the rest is only forwarded: the chat goes on.
  void note(const format::Event& event);
  void count(const format::Event& event);  // in the totals, with its bytes as they were
  void count_refused() { refused_.fetch_add(1, std::memory_order_relaxed); }
  // The same check as note()'s without an event: the writer's thread may fail later than the last one.
  void look_at_disk();
  void say_unframed(std::uint32_t connection);  // once

  void add_totals(Totals& totals) const;  // what is counted here
  // Events that were handed to the writer, whatever became of them.
  std::uint64_t noted() const noexcept { return noted_; }
  format::Writer& writer() { return *writer_; }

  const Redaction redaction;
  const std::optional<protocol::Framing> one_per_write;  // of the client's messages; nothing: as they come
  StatusLine& status;

 private:
  const std::unique_ptr<format::Writer> writer_;
  std::atomic<std::uint64_t> noted_{0}, to_server_{0}, to_client_{0};
  std::atomic<std::uint32_t> refused_{0};
  std::atomic<bool> failure_said_{false}, loss_said_{false}, unframed_said_{false};
};

}  // namespace chorus::recorder
