#include "replayer/run.h"

#include "replayer/connector.h"
#include "replayer/live_line.h"
#include "replayer/sender.h"
#include "replayer/worker.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace chorus::replayer {
namespace {

namespace asio = boost::asio;

void collect(RunResult& result, Engine& engine, const Sender& sender) {
  result.duration = engine.now();
  result.tally.merge(sender.tally());
  result.sender_waited_for_processor = sender.waited_for_processor();
  result.clients.reserve(engine.plan.clients());
  for (const auto& worker : engine.workers) {
    result.tally.merge(worker->tally());
    for (const Client& client : worker->clients()) result.clients.push_back(client.row());
  }
}

}  // namespace

std::size_t Engine::worker_index(std::uint32_t client) const {
  std::size_t low = 0, high = plan.blocks.size() - 1;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (client < plan.blocks[middle].last) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

std::uint64_t Engine::sum(std::atomic<std::uint64_t> Live::*counter) const noexcept {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= options.workers; ++i)
    total += (live[i].*counter).load(std::memory_order_relaxed);
  return total;
}

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

RunResult perform(const Score& score, const Plan& plan, const Options& options, const Addresses& addresses,
                  format::Writer* trace, asio::io_context& stage, std::function<void()>& interrupt,
                  bool show_live_line) {
  RunResult result;
  Engine engine{score,
                plan,
                options,
                addresses.target,
                addresses.sources,
                std::chrono::steady_clock::now(),
                trace,
                std::make_unique<Link[]>(plan.clients()),
                std::make_unique<Live[]>(options.workers + 1)};
  engine.remaining = plan.clients();
  for (std::uint32_t client = 0; client < plan.clients(); ++client) {
    engine.links[client].kept = trace != nullptr && plan.kept(plan.copy_of(client), options.keep);
  }
  const Usage own_before = own_usage();
  const auto server_before = options.watch ? usage_of(*options.watch) : std::nullopt;
  const Processors processors_before = Processors::look();

  Sender sender(engine);
  Connector connector(engine);
  engine.sender = &sender;
  engine.connector = &connector;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    engine.workers.push_back(std::make_unique<Worker>(engine, plan.blocks[i], engine.live[i]));
  }
  auto busy = asio::make_work_guard(stage);
  engine.on_all_concluded = [&stage] { asio::post(stage, [&stage] { stage.stop(); }); };
  LiveLine live(engine, stage, show_live_line);
  asio::steady_timer curtain(stage);
  if (options.duration && !plan.trial) {
    curtain.expires_at(engine.start + *options.duration);
    curtain.async_wait([&](const boost::system::error_code& error) {
      if (error) return;
      connector.curtain();
      sender.curtain();
    });
  }
  // Nothing may be sent or opened any more; then every client is ended where it stands.
  interrupt = [&] {
    result.interrupted = true;
    connector.stop_and_join();
    sender.stop_and_join();
    for (const auto& worker : engine.workers) worker->interrupt();
  };

  for (const auto& worker : engine.workers) worker->start();
  sender.start();
  connector.start();
  live.start();
  stage.run();
  stage.restart();

  interrupt = nullptr;
  live.stop();
  curtain.cancel();
  stage.poll();
  stage.restart();
  sender.stop_and_join();  // before the workers: it sends on their sockets
  connector.stop_and_join();
  for (const auto& worker : engine.workers) worker->join();

  collect(result, engine, sender);
  result.series = live.series();
  result.processors_busy = Processors::share(processors_before, Processors::look());
  const Usage own_after = own_usage();
  result.cpu_s = own_after.cpu_s - own_before.cpu_s;
  result.rss_peak_bytes = own_after.rss_peak_bytes;
  if (server_before) {
    if (const auto after = usage_of(*options.watch)) {
      result.server = Usage{after->cpu_s - server_before->cpu_s, after->rss_bytes, after->rss_peak_bytes};
    }
  }
  return result;
}

}  // namespace chorus::replayer
