#include "replayer/replay.h"

#include "replayer/account.h"
#include "replayer/needs.h"
#include "traces/format/reader.h"
#include "traces/format/writer.h"
#include "traces/protocol/left_out.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json/serialize.hpp>

namespace chorus::replayer {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

Exit trouble(const std::string& what) {
  std::cerr << "chorus replay: " << what << "\n";
  return Exit::trouble;
}

void say(const std::string& what) {
  std::cerr << "chorus replay: " << what << "\n";
}

struct Loaded {
  Score score;
  std::uint64_t recording_hash = 0;
};

Expected<Loaded> load_score(const Options& options) {
  auto trace = format::load(options.recording);
  if (!trace) return trace.error();
  if (trace->is_run()) {
    return Trouble{options.recording + " is the trace of a run; replay takes a recording (chorus record)"};
  }
  if (trace->damage.any())
    say(options.recording +
        " is not whole: " + (trace->damage.first.empty() ? trace->damage.incomplete : trace->damage.first) +
        "; what there is is replayed");
  const protocol::LeftOut left_out = protocol::left_out(*trace);
  if (left_out.client_bytes)
    return Trouble{options.recording +
                   " has only sizes and times (chorus record --payloads none): there is nothing "
                   "to send; record with --payloads client or all"};
  if (left_out.server_bytes) {  // zeros of the right length: no messages
    std::erase_if(trace->events, [](const auto& event) { return event.kind == format::EventKind::ToClient; });
    say(options.recording + " has only the clients' bytes: sent at their times, nothing can be judged");
  }
  protocol::Recognised recognised{protocol::Page::raw(), ""};
  if (options.protocol.empty()) {
    auto found = protocol::recognise(*trace);
    if (!found) return found.error();
    recognised = std::move(*found);
  } else {
    auto page = protocol::Page::find(options.protocol);
    if (!page) return page.error();
    recognised = {std::move(*page), "named by --protocol"};
  }
  say("protocol " + std::string(recognised.page.name()) + " (" + recognised.because + ")");
  const auto conversations = protocol::converse(*trace, recognised.page);
  std::shared_ptr<const protocol::Users> users;
  if (!options.users.empty()) {
    auto read = protocol::Users::load(options.users);
    if (!read) return read.error();
    users = std::make_shared<const protocol::Users>(std::move(*read));
  }
  if (left_out.secrets && !(users && users->column("password")) &&
      protocol::sends_secrets(recognised.page, conversations))
    return Trouble{options.recording +
                   " was recorded without its passwords: name the crowd's accounts with --users "
                   "users.csv (columns name and password), or record again with --keep-secrets"};
  if (left_out.matches)
    say("what --redact matched in " + options.recording + " is sent as it stands there, blank");
  auto score = compile_score(std::move(recognised.page), conversations, {options.renames, users});
  if (!score) return score.error();
  if (users && !score->names.needs_users()) {
    std::string columns;
    for (const std::string& column : users->columns()) columns += (columns.empty() ? "" : ", ") + column;
    return Trouble{"--users has the columns " + columns +
                   ", and nothing uses one: call them name and password, or write {user." +
                   users->columns().front() + "} in a --rename"};
  }
  for (const std::string& remark : score->remarks) say(remark);
  if (auto fits = protocol::fits(score->page, conversations); !fits) {
    return Trouble{options.recording + " " + fits.error().what};
  }
  return Loaded{std::move(*score), trace->content_hash};
}

std::string unjudged_in_words(const Score& score) {
  return std::string(
             score.page.is_raw()
                 ? "no page knows this protocol: name one with --protocol NAME|FILE (chorus protocols lists "
                   "them). Until then bytes are replayed as recorded"
                 : "the page sees no login and no answer in it; is --protocol right? Messages are replayed") +
         " and nothing can be judged (exit 2; --unjudged accepts it)";
}

// The first signal ends the run early, with a full report; the second one ends the process, also while the
// report waits for a reader: so they have a thread of their own.
class Signals {
 public:
  Signals(asio::io_context& stage, std::function<void()>& interrupt)
      : stage_(stage), interrupt_(interrupt), signals_(context_) {
    for (const int number : {SIGINT, SIGTERM}) {
      signals_.add(number);
#ifndef _WIN32
      // Asio's own handler has no SA_RESTART: it would cut a report short that waits to be read.
      struct sigaction action {};
      sigaction(number, nullptr, &action);
      action.sa_flags |= SA_RESTART;
      sigaction(number, &action, nullptr);
#endif
    }
    wait();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Signals() {
    context_.stop();
    thread_.join();
  }
  bool seen() const noexcept {
    return seen_.load();
  }

 private:
  void wait() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      if (seen_.exchange(true)) std::_Exit(130);
      say("ending early; once more to abort");
      asio::post(stage_, [this] {
        if (interrupt_) interrupt_();
      });
      wait();
    });
  }

  asio::io_context& stage_;
  std::function<void()>& interrupt_;  // the stage's thread
  asio::io_context context_{1};
  asio::signal_set signals_;
  std::atomic<bool> seen_{false};
  std::thread thread_;
};

