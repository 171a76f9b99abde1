#include "replayer/worker.h"

#include <algorithm>

#include <boost/asio/post.hpp>

namespace chorus::replayer {
namespace {

constexpr std::size_t read_size = 64 * 1024;                 // bytes; one buffer for all clients of a worker
constexpr auto sweep_every = std::chrono::milliseconds(50);  // deadlines are seconds

// A copy that takes longer counts as not delivered (fanout.h): long enough for any server that is well, short
// enough that what was lost before people leave is known as lost and not as in doubt.
constexpr auto latest_copy = std::chrono::seconds(3);

// Who leaves so soon after something was said may have left before it came; who stays longer has missed it.
constexpr auto in_doubt = std::chrono::seconds(1);

}  // namespace

Worker::Worker(Engine& engine, Block block, Live& live)
    : engine_(engine),
      block_(block),
      busy_(context_.get_executor()),
      sweeper_(context_),
      read_buffer_(read_size, '\0'),
      copies_(engine.score.counts_copies && !engine.plan.trial
                  ? std::make_unique<Copies>(block.first, block.last, latest_copy, in_doubt)
                  : nullptr),
      desk_{engine, context_, tally_, live, read_buffer_, watched_, copies_.get()} {
  tally_.received_by_kind.resize(engine.score.page.kinds());
  tally_.unanswered_by_kind.resize(engine.score.page.kinds());
  tally_.latency.resize(engine.score.page.kinds());
  clients_.reserve(block.last - block.first);
  for (std::uint32_t client = block.first; client < block.last; ++client)
    clients_.emplace_back(desk_, client);
}

Worker::~Worker() {
  join();
}

void Worker::start() {
  sweep();
  thread_ = std::thread([this] { context_.run(); });
}

void Worker::sweep() {
  const Nanos now = engine_.now();
  if (copies_) {
    copies_->catch_up();
    copies_->book.sweep(now);
  }
  // check() may add to watched_, so the list is taken first.
  std::vector<std::uint32_t> looked_at;
  looked_at.swap(watched_);
  for (const std::uint32_t client : looked_at) {
    if (at(client).check(now)) watched_.push_back(client);
  }
  sweeper_.expires_after(sweep_every);
  sweeper_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !stopping_) sweep();
  });
}

void Worker::interrupt() {
  boost::asio::post(context_, [this] {
    for (Client& client : clients_) client.interrupt();
  });
}

void Worker::join() {
  if (!thread_.joinable()) return;
  boost::asio::post(context_, [this] {
    stopping_ = true;
    sweeper_.cancel();
    busy_.reset();
  });
  thread_.join();
  if (!copies_) return;
  copies_->catch_up();
  copies_->book.finish(engine_.now());
  tally_.fanout = copies_->book.result();
}

}  // namespace chorus::replayer
