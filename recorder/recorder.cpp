// Everything runs on one context and one thread: a proxy of chat traffic is far from filling a processor, and
// one thread keeps the order of events on all connections without a lock. What happens on a connection is
// session.cpp's.
#include "recorder/recorder.h"

#include "traces/format/output_file.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include <boost/asio/error.hpp>

#ifndef _WIN32
#include <sys/resource.h>
#endif

namespace chorus::recorder {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto tick_every = 500ms;
constexpr auto back_off_for = 100ms;  // long enough for a connection to end, short for a waiting client

Expected<std::vector<tcp::endpoint>> resolve(asio::io_context& context, const Address& address,
                                             std::string option) {
  Error error;
  tcp::resolver resolver(context);
  const auto found = resolver.resolve(address.host, std::to_string(address.port), error);
  if (error || found.empty())
    return Trouble{"cannot resolve the host " + address.host + " of " + option + ": " + error.message()};
  return std::vector<tcp::endpoint>(found.begin(), found.end());
}

// Every connection takes two files, and the usual limit of 1,024 is there for programs that use select().
void raise_file_limit() {
#ifndef _WIN32
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);  // what cannot be raised is noticed when files run out, and said then
#endif
}

std::string file_limit() {
#ifndef _WIN32
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    return " (the limit is " + std::to_string(limit.rlim_cur) + ")";
#endif
  return {};
}

bool is_shortage(const Error& error) {
  return error == asio::error::no_descriptors ||
         error == boost::system::errc::too_many_files_open_in_system ||
         error == asio::error::no_buffer_space || error == asio::error::no_memory;
}

// The signals that ask a program to end. A closed terminal is one, unless we were started to outlive it
// (nohup).
void wait_for_signals(asio::signal_set& signals) {
  Error ignored;  // fails only for numbers that the system does not know
  signals.add(SIGINT, ignored);
  signals.add(SIGTERM, ignored);
#ifndef _WIN32
  struct sigaction now {};
  if (::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) signals.add(SIGHUP, ignored);
#else
  signals.add(SIGBREAK, ignored);
#endif
}

}  // namespace

Recorder::Recorder(RecordOptions options, StatusLine& status)
    : options_(std::move(options)), status_(status) {}

Expected<std::unique_ptr<Recorder>> Recorder::open(RecordOptions options, StatusLine& status) {
  std::unique_ptr<Recorder> recorder(new Recorder(std::move(options), status));
  raise_file_limit();
  if (auto done = recorder->resolve_upstream(); !done) return done.error();
  if (auto done = recorder->bind(); !done) return done.error();
  // The trace stands before the first client can come: nothing that is said goes unrecorded.
  // A signal from here on waits for run().
  wait_for_signals(recorder->signals_);
  if (auto done = recorder->open_trace(); !done) return done.error();
  Error error;
  recorder->acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    recorder->discard_trace();
    return Trouble{"cannot listen on " + show_endpoint(recorder->address_) + ": " + error.message()};
  }
  return recorder;
}

Expected<void> Recorder::resolve_upstream() {
  auto found = resolve(context_, options_.upstream, "--upstream");
  if (!found) return found.error();
  upstream_ = std::move(*found);
  return {};
}

Expected<void> Recorder::bind() {
  auto found = resolve(context_, options_.listen, "--listen");
  if (!found) return found.error();
  Error error;
  acceptor_.open(found->front().protocol(), error);
#ifndef _WIN32  // there the option means something else: it lets a second program take the port over
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
#endif
  if (!error) ask_for_times(acceptor_);
  if (!error) acceptor_.bind(found->front(), error);
  if (!error) address_ = acceptor_.local_endpoint(error);
  if (error)
    return Trouble{"cannot listen on " + show_address(options_.listen) + ": " + error.message() +
                   "; choose another address or port with --listen"};
  for (const tcp::endpoint& upstream : upstream_)
    if (upstream.port() == address_.port() &&
        (upstream.address() == address_.address() ||
         (address_.address().is_unspecified() && upstream.address().is_loopback())))
      return Trouble{"--listen and --upstream are the same address, " + show_endpoint(upstream) +
                     "; the recorder needs a port of its own, clients connect to that"};
  return {};
}

Expected<void> Recorder::open_trace() {
  format::WriterOptions writer_options;
  writer_options.force = options_.force;
  auto writer = format::Writer::create(options_.output, writer_options);
  if (!writer) return writer.error();
  (*writer)->info(info_json(options_, (*writer)->start()));
  recording_.emplace(context_, legs_, std::move(*writer), options_.redaction, status_);
  recording_->one_per_write = options_.one_per_write;
  return {};
}

