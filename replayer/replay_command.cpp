#include "replayer/replay_command.h"

#include "replayer/replay.h"

#include <cmath>
#include <memory>

#include <boost/asio/ip/address_v4.hpp>

namespace chorus::replayer {
namespace {

using format::Nanos;

// CLI11 reports a validation error with this text; "" means fine.
template <class Parse, class Store>
CLI::Option* add_parsed(CLI::App& command, const std::string& name, const std::string& help,
                        const std::string& shown, const std::string& initial, Parse parse, Store store) {
  auto* option = command.add_option_function<std::string>(
      name,
      [name, parse, store](const std::string& text) {
        auto value = parse(text);
        if (!value) throw CLI::ValidationError(name, value.error().what);
        store(*value);
      },
      help);
  option->type_name(shown);
  if (!initial.empty()) option->default_str(initial);
  return option;
}

Expected<std::uint32_t> parse_scale(const std::string& text) {
  const bool times = !text.empty() && text.back() == 'x';
  const std::string digits = times ? text.substr(0, text.size() - 1) : text;
  if (digits.size() > 7 && digits.find_first_not_of("0123456789") == std::string::npos) {
    return Trouble{"'" + text + "' is too large; at most 9999999x"};
  }
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
      std::stoul(digits) == 0) {
    return Trouble{"'" + text + "' is no number of copies; write it as 10x"};
  }
  return static_cast<std::uint32_t>(std::stoul(digits));
}

struct Crowd {
  std::uint32_t clients = 0;
  std::optional<Climb> climb{};
};

Expected<std::uint32_t> parse_clients(const std::string& text) {
  constexpr std::uint32_t most = 10'000'000;
  if (text.empty() || text.size() > 8 || text.find_first_not_of("0123456789") != std::string::npos ||
      std::stoul(text) == 0 || std::stoul(text) > most) {
    return Trouble{"'" + text + "' is no number of clients from 1 to 10000000"};
  }
  return static_cast<std::uint32_t>(std::stoul(text));
}

// "1000", or "2000..10000:1000" for a crowd that climbs.
Expected<Crowd> parse_crowd(const std::string& text) {
  const auto dots = text.find("..");
  if (dots == std::string::npos) {
    auto clients = parse_clients(text);
    if (!clients)
      return Trouble{clients.error().what + "; a crowd that climbs is written as 2000..10000:1000"};
    return Crowd{*clients, {}};
  }
  const auto colon = text.find(':', dots);
  const auto first = parse_clients(text.substr(0, dots));
  const auto last =
      parse_clients(text.substr(dots + 2, colon == std::string::npos ? colon : colon - dots - 2));
  const auto by = colon == std::string::npos ? first : parse_clients(text.substr(colon + 1));
  for (const auto* number : {&first, &last, &by})
    if (!*number) return Trouble{number->error().what + "; write the steps as 2000..10000:1000"};
  constexpr std::uint32_t most_steps = 1000;
  if (*last < *first || (*last - *first) / *by >= most_steps) {
    return Trouble{"'" + text + "' does not climb in 1 to 1000 steps; write it as 2000..10000:1000"};
  }
  return Crowd{*last, Climb{*first, *last, *by}};
}

Expected<Pace> parse_pace(const std::string& text) {
  if (text == "exact") return Pace{Pace::Mode::exact, {}};
  if (text == "spin") return Pace{Pace::Mode::spin, {}};
  const auto equals = text.find('=');
  if (text.substr(0, equals) != "grid") {
    return Trouble{"'" + text + "' is no pace; write exact, spin, or grid=1ms"};
  }
  if (equals == std::string::npos) return Pace{Pace::Mode::grid, std::chrono::milliseconds(1)};
  const auto grid = parse_duration(text.substr(equals + 1));
  if (!grid) return grid.error();
  if (*grid < std::chrono::microseconds(50) || *grid > std::chrono::milliseconds(100)) {
    return Trouble{"a grid of " + show_duration(*grid) + " is of no use; from 50us to 100ms"};
  }
  return Pace{Pace::Mode::grid, *grid};
}

Expected<std::optional<Nanos>> parse_coalesce(const std::string& text) {
  if (text == "auto") return std::optional<Nanos>{};
  const auto rest = text == "0" ? Expected<Nanos>(Nanos{0}) : parse_duration(text);
  if (!rest) return Trouble{rest.error().what + "; or write auto, or 0"};
  if (*rest > std::chrono::milliseconds(100)) {
    return Trouble{"a rest of " + show_duration(*rest) + " is too long; at most 100ms"};
  }
  return std::optional<Nanos>{*rest};
}

Expected<std::uint32_t> parse_cohort(const std::string& text) {
  if (text == "all") return 0u;
  auto copies = parse_scale(text);
  if (!copies)
    return Trouble{"'" + text + "' is no number of copies that share rooms; write a number or 'all'"};
  return *copies;
}

Expected<double> parse_share(const std::string& text) {
  const bool percent = !text.empty() && text.back() == '%';
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const std::string rest = end;
  if (end == text.c_str() || !(rest.empty() || rest == "%") || !(value >= 0) || value > (percent ? 100 : 1)) {
    return Trouble{"'" + text + "' is no share; write it as 1% or 0.01"};
  }
  return percent ? value / 100 : value;
}

// One address, or a range of IPv4 addresses.
Expected<std::vector<std::string>> parse_sources(const std::string& text) {
  const auto dash = text.find('-');
  if (dash == std::string::npos) return std::vector<std::string>{text};
  boost::system::error_code first_error, last_error;
  const auto first = boost::asio::ip::make_address_v4(text.substr(0, dash), first_error).to_uint();
  const auto last = boost::asio::ip::make_address_v4(text.substr(dash + 1), last_error).to_uint();
  if (first_error || last_error || last < first || last - first > 65535) {
    return Trouble{"'" + text + "' is no range of IPv4 addresses; write it as 127.0.0.2-127.0.0.9"};
  }
  std::vector<std::string> sources;
  for (auto address = first; address <= last; ++address) {
    sources.push_back(boost::asio::ip::address_v4(address).to_string());
  }
  return sources;
}

void add_crowd(CLI::App& command, Options& options) {
  auto* clients = add_parsed(command, "--clients",
                             "how many users, rounded up to whole copies; 2000..10000:1000 climbs in steps",
                             "N", "", parse_crowd, [&](const Crowd& crowd) {
                               options.clients = crowd.clients;
                               options.climb = crowd.climb;
                             });
  const auto duration = [](const std::string& text) { return parse_duration(text); };
  add_parsed(command, "--hold", "how long each step of a climb stays, after its ramp", "DURATION", "10s",
             duration, [&](Nanos d) { options.hold = d; });
  add_parsed(command, "--step-limit", "a step with a latency p99 above it is not good, and ends the climb",
             "DURATION", "1s", duration, [&](Nanos d) { options.step_limit = d; });
  auto* scale = add_parsed(command, "--scale", "how many copies of the recording's group, as 10x", "N", "",
                           parse_scale, [&](std::uint32_t copies) { options.scale = copies; });
  clients->excludes(scale);
  add_parsed(command, "--ramp", "between the starts of two copies", "DURATION", "5ms", duration,
             [&](Nanos d) { options.ramp = d; });
  add_parsed(
      command, "--phase",
      "a copy starts up to so much later, at random, so that the crowd does not clap in step; not given: up "
      "to one --ramp",
      "DURATION", "", duration, [&](Nanos d) { options.phase = d; });
  add_parsed(command, "--cohort", "copies that share rooms: a number, or 'all'", "N", "1", parse_cohort,
             [&](std::uint32_t copies) { options.cohort = copies; });
  command.add_option("--workers", options.workers, "threads that read, each with a share of the clients")
      ->check(CLI::Range(1u, 256u))
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--processes", options.processes,
                  "that share the crowd; not given: as many as the limit of open files asks for")
      ->check(CLI::Range(1u, 64u))
      ->type_name("N");
  command
      .add_option("--pending", options.pending,
                  "connects under way at once; keep it below the server's backlog")
      ->check(CLI::Range(1u, 65535u))
      ->type_name("N")
      ->capture_default_str();
  add_parsed(command, "--source", "local addresses to connect from, as 127.0.0.2-127.0.0.9", "ADDRESS", "",
             parse_sources, [&](std::vector<std::string> sources) { options.sources = std::move(sources); });
  command
      .add_option_function<std::string>(
          "--on-refused",
          [&](const std::string& text) {
            options.on_refused = text == "retry" ? OnRefused::retry : OnRefused::give_up;
          },
          "a client that the server turns away gives up, or tries five times more (200ms doubling, with "
          "jitter)")
      ->check(CLI::IsMember({"give-up", "retry"}))
      ->type_name("WHAT")
      ->default_str("give-up");
}

