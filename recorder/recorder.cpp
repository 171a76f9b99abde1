// Accepting, signals and timers are the first lane's; each connection goes to the lane that has the fewest.
// What happens on a connection is session.cpp's.
#include "recorder/recorder.h"

#include "traces/format/output_file.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <ctime>
#include <system_error>
#include <thread>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#ifndef _WIN32
#include <sys/resource.h>
#endif

namespace chorus::recorder {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr auto tick_every = 500ms;
constexpr unsigned most_lanes = 4;
constexpr unsigned files_per_lane = 5;  // three of Asio's context, the set of legs, its doorbell
// Packing and compressing a block takes the processor from who forwards traffic: a millisecond at a time.
constexpr std::uint32_t short_block = 128u << 10;
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

std::optional<std::uint64_t> file_limit() {
#ifndef _WIN32
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) return limit.rlim_cur;
#endif
  return {};
}

std::string show_file_limit() {
  const auto limit = file_limit();
  return limit ? " (the limit is " + std::to_string(*limit) + ")" : "";
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

#ifndef _WIN32
// Who tells a program to end often says it twice: timeout(1) to the program and to its group, a closing
// terminal through the shell too. Only who says it again a second later means a program that does not end. A
// handler knows nothing but what is global.
std::atomic<std::int64_t> told_to_end_ns{0};  // of the steady clock

extern "C" void on_told_again(int number) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  if (now.tv_sec * 1'000'000'000 + now.tv_nsec - told_to_end_ns.load() < 1'000'000'000) return;
  std::signal(number, SIG_DFL);
  std::raise(number);
}

// In the place of Asio's handlers, so that no signal meets the system's own handling in between.
void endure_repeats(asio::signal_set&) {
  told_to_end_ns = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
      std::signal(number, on_told_again);
  }
}
#else
void endure_repeats(asio::signal_set& signals) {
  Error ignored;
  signals.clear(ignored);  // the system's own handling is back
}
#endif

// Several, so that a stall of one thread is not everybody's; few, since a chat is far from filling them. And
// files are for clients: where they are short, the lanes leave them at least seven eighths.
std::vector<std::unique_ptr<Lane>> new_lanes() {
  std::vector<std::unique_ptr<Lane>> lanes;
  std::uint64_t count = std::min(std::thread::hardware_concurrency(), most_lanes);
  if (const auto limit = file_limit()) count = std::min(count, *limit / (8 * files_per_lane));
  do lanes.push_back(std::make_unique<Lane>());
  while (lanes.size() < count);
  return lanes;
}

}  // namespace

Recorder::Recorder(RecordOptions options, StatusLine& status)
    : options_(std::move(options)), status_(status), lanes_(new_lanes()), context_(lanes_.front()->context) {}

Expected<std::unique_ptr<Recorder>> Recorder::open(RecordOptions options, StatusLine& status) {
  raise_file_limit();
  std::unique_ptr<Recorder> recorder;
  try {
    recorder.reset(new Recorder(std::move(options), status));
  } catch (const boost::system::system_error& error) {  // what waits for the system needs files itself
    return Trouble{"cannot begin: " + error.code().message() +
                   (is_shortage(error.code()) ? show_file_limit() : "")};
  }
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
  writer_options.block_payload = short_block;
  auto writer = format::Writer::create(options_.output, writer_options);
  if (!writer) return writer.error();
  (*writer)->info(info_json(options_, (*writer)->start()));
  recording_.emplace(std::move(*writer), options_.redaction, options_.one_per_write, status_);
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
  if (const auto armed = arm(); !armed) {
    problem_ = armed.error().what;
    return end("trouble");
  }
  std::vector<std::thread> threads = start_others();
  tick();
  accept();
  accepting().run();  // until end() has left it nothing to do
  if (accepting().failure) end("trouble");
  for (std::thread& thread : threads) thread.join();
  status_.clear();
  for (const auto& lane : lanes_)
    if (lane->failure) std::rethrow_exception(lane->failure);
}

// Where the system gives fewer threads than lanes, the other lanes go.
std::vector<std::thread> Recorder::start_others() {
  std::vector<std::thread> threads;
  try {
    while (threads.size() + 1 < lanes_.size())
      threads.emplace_back([this, lane = lanes_[threads.size() + 1].get()] {
        lane->run();
        if (lane->failure) accepting().post([this] { end("trouble"); });
      });
  } catch (const std::system_error&) {
    lanes_.resize(threads.size() + 1);
  }
  return threads;
}

Expected<void> Recorder::arm() {
  Error error;
  for (const auto& lane : lanes_)
    if (!error) error = lane->legs.arm();
  if (!error) error = accepting().legs.watch(acceptor_);
  if (error) return Trouble{"cannot watch connections: " + error.message()};
  return {};
}

Lane& Recorder::least_busy() {
  return **std::ranges::min_element(lanes_, {}, [](const auto& lane) { return lane->open; });
}

