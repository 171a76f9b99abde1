#include "replayer/run.h"

#include "replayer/live_line.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::replayer {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// What the thread that waits for a run does meanwhile: everything on the stage's thread.
class Run {
 public:
  Run(const Production& production, asio::io_context& stage)
      : production_(production),
        stage_(stage),
        busy_(stage.get_executor()),
        start_(std::chrono::steady_clock::now()),
        curtain_(stage),
        edge_(stage),
        complete_(stage),
        live_({production.board, production.plan.clients(), production.options.watch, start_,
               [this] { return own(); }},
              stage, production.show_live_line),
        latency_(production.board.latency()),
        own_before_(own_usage()),
        server_before_(server()),
        processors_before_(Processors::look()) {
    result_.processes = production.shards != nullptr ? production.shards->processes() : 1;
    result_.steps.resize(production.plan.steps.size());
  }

  void start() {
    const auto& [score, plan, options, addresses, board, shards, trace, show] = production_;
    if (plan.has_canary()) {
      canaries_ = std::make_unique<Canaries>(score, plan, options, addresses, trace, start_, stage_,
                                             [this] { end_if_all_left(); });
      canaries_->start();
      wait_until_complete();
    }
    const auto left = [this] { crowd_has_left(); };
    if (shards != nullptr) {
      shards->start(stage_, start_, left);
    } else {
      troupe_ = std::make_unique<Troupe>(score, plan, options, addresses, trace, board.share(0), start_,
                                         [this, left] { asio::post(stage_, left); });
      troupe_->start();
    }
    if (options.duration && !plan.trial) {
      curtain_.expires_at(start_ + plan.begins +
                          *options.duration);  // a canary's head start is not the crowd's
      curtain_.async_wait([this](const error_code& error) {
        if (!error && troupe_) troupe_->curtain();  // shards have a clock of their own
      });
    }
    if (!plan.steps.empty()) wait_for_edge();
    live_.start();
  }

  void interrupt() {
    result_.interrupted = true;
    if (troupe_) troupe_->interrupt();
    if (production_.shards != nullptr) production_.shards->interrupt();
    if (canaries_) canaries_->interrupt();
  }

  RunResult finish() {
    live_.stop();
    curtain_.cancel();
    edge_.cancel();
    complete_.cancel();
    busy_.reset();
    stage_.restart();
    stage_.poll();
    stage_.restart();
    result_.processors_busy = Processors::share(processors_before_, Processors::look());
    if (const auto after = server(); after && server_before_)
      result_.server = Usage{after->cpu_s - server_before_->cpu_s, after->rss_bytes, after->rss_peak_bytes};
    result_.series = live_.series();
    if (canaries_) result_.canaries = canaries_->sessions();
    return std::move(result_);
  }

 private:
  Nanos now() const { return std::chrono::steady_clock::now() - start_; }
  std::optional<Usage> server() const {
    return production_.options.watch ? usage_of(*production_.options.watch) : std::nullopt;
  }
  Usage own() const {
    Usage usage = own_usage();
    if (production_.shards == nullptr) return usage;
    const Usage children = production_.shards->usage();
    usage.cpu_s += children.cpu_s;
    usage.rss_bytes += children.rss_bytes;
    return usage;
  }

  // The crowd is complete when every connect of it has come to something once.
  void wait_until_complete() {
    complete_.expires_after(std::chrono::milliseconds(50));
    complete_.async_wait([this](const error_code& error) {
      if (error || gone_) return;
      if (production_.board.sum(&Live::settled) < production_.plan.clients()) return wait_until_complete();
      canaries_->crowd_is_complete();
    });
  }

  void crowd_has_left() {
    gone_ = true;
    result_.duration = now();
    Performance crowd;
    if (production_.shards != nullptr) {
      auto gathered = production_.shards->gather(production_.trace);
      crowd = std::move(gathered.performance);
      result_.lost = std::move(gathered.lost);
      result_.lost_clients = gathered.lost_clients;
      result_.trace_problems = std::move(gathered.trace_problems);
      result_.cpu_s = gathered.cpu_s;
      result_.rss_peak_bytes = gathered.rss_peak_bytes;
    } else {
      crowd = troupe_->join();
    }
    const Usage after = own_usage();
    result_.cpu_s += after.cpu_s - own_before_.cpu_s;
    result_.rss_peak_bytes += after.rss_peak_bytes;
    result_.tally = std::move(crowd.tally);
    result_.clients = std::move(crowd.clients);
    if (canaries_) canaries_->crowd_has_left();
    end_if_all_left();
  }

