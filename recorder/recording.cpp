#include "recorder/recording.h"

namespace chorus::recorder {

Recording::Recording(std::unique_ptr<format::Writer> writer, Redaction wanted,
                     std::optional<protocol::Framing> client_framing, StatusLine& status_line)
    : redaction(std::move(wanted)),
      one_per_write(std::move(client_framing)),
      status(status_line),
      writer_(std::move(writer)) {}

format::Nanos Recording::now() const {
  return std::chrono::steady_clock::now().time_since_epoch() - format::Nanos(writer_->start().mono_ns);
}

void Recording::count(const format::Event& event) {
  const std::uint64_t size = event.payload.size();
  if (event.kind == format::EventKind::ToServer) to_server_.fetch_add(size, std::memory_order_relaxed);
  if (event.kind == format::EventKind::ToClient) to_client_.fetch_add(size, std::memory_order_relaxed);
}

void Recording::add_totals(Totals& totals) const {
  totals.refused += refused_;
  totals.to_server += to_server_;
  totals.to_client += to_client_;
}

void Recording::note(const format::Event& event) {
  noted_.fetch_add(1, std::memory_order_relaxed);
  writer_->add(event);
  look_at_disk();
}

void Recording::look_at_disk() {
  if (!writer_->ok() && !failure_said_.exchange(true))
    status.say("chorus record: " + writer_->problem() +
               "; what was written so far stays, nothing more is recorded, forwarding goes on");
  if (writer_->lost_events() > 0 && !failure_said_ && !loss_said_.exchange(true))
    status.say("chorus record: the disk is slower than the traffic, events are being lost from the trace");
}

void Recording::say_unframed(std::uint32_t connection) {
  if (unframed_said_.exchange(true)) return;
  status.say("chorus record: connection " + std::to_string(connection) +
             " sent bytes that are no whole message of the page; they were forwarded as they came. "
             "If there are many, --protocol names the wrong page");
}

}  // namespace chorus::recorder
