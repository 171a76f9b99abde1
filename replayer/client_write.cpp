// What a client writes on its worker's thread: replies, and what the sender could not write at once. All of
// it under the token (token.h); the sender's own direct sends stand in sender.cpp.
#include "replayer/client.h"
#include "replayer/sender.h"

#include <algorithm>

#include <boost/asio/error.hpp>

namespace chorus::replayer {

namespace asio = boost::asio;
using boost::system::error_code;
using format::EventKind;

void Client::on_reply(std::string bytes) {
  if (state_ != State::open && state_ != State::draining) return;
  if (outbox_ && outbox_->size() >= Sender::most_queued) {
    return end(format::Outcome::Failed,
               {"the server asks for replies and does not take them",
                std::to_string(outbox_->size()) + " of them wait; the server does not read"});
  }
  ++desk_.tally.replies;
  if (!holding_) {
    switch (desk_.engine.link(index_).token.claim(generation_, Sender::most_queued)) {
      case Token::Claim::taken:
        holding_ = true;
        break;
      case Token::Claim::queued:
        ++own_queued_;
        break;  // the sender is at it and will find the count raised
      case Token::Claim::full:
      case Token::Claim::gone:
        return;
    }
  }
  keep(EventKind::ToServer, bytes);
  outbox().push_back({std::move(bytes), Nanos{-1}});
  pump();
}

std::deque<Outgoing>& Client::outbox() {
  if (!outbox_) outbox_ = std::make_unique<std::deque<Outgoing>>();
  return *outbox_;
}

void Client::note_unwritten() {
  if (!outbox_) return;
  desk_.tally.pushed_back +=
      static_cast<std::uint64_t>(std::count_if(outbox_->begin(), outbox_->end(), [](const Outgoing& message) {
        return message.attempted.count() >= 0;
      }));
  outbox_.reset();
}

void Client::message_comes(std::uint32_t generation, Outgoing message) {
  if (generation != generation_) {
    ++desk_.tally.pushed_back;  // it waited behind a full socket, and its connection has ended
    return;
  }
  desk_.engine.link(index_).token.arrived();
  outbox().push_back(std::move(message));
  pump();
}

void Client::token_comes(std::uint32_t generation, Outgoing rest, error_code error) {
  if (generation != generation_) return;
  holding_ = true;
  for (; own_queued_ > 0; --own_queued_) desk_.engine.link(index_).token.arrived();
  if (state_ == State::closing) return close_now();
  if (error) return write_failed(error);
  if (!rest.bytes.empty()) outbox().push_front(std::move(rest));
  pump();
}

// A write that fails ends a client, but what the server said before it hung up is still there to be read.
void Client::write_failed(const error_code& error) {
  const std::uint32_t generation = generation_;
  std::string& buffer = desk_.read_buffer;
  for (;;) {
    error_code end;
    Nanos ago{};
    const std::size_t size = connection_.read(buffer, ago, end);
    if (end) break;
    hear({buffer.data(), size}, desk_.engine.now() - ago);
    if (generation != generation_ || state_ == State::closing) return;
  }
  server_ended(error);
}

// Writes what is queued, oldest first; the token goes back when nothing is left.
void Client::pump() {
  if (pumping_) return;  // a write was done at once; the loop below goes on
  pumping_ = true;
  while (holding_ && !writing_ && state_ != State::closing && state_ != State::concluded) {
    if (!outbox_) {
      holding_ = !desk_.engine.link(index_).token.release_by_worker();
      break;
    }
    writing_ = true;
    weigh();
    connection_.write(outbox_->front().bytes);
  }
  pumping_ = false;
  if (restless_) weigh();
}

void Client::on_written(const error_code& error) {
  writing_ = false;
  if (error) return write_failed(error);
  const Nanos attempted = outbox_->front().attempted;
  outbox_->pop_front();
  if (outbox_->empty()) outbox_.reset();
  if (attempted.count() >= 0) desk_.tally.pushback.add(desk_.engine.now() - attempted);
  pump();
}

}  // namespace chorus::replayer
