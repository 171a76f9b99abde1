// What all connections of one recording share: the trace that is being written, the clock, the totals, and
// one buffer to read into. One thread.
#pragma once

#include "recorder/leg.h"
#include "recorder/one_per_write.h"
#include "recorder/redactor.h"
#include "recorder/status.h"
#include "traces/format/writer.h"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace chorus::recorder {

class Recording {
 public:
  Recording(boost::asio::io_context& context, LegSet& legs, std::unique_ptr<format::Writer> writer,
            Redaction redaction, StatusLine& status);

  format::Nanos now() const;  // since the start of the trace

  // Keeps the event. When the disk fails that is said once and the rest is only forwarded: the chat goes on.
  void note(const format::Event& event);
  void count(const format::Event& event);  // in the totals, with its bytes as they were
  void
  look_at_disk();  // the same check without an event: the writer's thread may fail later than the last one

  // Scratch for one read; nobody keeps bytes in it across a turn of the loop.
  std::span<char> chunk() { return chunk_; }

  boost::asio::io_context& context;
  LegSet& legs;
  const Redaction redaction;
  Redacted redacted;
  Totals totals;
  std::uint64_t noted = 0;  // events that were handed to the writer, whatever became of them
  std::optional<protocol::Framing> one_per_write;  // of the client's messages; nothing: bytes go as they come
  Recut recut;
  StatusLine& status;
  format::Writer& writer() { return *writer_; }

 private:
  std::unique_ptr<format::Writer> writer_;
  std::vector<char> chunk_;
  bool failure_said_ = false, loss_said_ = false;
};

}  // namespace chorus::recorder