std::string names_in_words(const Score& score, const Plan& plan) {
  std::string text;
  for (std::size_t i = 0; i < score.names.size() && i < 8; ++i) {
    const auto& name = score.names[i];
    if (name.role == protocol::Role::secret) continue;
    const std::uint32_t member = name.member == format::shared_by_all ? 0 : name.member;
    text += (text.empty() ? "" : ", ") + name.recorded + " -> " + score.names.value(i, plan.names_of(0));
    if (plan.copies > 1)
      text += " .. " + score.names.value(i, plan.names_of(plan.clients() - plan.members + member));
  }
  return text;
}

// Plays the login of one copy under a name of its own. nullopt: it went well.
std::optional<Exit> try_login(const Score& score, const Plan& crowd, const Options& options,
                              const Addresses& addresses, asio::io_context& stage,
                              std::function<void()>& interrupt) {
  const Plan plan = make_trial(score, crowd);
  if (const auto fits = check_names(score, plan); !fits) return trouble(fits.error().what);
  Options one = options;
  one.workers = 1;
  one.tolerate = 0;
  one.watch.reset();
  one.climb.reset();
  one.canary = false;
  LiveBoard board(1, one.workers);
  const RunResult result =
      perform({score, plan, one, addresses, board, nullptr, nullptr, false}, stage, interrupt);
  const Counts counts = count(result);
  const bool got_in = counts.refused + counts.failed + counts.disconnected == 0;
  if (got_in && !result.interrupted) return std::nullopt;
  const Verdict verdict = judge(result);
  if (got_in) {
    say("ended before the crowd was started");
    if (!options.json) std::cout << in_words({score, plan, one, result, verdict}) << std::flush;
  } else {
    std::cerr << "chorus replay: the trial login of one copy failed; no crowd was started\n"
              << explain({score, plan, one, result, verdict}, 3);
  }
  if (options.json) {
    json::object document = to_json({score, plan, one, result, verdict});
    document["trial"] = true;  // its figures are those of the one copy that tried
    std::cout << json::serialize(document) << std::endl;
  }
  if (counts.connected == 0 || result.interrupted) return Exit::trouble;
  return Exit::differs;
}

void describe(format::Writer& trace, const Account& account, std::uint64_t recording_hash) {
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(recording_hash));
  const json::object info{{"mode", "run"},
                          {"tool", CHORUS_VERSION},
                          {"protocol", account.score.page.name()},
                          {"page", account.score.page.text()},
                          {"source", hash},
                          {"options", options_to_json(account.options, account.score)},
                          {"result", to_json(account)}};
  trace.info(json::serialize(info));
}