  void end_if_all_left() {
    if (gone_ && (!canaries_ || canaries_->all_left())) stage_.stop();
  }

  // Steps of a climb are watched from the beginning of their window to its end.
  void wait_for_edge() {
    const auto& steps = production_.plan.steps;
    if (step_ == steps.size()) return;
    edge_.expires_at(start_ + (at_end_ ? steps[step_].until : steps[step_].from));
    edge_.async_wait([this](const error_code& error) {
      if (error || gone_) return;
      pass_edge();
      wait_for_edge();
    });
  }

  void pass_edge() {
    const auto watched = server();
    const LiveBoard& board = production_.board;
    const StepUsage usage{own().cpu_s,
                          watched ? watched->cpu_s : 0,
                          board.sum(&Live::received),
                          board.sum(&Live::connected),
                          board.sum(&Live::refused) + board.sum(&Live::failed),
                          true};
    const auto latency = latency_.next(0.99);
    at_end_ = !at_end_;
    if (at_end_) {
      before_ = usage;
      return;
    }
    StepUsage& step = result_.steps[step_++];
    step = usage;
    step.cpu_s -= before_.cpu_s;
    step.server_cpu_s -= before_.server_cpu_s;
    step.received -= before_.received;
    const double allowed =
        production_.options.tolerate * production_.plan.steps[step_ - 1].copies * production_.plan.members;
    const Nanos limit = production_.options.step_limit.value_or(default_step_limit);
    if (static_cast<double>(step.lost) > allowed || latency.value_or(Nanos{0}) > limit) stop_climbing();
  }

  void stop_climbing() {
    step_ = production_.plan.steps.size();
    if (troupe_) troupe_->curtain();
    if (production_.shards != nullptr) production_.shards->curtain();
  }

  const Production& production_;
  asio::io_context& stage_;
  asio::executor_work_guard<asio::io_context::executor_type> busy_;
  const std::chrono::steady_clock::time_point start_;
  asio::steady_timer curtain_, edge_, complete_;
  LiveLine live_;
  std::unique_ptr<Troupe> troupe_;
  std::unique_ptr<Canaries> canaries_;
  bool gone_ = false, at_end_ = false;
  std::size_t step_ = 0;
  TimesWindow latency_;
  StepUsage before_;
  const Usage own_before_;
  const std::optional<Usage> server_before_;
  const Processors processors_before_;
  RunResult result_;
};

}  // namespace

Expected<Addresses> resolve(const Options& options) {
  Addresses addresses;
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  boost::system::error_code error;
  const auto found = resolver.resolve(options.target.host, std::to_string(options.target.port), error);
  if (error || found.empty()) {
    return Trouble{"the target " + show_address(options.target) + " cannot be resolved (" + error.message() +
                   "); give it as host:port"};
  }
  addresses.target = *found.begin();
  for (const std::string& source : options.sources) {
    addresses.sources.push_back(asio::ip::make_address(source, error));
    if (!error) {
      asio::ip::tcp::socket probe(context);
      probe.open(addresses.target.protocol(), error);
      if (!error) probe.bind({addresses.sources.back(), 0}, error);
      if (error) {
        return Trouble{"--source " + source + " cannot be used on this machine for this target (" +
                       error.message() + "); give an address that it has, as 127.0.0.2"};
      }
    }
    if (error)
      return Trouble{"--source " + source + " is no IP address; give one, or a range as 127.0.0.2-127.0.0.9"};
  }
  return addresses;
}

RunResult perform(const Production& production, asio::io_context& stage, std::function<void()>& interrupt) {
  Run run(production, stage);
  interrupt = [&] { run.interrupt(); };
  run.start();
  stage.restart();  // the end of a trial's work stopped it
  stage.run();
  interrupt = nullptr;
  return run.finish();
}

}  // namespace chorus::replayer