void Recorder::accept() {
  Error error;
  if (!next_server_) {
    next_lane_ = &least_busy();
    next_server_.emplace(next_lane_->context);
  }
  if (!next_server_->is_open()) next_server_->open(upstream_.front().protocol(), error);
  if (error) return back_off(error);
  acceptor_.async_accept(next_lane_->context, peer_, [this](Error failure, tcp::socket client) {
    if (!ended_by_.empty()) return;
    if (failure && failure != asio::error::connection_aborted) return back_off(failure);
    if (!failure) on_accepted(*next_lane_, std::move(client));
    if (acceptor_.is_open()) accept();
  });
}

void Recorder::on_accepted(Lane& lane, tcp::socket client) {
  Session::Arrival arrival{.id = accepted_.connections++,
                           .client = std::move(client),
                           .peer = peer_,
                           .server = std::move(*next_server_),
                           .time = recording_->now()};
  next_server_.reset();
  ++accepted_.open;
  ++lane.open;
  accepting().legs.on_accepted();
  if (accepted_.connections == options_.sessions) {
    Error ignored;
    acceptor_.close(ignored);
  }
  if (&lane == &accepting()) return open_session(lane, std::move(arrival));
  lane.post(
      [this, &lane, arrival = std::move(arrival)]() mutable { open_session(lane, std::move(arrival)); });
}

// The lane's thread.
void Recorder::open_session(Lane& lane, Session::Arrival arrival) {
  const std::uint32_t id = arrival.id;
  auto session = std::make_shared<Session>(*recording_, lane, std::move(arrival), upstream_,
                                           [this, &lane](std::uint32_t ended) {
                                             lane.sessions.erase(ended);
                                             accepting().post([this, &lane] { on_ended(lane); });
                                           });
  lane.sessions.emplace(id, session);
  session->start();
}

// Clients wait in the system's queue meanwhile.
void Recorder::back_off(const Error& error) {
  if (!std::exchange(shortage_said_, true))
    status_.say("chorus record: cannot take another client now, with " + std::to_string(accepted_.open) +
                " connections open: " + error.message() + (is_shortage(error) ? show_file_limit() : "") +
                "; new clients wait until one ends");
  back_off_.expires_after(back_off_for);
  back_off_.async_wait([this](Error cancelled) {
    if (!cancelled && ended_by_.empty()) accept();
  });
}

void Recorder::on_ended(Lane& lane) {
  --lane.open;
  --accepted_.open;
  if (accepted_.connections == options_.sessions && accepted_.open == 0 && ended_by_.empty()) end("sessions");
}

void Recorder::tick() {
  recording_->look_at_disk();
  status_.update(status_text(totals(), recording_->writer().events()), StatusLine::Clock::now());
  tick_.expires_after(tick_every);
  tick_.async_wait([this](Error cancelled) {
    if (!cancelled && ended_by_.empty()) tick();
  });
}

void Recorder::end(std::string_view by) {
  if (!ended_by_.empty()) return;
  ended_by_ = by;
  Error ignored;  // nothing here can fail in a way that matters: everything is being given up
  acceptor_.close(ignored);
  next_server_.reset();
  // A second signal kills the program, unless it comes with the first.
  signals_.cancel(ignored);
  endure_repeats(signals_);
  for (auto* timer : {&back_off_, &tick_, &deadline_}) timer->cancel();
  for (const auto& lane : lanes_)
    if (lane.get() != &accepting()) lane->post([&lane = *lane] { stop(lane); });
  stop(accepting());
}

// The lane's thread.
void Recorder::stop(Lane& lane) {
  const auto still_open = std::exchange(lane.sessions, {});
  for (const auto& [id, session] : still_open) session->stop("recording ended");
  lane.legs.disarm();
}

Totals Recorder::totals() const {
  Totals totals = accepted_;
  recording_->add_totals(totals);
  return totals;
}

RecordSummary Recorder::close() {
  format::Writer& writer = recording_->writer();
  Recut recut;
  Redacted redacted;
  for (const auto& lane : lanes_) {
    recut += lane->recut;
    redacted += lane->redacted;
  }
  if (options_.one_per_write) writer.info(changed_json(recut));
  if (options_.redaction.active()) writer.info(redacted_json(options_.redaction, redacted));
  RecordSummary summary;
  summary.totals = totals();
  summary.duration = recording_->now();
  summary.ended_by = ended_by_;
  summary.problem = problem_;
  if (const auto closed = writer.close(); !closed) summary.problem = closed.error().what;
  std::error_code ignored;  // the size is for the reader's eye only
  const auto partial = format::partial_name(options_.output);
  summary.file = std::filesystem::exists(partial, ignored) ? partial : options_.output;
  // What the writer accepted and what it lost overlap: an event may be lost after it was accepted.
  summary.lost_events = writer.lost_events();
  summary.events = recording_->noted() - std::min(recording_->noted(), summary.lost_events);
  const auto size = std::filesystem::file_size(summary.file, ignored);
  if (!ignored) summary.file_size = size;
  return summary;
}

}  // namespace chorus::recorder
