#include "replayer/live_line.h"

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

LiveLine::LiveLine(const Engine& engine, boost::asio::io_context& stage, bool show)
    : engine_(engine), timer_(stage), show_(show), terminal_(standard_error_is_a_terminal()) {
  for (const char* name : {"connected", "sent", "received", "refused", "failed", "concluded", "rss_bytes"}) {
    series_.push_back({name, {}});
  }
  if (engine.options.watch) {
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
  const Nanos now = engine_.now();
  const std::uint64_t sent = engine_.sum(&Live::sent), received = engine_.sum(&Live::received);
  const double seconds = std::chrono::duration<double>(now - last_).count();
  if (now - sampled_at_ >= sample_every) {
    sampled_at_ = now;
    const auto point = [&](std::size_t series, double value) {
      series_[series].points.push_back({now, value});
    };
    point(0, static_cast<double>(engine_.sum(&Live::connected)));
    point(1, static_cast<double>(sent));
    point(2, static_cast<double>(received));
    point(3, static_cast<double>(engine_.sum(&Live::refused)));
    point(4, static_cast<double>(engine_.sum(&Live::failed)));
    point(5, static_cast<double>(engine_.sum(&Live::concluded)));
    point(6, static_cast<double>(own_usage().rss_bytes));
    if (engine_.options.watch) {
      if (const auto server = usage_of(*engine_.options.watch)) {
        point(7, server->cpu_s);
        point(8, static_cast<double>(server->rss_bytes));
      }
    }
  }
  if (show_ && (terminal_ || now - shown_at_ >= plain_line_every)) {
    shown_at_ = now;
    show(now, static_cast<double>(sent - last_sent_) / seconds,
         static_cast<double>(received - last_received_) / seconds);
  }
  last_ = now;
  last_sent_ = sent;
  last_received_ = received;
}

void LiveLine::show(Nanos now, double sending, double receiving) {
  const auto count = [&](std::atomic<std::uint64_t> Live::*counter) {
    return static_cast<unsigned long long>(engine_.sum(counter));
  };
  std::fprintf(stderr,
               "%s%5.0fs  %llu of %u connected  sending %.0f/s  receiving %.0f/s  refused %llu  failed %llu  "
               "done %llu%s",
               terminal_ ? "\r\033[K" : "", std::chrono::duration<double>(now).count(),
               count(&Live::connected), engine_.plan.clients(), sending, receiving, count(&Live::refused),
               count(&Live::failed), count(&Live::concluded), terminal_ ? "" : "\n");
  std::fflush(stderr);
  drawn_ = terminal_;
}

}  // namespace chorus::replayer
