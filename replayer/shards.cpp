#include "replayer/shards.h"

#include "replayer/resources.h"
#include "replayer/shard_trace.h"

#include <algorithm>

#include <boost/asio/steady_timer.hpp>

#ifndef _WIN32
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace chorus::replayer {

namespace asio = boost::asio;
using boost::system::error_code;

std::uint32_t Shards::workers_each(std::uint32_t processes, std::uint32_t workers) noexcept {
  return (workers + processes - 1) / processes;
}

#ifdef _WIN32

struct Shards::Impl {};
Expected<std::unique_ptr<Shards>> Shards::fork(const Wanted&) {
  return Trouble{
      "--processes needs fork(), which this system does not have; one process may have all clients here"};
}
Shards::~Shards() = default;
void Shards::start(asio::io_context&, std::chrono::steady_clock::time_point, std::function<void()>) {}
void Shards::curtain() {}
void Shards::interrupt() {}
Usage Shards::usage() const {
  return {};
}
std::uint32_t Shards::processes() const noexcept {
  return 0;
}
Shards::Gathered Shards::gather(format::Writer*) {
  return {};
}

#else

namespace {

// What the parent says to a child.
struct Order {
  enum class What : std::uint8_t { start, curtain, interrupt };
  What what = What::start;
  std::int64_t start_ns = 0;  // of the monotonic clock
};

struct Share {
  Plan plan;
  Options options;
  LiveShare live;
  std::string trace;  // "" = none
};

Share share_of(const Shards::Wanted& wanted, std::uint32_t index) {
  const std::uint32_t workers = Shards::workers_each(wanted.processes, wanted.options.workers);
  Share share{make_shard(wanted.crowd, index, wanted.processes, workers), wanted.options,
              wanted.board.share(index), ""};
  share.options.workers = workers;
  share.options.pending = std::max(1u, wanted.options.pending / wanted.processes);
  // All draw from one rate, in turns as good as at random.
  share.options.send_every = wanted.options.send_every * wanted.processes;
  if (!wanted.options.output.empty()) share.trace = shard_trace_name(wanted.options.output, index);
  return share;
}

using Pipe = asio::local::stream_protocol::socket;

// The child, from the order to start to its last byte.
class Child {
 public:
  Child(const Shards::Wanted& wanted, Share share, int orders)
      : wanted_(wanted),
        share_(std::move(share)),
        orders_(stage_, asio::local::stream_protocol(), orders),
        curtain_(stage_) {}

  void play() {
    error_code error;
    asio::read(orders_, asio::buffer(&order_, sizeof order_), error);
    if (error || order_.what != Order::What::start) return;  // the run never began
    const std::chrono::steady_clock::time_point start{Nanos(order_.start_ns)};
    std::unique_ptr<format::Writer> trace;
    if (!share_.trace.empty()) {
      format::WriterOptions writing;
      writing.force = true;  // of an earlier run that did not end well
      auto created = format::Writer::create(share_.trace, writing);
      if (created) {
        trace = std::move(*created);
      } else {
        result_.trace_problem = created.error().what;
      }
    }
    Troupe troupe(wanted_.score, share_.plan, share_.options, wanted_.addresses, trace.get(), share_.live,
                  start, [this] { asio::post(stage_, [this] { stage_.stop(); }); });
    troupe_ = &troupe;
    if (share_.options.duration) {
      curtain_.expires_at(start + share_.plan.begins + *share_.options.duration);
      curtain_.async_wait([&](const error_code& ended) {
        if (!ended) troupe.curtain();
      });
    }
    next_order();
    troupe.start();
    stage_.run();
    result_.performance = troupe.join();
    const Usage usage = own_usage();
    result_.cpu_s = usage.cpu_s;
    result_.rss_peak_bytes = usage.rss_peak_bytes;
    if (trace) {
      if (const auto closed = trace->close(); !closed) result_.trace_problem = closed.error().what;
    }
    asio::write(orders_, asio::buffer(pack(result_)), error);  // who does not get it says that we are lost
  }

 private:
  void next_order() {
    asio::async_read(orders_, asio::buffer(&order_, sizeof order_),
                     [this](const error_code& error, std::size_t) {
                       if (!error && order_.what == Order::What::curtain) {
                         troupe_->curtain();
                         return next_order();
                       }
                       result_.interrupted = true;  // an order, or the parent is gone
                       troupe_->interrupt();
                     });
  }

  const Shards::Wanted& wanted_;
  Share share_;
  asio::io_context stage_{1};
  Pipe orders_;
  asio::steady_timer curtain_;
  Order order_;
  Troupe* troupe_ = nullptr;
  ShardResult result_;
};

std::string words_of(int status) {
  return WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                             : "ended with status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

struct Shards::Impl {
  struct One {
    pid_t pid = -1;
    int file = -1;  // until start()
    std::optional<Pipe> pipe{};
    std::string heard{};
    Block clients{};
    std::string trace{};
    int status = 0;
  };
  static constexpr std::size_t read_size = 256 * 1024;

  void listen(One& one) {
    const std::size_t before = one.heard.size();
    one.heard.resize(before + read_size);
    one.pipe->async_read_some(asio::buffer(one.heard.data() + before, read_size),
                              [this, &one, before](const error_code& error, std::size_t size) {
                                one.heard.resize(before + size);
                                if (!error) return listen(one);
                                reap(one);
                                one.pipe.reset();  // before the stage that it belongs to
                                if (--left == 0) all_gone();
                              });
  }

  static void reap(One& one) {
    if (one.pid < 0) return;
    while (::waitpid(one.pid, &one.status, 0) < 0 && errno == EINTR) {
    }
    one.pid = -1;
  }

  // A child that cannot be told is about to be lost; its end of the pipe says so.
  static void tell(One& one, const Order& order) {
    error_code ignored;
    asio::write(*one.pipe, asio::buffer(&order, sizeof order), ignored);
  }

  void order(Order::What what) {
    for (One& one : all)
      if (one.pid > 0 && one.pipe) tell(one, {what, 0});
  }

  std::vector<One> all;
  std::size_t left = 0;
  std::function<void()> all_gone;
};

Shards::Shards(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Shards::~Shards() {
  for (Impl::One& one : impl_->all) {
    if (one.file >= 0) ::close(one.file);  // a child that waits for its start ends by itself
    if (one.pipe && one.pid > 0) ::kill(one.pid, SIGKILL);
    Impl::reap(one);
  }
}

Expected<std::unique_ptr<Shards>> Shards::fork(const Wanted& wanted) {
  std::unique_ptr<Shards> shards(new Shards(std::make_unique<Impl>()));
  auto& all = shards->impl_->all;
  all.resize(wanted.processes);
  for (std::uint32_t index = 0; index < wanted.processes; ++index) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      return Trouble{std::string("socketpair failed: ") + std::strerror(errno)};
    Share share = share_of(wanted, index);
    const pid_t pid = ::fork();
    if (pid < 0) {
      const std::string why = std::strerror(errno);
      ::close(ends[0]);
      ::close(ends[1]);
      return Trouble{"the crowd's process " + std::to_string(index + 1) + " of " +
                     std::to_string(wanted.processes) + " could not be started: " + why};
    }
    if (pid == 0) {
      // Of a terminal, or of who ends the whole group: the parent decides what they mean.
      ::signal(SIGINT, SIG_IGN);
      ::signal(SIGTERM, SIG_IGN);
      ::close(ends[0]);
      for (const Impl::One& other : all)
        if (other.file >= 0) ::close(other.file);
      Child(wanted, std::move(share), ends[1]).play();
      std::_Exit(0);
    }
    ::close(ends[1]);
    all[index].pid = pid;
    all[index].file = ends[0];
    all[index].clients = share.plan.mine;
    all[index].trace = share.trace;
  }
  return shards;
}

void Shards::start(asio::io_context& stage, std::chrono::steady_clock::time_point start,
                   std::function<void()> all_gone) {
  impl_->all_gone = std::move(all_gone);
  impl_->left = impl_->all.size();
  const Order order{Order::What::start, Nanos(start.time_since_epoch()).count()};
  for (Impl::One& one : impl_->all) {
    one.pipe.emplace(stage, asio::local::stream_protocol(), std::exchange(one.file, -1));
    Impl::tell(one, order);
    impl_->listen(one);
  }
}

void Shards::curtain() {
  impl_->order(Order::What::curtain);
}

void Shards::interrupt() {
  impl_->order(Order::What::interrupt);
}

std::uint32_t Shards::processes() const noexcept {
  return static_cast<std::uint32_t>(impl_->all.size());
}

Usage Shards::usage() const {
  Usage sum;
  for (const Impl::One& one : impl_->all) {
    const auto usage = one.pid > 0 ? usage_of(one.pid) : std::nullopt;
    if (!usage) continue;
    sum.cpu_s += usage->cpu_s;
    sum.rss_bytes += usage->rss_bytes;
  }
  return sum;
}

Shards::Gathered Shards::gather(format::Writer* trace) {
  Gathered gathered;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < impl_->all.size(); ++i) {
    Impl::One& one = impl_->all[i];
    const std::string name = "process " + std::to_string(i + 1) + " of " + std::to_string(impl_->all.size());
    if (!one.trace.empty()) parts.push_back(one.trace);
    ShardResult result;
    if (!unpack(one.heard, result)) {
      gathered.lost_clients += one.clients.size();
      gathered.lost.push_back(name + " " + words_of(one.status) + "; what became of its clients " +
                              std::to_string(one.clients.first) + " .. " +
                              std::to_string(one.clients.last - 1) + " is not known");
      continue;
    }
    std::string().swap(one.heard);
    Performance& sum = gathered.performance;
    sum.tally.merge(result.performance.tally);
    sum.clients.insert(sum.clients.end(), result.performance.clients.begin(),
                       result.performance.clients.end());
    gathered.cpu_s += result.cpu_s;
    gathered.rss_peak_bytes += result.rss_peak_bytes;
    gathered.interrupted = gathered.interrupted || result.interrupted;
    if (!result.trace_problem.empty()) gathered.trace_problems.push_back(name + ": " + result.trace_problem);
  }
  if (trace != nullptr) join_shard_traces(parts, *trace);
  return gathered;
}

#endif

}  // namespace chorus::replayer