void add_schedule(CLI::App& command, Options& options) {
  const auto duration = [](const std::string& text) { return parse_duration(text); };
  command.add_option("--speed", options.speed, "divides think times, never timeouts")
      ->check(CLI::Range(0.001, 1000.0))
      ->type_name("X")
      ->capture_default_str();
  command
      .add_option_function<std::string>(
          "--schedule",
          [&](const std::string& text) {
            options.schedule = text == "random" ? ScheduleKind::random : ScheduleKind::recorded;
          },
          "recorded: everybody as recorded; random: a random client sends a random recorded chat message")
      ->check(CLI::IsMember({"recorded", "random"}))
      ->type_name("WHICH")
      ->default_str("recorded");
  add_parsed(command, "--send-every", "one message of the whole crowd that often (random)", "DURATION",
             "10ms", duration, [&](Nanos d) {
               options.send_every = d;
               options.send_every_given = true;
             });
  add_parsed(command, "--duration",
             "then everybody says the recorded farewell; random: as long as the recording after the ramp",
             "DURATION", "", duration, [&](Nanos d) { options.duration = d; });
  command.add_flag("--loop", options.loop, "repeat the recorded chat until --duration, without reconnecting");
  command.add_option("--seed", options.seed, "of everything random")->type_name("N")->capture_default_str();
  add_parsed(command, "--pace",
             "exact: each message at its time; spin: stay awake for it; grid=1ms: on ticks, for the least "
             "processor time",
             "HOW", "exact", parse_pace, [&](Pace pace) { options.pace = pace; });
  command
      .add_option_function<std::string>(
          "--priority",
          [&](const std::string& text) {
            options.priority = text == "high"       ? Priority::high
                               : text == "realtime" ? Priority::realtime
                                                    : Priority::normal;
          },
          "of the sender's thread alone; more than normal needs the right to ask for it")
      ->check(CLI::IsMember({"normal", "high", "realtime"}))
      ->type_name("WHICH")
      ->default_str("normal");
  add_parsed(
      command, "--coalesce",
      "how long a worker rests after it has read all there was: auto (at most 500us, and only while none of "
      "its clients awaits an answer), 0, or a time",
      "HOW", "auto", parse_coalesce, [&](std::optional<Nanos> rest) { options.coalesce = rest; });
  add_parsed(command, "--timeout", "how long a connect or a gate may take", "DURATION", "30s", duration,
             [&](Nanos d) { options.timeout = d; });
  add_parsed(command, "--drain", "how long the last answers may take", "DURATION", "10s", duration,
             [&](Nanos d) { options.drain = d; });
}