// A trace in which nothing was recorded yet.
void Recorder::discard_trace() {
  recording_.reset();
  std::error_code ignored;  // then an empty .partial stays behind
  std::filesystem::remove(format::partial_name(options_.output), ignored);
}

void Recorder::run() {
  signals_.async_wait([this](Error error, int) {
    if (!error) end("signal");
  });
  if (options_.duration > 0ns) {
    deadline_.expires_after(options_.duration);
    deadline_.async_wait([this](Error error) {
      if (!error) end("duration");
    });
  }
  if (const Error error = legs_.arm(acceptor_); error) {
    problem_ = "cannot watch connections: " + error.message();
    return end("trouble");
  }
  tick();
  accept();
  context_.run();  // until end() has left it nothing to do
  status_.clear();
}

void Recorder::accept() {
  Error error;
  if (!next_server_.is_open()) next_server_.open(upstream_.front().protocol(), error);
  if (error) return back_off(error);
  acceptor_.async_accept(peer_, [this](Error failure, tcp::socket client) {
    if (!ended_by_.empty()) return;
    if (failure && failure != asio::error::connection_aborted) return back_off(failure);
    if (!failure) on_accepted(std::move(client));
    if (acceptor_.is_open()) accept();
  });
}

void Recorder::on_accepted(tcp::socket client) {
  const std::uint32_t id = recording_->totals.connections++;
  ++recording_->totals.open;
  legs_.on_accepted();
  if (recording_->totals.connections == options_.sessions) {
    Error ignored;
    acceptor_.close(ignored);
  }
  Session::Arrival arrival{.id = id,
                           .client = std::move(client),
                           .peer = peer_,
                           .server = std::move(next_server_),
                           .time = recording_->now()};
  auto session = std::make_shared<Session>(*recording_, std::move(arrival), upstream_,
                                           [this](std::uint32_t ended) { on_ended(ended); });
  sessions_.emplace(id, session);
  session->start();
}

// Clients wait in the system's queue meanwhile.
void Recorder::back_off(const Error& error) {
  if (!std::exchange(shortage_said_, true))
    status_.say("chorus record: cannot take another client now, with " +
                std::to_string(recording_->totals.open) + " connections open: " + error.message() +
                (is_shortage(error) ? file_limit() : "") + "; new clients wait until one ends");
  back_off_.expires_after(back_off_for);
  back_off_.async_wait([this](Error cancelled) {
    if (!cancelled && ended_by_.empty()) accept();
  });
}

void Recorder::on_ended(std::uint32_t id) {
  sessions_.erase(id);
  --recording_->totals.open;
  if (recording_->totals.connections == options_.sessions && sessions_.empty() && ended_by_.empty())
    end("sessions");
}

void Recorder::tick() {
  recording_->look_at_disk();
  status_.update(status_text(recording_->totals, recording_->writer().events()), StatusLine::Clock::now());
  tick_.expires_after(tick_every);
  tick_.async_wait([this](Error cancelled) {
    if (!cancelled && ended_by_.empty()) tick();
  });
}

void Recorder::end(std::string_view by) {
  ended_by_ = by;
  Error ignored;  // nothing here can fail in a way that matters: everything is being given up
  acceptor_.close(ignored);
  next_server_.close(ignored);
  // The system's own handling is back from here on: a second signal kills the program at once.
  signals_.cancel(ignored);
  signals_.clear(ignored);
  for (auto* timer : {&back_off_, &tick_, &deadline_}) timer->cancel();
  const auto still_open = std::exchange(sessions_, {});
  for (const auto& [id, session] : still_open) session->stop("recording ended");
  legs_.disarm();
}

RecordSummary Recorder::close() {
  format::Writer& writer = recording_->writer();
  if (options_.one_per_write) writer.info(changed_json(recording_->recut));
  if (options_.redaction.active()) writer.info(redacted_json(options_.redaction, recording_->redacted));
  RecordSummary summary;
  summary.totals = recording_->totals;
  summary.duration = recording_->now();
  summary.ended_by = ended_by_;
  summary.problem = problem_;
  if (const auto closed = writer.close(); !closed) summary.problem = closed.error().what;
  std::error_code ignored;  // the size is for the reader's eye only
  const auto partial = format::partial_name(options_.output);
  summary.file = std::filesystem::exists(partial, ignored) ? partial : options_.output;
  // What the writer accepted and what it lost overlap: an event may be lost after it was accepted.
  summary.lost_events = writer.lost_events();
  summary.events = recording_->noted - std::min(recording_->noted, summary.lost_events);
  const auto size = std::filesystem::file_size(summary.file, ignored);
  if (!ignored) summary.file_size = size;
  return summary;
}

}  // namespace chorus::recorder