void add_latency(std::vector<format::NamedSketch>& list, const std::string& prefix, const Score& score,
                 const Tally& tally) {
  for (std::size_t kind = 0; kind < tally.latency.size(); ++kind) {
    if (tally.latency[kind].count() == 0) continue;
    list.push_back({prefix + "latency/" + std::string(score.page.kind_name(static_cast<KindId>(kind))),
                    Nanos{0}, Nanos{0}, tally.latency[kind]});
  }
}

std::vector<format::NamedSketch> sketches(const Account& account) {
  const Tally& tally = account.result.tally;
  std::vector<format::NamedSketch> list;
  const auto add = [&](const std::string& name, const Sketch& sketch) {
    if (sketch.count() > 0) list.push_back({name, Nanos{0}, Nanos{0}, sketch});
  };
  add("lateness", tally.lateness);
  add("pushback", tally.pushback);
  add("connect", tally.connect);
  add("ready", tally.ready);
  add("delivery", tally.fanout.delivery);
  add_latency(list, "", account.score, tally);
  for (std::size_t step = 0; step < tally.steps.size(); ++step) {
    const StepWindow& window = account.plan.steps[step];
    for (const auto& [name, sketch] : {std::pair{"step/latency", &tally.steps[step].latency},
                                       std::pair{"step/lateness", &tally.steps[step].lateness},
                                       std::pair{"step/delivery", &tally.steps[step].delivery}})
      if (sketch->count() > 0) list.push_back({name, window.from, window.until - window.from, *sketch});
  }
  Tally before, joined;  // of several sessions, together
  for (const CanarySession& session : account.result.canaries)
    (session.joined_late ? joined : before).merge(session.performance.tally);
  add_latency(list, "canary/before/", account.score, before);
  add_latency(list, "canary/joined/", account.score, joined);
  return list;
}

Expected<void> write_trace(format::Writer& trace, const Account& account, std::uint64_t recording_hash) {
  const RunResult& result = account.result;
  const std::vector<std::string> reasons = reasons_of(result.tally);
  std::vector<format::ClientRow> clients = result.clients;
  for (const CanarySession& session : result.canaries) {
    for (format::ClientRow row : session.performance.clients) {
      row.canary = session.joined_late ? format::Canary::JoinedLate : format::Canary::FromBefore;
      clients.push_back(row);
    }
    auto names = protocol::bindings(account.score.names, session.plan.names_of(session.plan.mine.first));
    for (format::Binding& name : names) name.copy = session.plan.copies - 1;
    trace.bindings(names);
  }
  trace.clients(clients);
  for (std::uint32_t copy = 0; copy < account.plan.copies; ++copy) {
    if (!account.plan.kept(copy, account.options.keep)) continue;
    trace.bindings(
        protocol::bindings(account.score.names, account.plan.names_of(copy * account.plan.members)));
  }
  trace.divergences(result.tally.divergences);
  trace.sketches(sketches(account));
  trace.series(result.series);
  describe(trace, account, recording_hash);
  return trace.close();
}

Exit report(const Account& account) {
  if (account.options.json) {
    std::cout << json::serialize(to_json(account)) << "\n";
  } else {
    std::cout << in_words(account);
    if (!account.options.output.empty()) std::cout << "trace    " << account.options.output << "\n";
  }
  std::cout.flush();
  if (!std::cout) return trouble("stdout could not be written");
  return exit_of(account);
}

}  // namespace