void add_meaning(CLI::App& command, Options& options) {
  command
      .add_option("--protocol", options.protocol,
                  "a built-in page (chorus protocols) or a file; found by itself when not given")
      ->type_name("NAME|FILE");
  command
      .add_option_function<std::vector<std::string>>(
          "--rename",
          [&](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              auto rename = protocol::parse_rename(text);
              if (!rename) throw CLI::ValidationError("--rename", rename.error().what);
              options.renames.push_back(std::move(*rename));
            }
          },
          "a recorded name and what stands for it, as alice=u{client:07} or #room=#room{cohort}")
      ->type_name("OLD=NEW");
  command
      .add_option("--users", options.users,
                  "one account a client: a CSV file with a header; columns name and password are used by "
                  "themselves, others as {user.COLUMN} in --rename")
      ->type_name("FILE");
  add_parsed(command, "--tolerate", "share of clients that may fail, as 1%", "SHARE", "0", parse_share,
             [&](double share) { options.tolerate = share; });
  command.add_flag_callback(
      "--no-trial", [&] { options.trial = false; }, "do not try the login of one copy first");
  command.add_flag("--unjudged", options.unjudged, "accept that without a page nothing can be judged");
}

void add_output(CLI::App& command, Options& options) {
  command.add_option("-o,--output", options.output, "write the run's trace")
      ->type_name("FILE")
      ->check([](const std::string& name) {
        return name.empty() ? std::string("a file needs a name") : std::string();
      });
  command.add_flag("--force", options.force, "replace an existing file");
  command.add_option("--keep", options.keep, "copies whose every byte goes into the trace")
      ->type_name("N")
      ->capture_default_str();
  command.add_flag(
      "--canary", options.canary,
      "an ordinary client beside the crowd: one from before it, one that joins when it is complete");
  command.add_option("--watch", options.watch, "the server's process: its CPU and memory beside our own")
      ->check(CLI::Range(1, 4'194'304))
      ->type_name("PID");
  command.add_flag("--json", options.json, "one JSON document on stdout");
}

