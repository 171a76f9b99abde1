#include "replayer/live_line.h"

#include "traces/convert/table.h"

#include <cstdio>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace chorus::replayer {
namespace {

constexpr auto turn_every = std::chrono::milliseconds(500);
constexpr auto plain_line_every = std::chrono::seconds(10);
constexpr auto sample_every = std::chrono::seconds(1);

bool standard_error_is_a_terminal() {
#ifdef _WIN32
  return _isatty(2) != 0;
#else
  return isatty(2) != 0;
#endif
}

}  // namespace

LiveLine::LiveLine(Subject subject, boost::asio::io_context& stage, bool show)
    : subject_(std::move(subject)),
      timer_(stage),
      show_(show),
      terminal_(standard_error_is_a_terminal()),
      lateness_shown_(subject_.board.lateness()),
      lateness_sampled_(subject_.board.lateness()),
      latency_shown_(subject_.board.latency()),
      latency_sampled_(subject_.board.latency()) {
  for (const char* name :
       {"connected", "sent", "received", "refused", "failed", "concluded", "rss_bytes", "cpu_s"}) {
    series_.push_back({name, {}});
  }
  series_.push_back({"lateness_p99_ns", {}});
  series_.push_back({"latency_p99_ns", {}});
  if (subject_.watch) {
    series_.push_back({"server_cpu_s", {}});
    series_.push_back({"server_rss_bytes", {}});
  }
}

void LiveLine::start() {
  wait();
}

void LiveLine::stop() {
  timer_.cancel();
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void LiveLine::wait() {
  timer_.expires_after(turn_every);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    turn();
    wait();
  });
}

void LiveLine::turn() {
  const Nanos now = std::chrono::steady_clock::now() - subject_.start;
  const std::uint64_t sent = subject_.board.sum(&Live::sent), received = subject_.board.sum(&Live::received);
  const double seconds = std::chrono::duration<double>(now - last_).count();
  if (now - sampled_at_ >= sample_every) sample(now);
  if (show_ && (terminal_ || now - shown_at_ >= plain_line_every)) {
    shown_at_ = now;
    show(now, static_cast<double>(sent - last_sent_) / seconds,
         static_cast<double>(received - last_received_) / seconds);
  }
  last_ = now;
  last_sent_ = sent;
  last_received_ = received;
}

void LiveLine::sample(Nanos now) {
  between_samples_ = now - sampled_at_;
  sampled_at_ = now;
  std::size_t next = 0;
  const auto point = [&](double value) { series_[next++].points.push_back({now, value}); };
  for (const auto counter :
       {&Live::connected, &Live::sent, &Live::received, &Live::refused, &Live::failed, &Live::concluded})
    point(static_cast<double>(subject_.board.sum(counter)));
  const Usage own = subject_.own_usage();
  point(static_cast<double>(own.rss_bytes));
  point(own.cpu_s);
  // Of the second that has passed; nothing where nothing was sent or answered.
  for (TimesWindow* window : {&lateness_sampled_, &latency_sampled_}) {
    const auto p99 = window->next(0.99);
    if (p99) {
      point(static_cast<double>(p99->count()));
    } else {
      ++next;
    }
  }
  if (!subject_.watch) return;
  server_before_ = server_;
  server_ = usage_of(*subject_.watch);
  if (!server_) return;  // it has ended
  point(server_->cpu_s);
  point(static_cast<double>(server_->rss_bytes));
}

void LiveLine::show(Nanos now, double sending, double receiving) {
  const auto count = [&](std::atomic<std::uint64_t> Live::*counter) {
    return static_cast<unsigned long long>(subject_.board.sum(counter));
  };
  std::string server, times;
  if (const auto late = lateness_shown_.next(0.99)) times += "  lateness p99 " + convert::brief(*late);
  if (const auto latency = latency_shown_.next(0.99)) times += "  latency p99 " + convert::brief(*latency);
  if (subject_.watch && !server_) server = "  the server's process has ended";
  if (server_ && server_before_ && between_samples_ > Nanos{0}) {
    const double share =
        (server_->cpu_s - server_before_->cpu_s) / std::chrono::duration<double>(between_samples_).count();
    server = "  server " + std::to_string(static_cast<int>(share * 100 + 0.5)) + " % cpu " +
             show_size(server_->rss_bytes);
  }
  std::fprintf(stderr,
               "%s%5.0fs  %llu of %u connected  sending %.0f/s  receiving %.0f/s  refused %llu  failed %llu  "
               "done %llu%s%s%s",
               terminal_ ? "\r\033[K" : "", std::chrono::duration<double>(now).count(),
               count(&Live::connected), subject_.clients, sending, receiving, count(&Live::refused),
               count(&Live::failed), count(&Live::concluded), times.c_str(), server.c_str(),
               terminal_ ? "" : "\n");
  std::fflush(stderr);
  drawn_ = terminal_;
}

}  // namespace chorus::replayer