Exit replay(const Options& wanted) {
  Options options = wanted;

  // Load: the recording becomes a score.
  auto loaded = load_score(options);
  if (!loaded) return trouble(loaded.error().what);
  const Score& score = loaded->score;
  if (!score.judged && !options.unjudged) say(unjudged_in_words(score));
  if (options.schedule == ScheduleKind::random && score.chat.empty()) {
    return trouble("--schedule random needs chat messages, and the recording has none that the page lists");
  }

  // Plan: who is who.
  Plan plan = make_plan(score, options);
  plan.started_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                        std::chrono::system_clock::now().time_since_epoch())
                        .count();
  if (options.climb) {
    options.duration = plan.end_of_climb() - plan.begins;
    options.loop = options.schedule == ScheduleKind::recorded;
  }
  if (options.schedule == ScheduleKind::random && !options.duration) {
    options.duration = options.ramp * plan.copies + score.duration;
  }
  if (const auto fits = check_names(score, plan); !fits) return trouble(fits.error().what);

  if (std::error_code ignored;
      !options.output.empty() && !options.force && std::filesystem::exists(options.output, ignored)) {
    return trouble(options.output + " exists already; name another file, or replace it with --force");
  }

  // Need: whether the machine grants it.
  auto addresses = resolve(options);
  if (!addresses) return trouble(addresses.error().what);
  const auto needs = needs_of(plan, options, addresses->target.address(), Grants::look());
  if (!needs) return trouble(needs.error().what);
  if (!raise_file_limit(needs->files))
    return trouble("the limit of open files could not be raised to " + std::to_string(needs->files) +
                   "; raise it (ulimit -Hn)");
  if (!needs->sources.empty()) {
    options.sources = needs->sources;
    addresses = resolve(options);
    if (!addresses) return trouble(addresses.error().what);
  }
  if (const auto refused = try_priority(options.priority); refused) {
    return trouble("--priority: this system does not grant it (" + refused.message() +
                   "); ask as root, or leave it out");
  }
  if (options.watch && !usage_of(*options.watch)) {
    return trouble("--watch " + std::to_string(*options.watch) + ": there is no such process to look at");
  }
  say(std::to_string(plan.clients()) + " clients: " + std::to_string(plan.copies) +
      (plan.copies == 1 ? " copy of " : " copies of ") + std::to_string(plan.members) +
      (score.names.size() > 0 ? "; " + names_in_words(score, plan) : ""));
  say(needs->in_words);

  // Share: before this process has any thread.
  const bool shared = needs->processes > 1;
  LiveBoard board(needs->processes,
                  shared ? Shards::workers_each(needs->processes, options.workers) : options.workers);
  std::unique_ptr<Shards> shards;
  if (shared) {
    auto forked = Shards::fork({score, plan, options, *addresses, board, needs->processes});
    if (!forked) return trouble(forked.error().what);
    shards = std::move(*forked);
  }

  // Try: the login of one copy.
  asio::io_context stage(1);
  std::function<void()> interrupt;
  Signals signals(stage, interrupt);
  if (options.trial) {
    if (const auto failed = try_login(score, plan, options, *addresses, stage, interrupt)) return *failed;
    if (signals.seen()) return trouble("ended before the crowd was started");
  }

  // A trace is begun when there is a crowd: a trial that failed leaves no .partial behind.
  std::unique_ptr<format::Writer> trace;
  if (!options.output.empty()) {
    format::WriterOptions writing;
    writing.force = options.force;
    writing.wait_when_full = shared;  // this process only joins what others wrote
    auto created = format::Writer::create(options.output, writing);
    if (!created) return trouble(created.error().what);
    trace = std::move(*created);
    trace->info(R"({"mode":"run"})");  // whatever is left of it will be known for what it is
  }

  // Connect, run, join, merge.
  const RunResult result =
      perform({score, plan, options, *addresses, board, shards.get(), trace.get(), true}, stage, interrupt);

  // Report.
  const Verdict verdict = judge(result, options.pace);
  const Account account{score, plan, options, result, verdict};
  const Exit status = report(account);
  if (trace) {
    if (const auto written = write_trace(*trace, account, loaded->recording_hash); !written) {
      return trouble(written.error().what);
    }
    for (const std::string& problem : result.trace_problems) say("the trace is not whole: " + problem);
    if (!result.trace_problems.empty()) return Exit::trouble;
  }
  return status;
}

}  // namespace chorus::replayer