Expected<void> check_together(const Options& options) {
  if (options.send_every_given && options.schedule != ScheduleKind::random) {
    return Trouble{"--send-every is the pace of --schedule random; the recorded schedule has its own"};
  }
  if (options.clients == 0 && options.scale == 0)
    return Trouble{"how large a crowd? Give --clients N or --scale 10x"};
  if (!std::isfinite(options.speed)) return Trouble{"--speed must be a number, as 2 or 0.5"};
  if (options.send_every <= Nanos{0}) return Trouble{"--send-every must be longer than 0"};
  if (options.timeout <= Nanos{0} || options.drain < Nanos{0}) {
    return Trouble{"--timeout must be longer than 0, --drain at least 0"};
  }
  if (!options.climb && (options.hold || options.step_limit)) {
    return Trouble{"--hold and --step-limit belong to a crowd that climbs, as --clients 2000..10000:1000"};
  }
  if (options.climb && (options.duration || options.hold.value_or(default_hold) <= Nanos{0})) {
    return Trouble{"a crowd that climbs lasts as long as its steps: leave --duration out, and give a --hold"};
  }
  if (options.loop && !options.duration && !options.climb)
    return Trouble{"--loop needs an end: give --duration"};
  if (options.loop && options.schedule == ScheduleKind::random) {
    return Trouble{"--loop repeats the recorded schedule; the random one does not end by itself anyway"};
  }
  return {};
}

}  // namespace

void add_replay_command(CLI::App& app, int& exit_status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("replay", "Replay a recording as a crowd against a live server");
  command->add_option("recording", options->recording, "a trace made by chorus record")
      ->required()
      ->type_name("FILE");
  add_parsed(
      *command, "--target", "the server, as host:port", "ADDRESS", "",
      [](const std::string& text) { return parse_address(text); },
      [options](Address address) { options->target = std::move(address); })
      ->required();
  add_crowd(*command, *options);
  add_schedule(*command, *options);
  add_meaning(*command, *options);
  add_output(*command, *options);
  command->callback([options, &exit_status] {
    const auto checked = check_together(*options);
    if (!checked) throw CLI::ValidationError(checked.error().what);
    exit_status = static_cast<int>(replay(*options));
  });
}

}  // namespace chorus::replayer
