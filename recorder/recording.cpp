#include "recorder/recording.h"

namespace chorus::recorder {

namespace {

constexpr std::size_t chunk_size =
    64 * 1024;  // one read; also the most that waits for a peer in one direction

}  // namespace

Recording::Recording(boost::asio::io_context& context_of_legs, LegSet& set,
                     std::unique_ptr<format::Writer> writer, Redaction wanted, StatusLine& status_line)
    : context(context_of_legs),
      legs(set),
      redaction(std::move(wanted)),
      status(status_line),
      writer_(std::move(writer)),
      chunk_(chunk_size) {}

format::Nanos Recording::now() const {
  return std::chrono::steady_clock::now().time_since_epoch() - format::Nanos(writer_->start().mono_ns);
}

void Recording::count(const format::Event& event) {
  if (event.kind == format::EventKind::ToServer) totals.to_server += event.payload.size();
  if (event.kind == format::EventKind::ToClient) totals.to_client += event.payload.size();
}

void Recording::note(const format::Event& event) {
  ++noted;
  writer_->add(event);
  look_at_disk();
}

void Recording::look_at_disk() {
  if (!failure_said_ && !writer_->ok()) {
    failure_said_ = true;
    status.say("chorus record: " + writer_->problem() +
               "; what was written so far stays, nothing more is recorded, forwarding goes on");
  }
  if (!failure_said_ && !loss_said_ && writer_->lost_events() > 0) {
    loss_said_ = true;
    status.say("chorus record: the disk is slower than the traffic, events are being lost from the trace");
  }
}

}  // namespace chorus::recorder
