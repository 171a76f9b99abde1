// The command line of the recorder. The work is recorder.cpp's; here texts become options, and results become
// texts.
#include "recorder/record_command.h"

#include "recorder/recorder.h"
#include "traces/protocol/page.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace chorus::recorder {

namespace {

// As typed.
struct Flags {
  std::string listen = "127.0.0.1:7000";
  std::string upstream, output, protocol, payloads = "all";
  std::optional<std::string> redact;
  std::optional<std::string> duration;
  std::optional<std::uint64_t> sessions;
  bool force = false, json = false, keep_secrets = false;
};

Expected<Redaction> redaction_of(const Flags& flags, std::shared_ptr<const protocol::Page> page) {
  Redaction redaction;
  redaction.payloads = flags.payloads == "all"      ? Payloads::all
                       : flags.payloads == "client" ? Payloads::client
                                                    : Payloads::none;
  if (flags.redact) {
    auto pattern = protocol::Pattern::compile(*flags.redact);
    if (!pattern) return Trouble{"--redact: " + pattern.error().what};
    if (pattern->matches(""))
      return Trouble{"--redact matches nothing at all, too; name at least one character"};
    redaction.pattern = std::move(*pattern);
  }
  if (flags.keep_secrets && !page)
    return Trouble{"--keep-secrets is for a page that knows where passwords are: name it with --protocol"};
  if (page && !flags.keep_secrets)
    redaction.secrets = {page->has_secrets(protocol::Side::client),
                         page->has_secrets(protocol::Side::server)};
  redaction.page = std::move(page);
  return redaction;
}

Expected<RecordOptions> parse(const Flags& flags, const std::string& version) {
  const auto listen = parse_address(flags.listen, true);
  if (!listen) return Trouble{"--listen: " + listen.error().what};
  const auto upstream = parse_address(flags.upstream);
  if (!upstream) return Trouble{"--upstream: " + upstream.error().what};
  const auto duration = parse_duration(flags.duration.value_or("0"));
  if (!duration) return Trouble{"--duration: " + duration.error().what};
  if (flags.duration && duration->count() == 0)
    return Trouble{"--duration is 0, nothing would be recorded; leave it out to record until Ctrl-C"};
  if (flags.sessions && *flags.sessions == 0)
    return Trouble{"--sessions is 0, nothing would be recorded; leave it out to record until Ctrl-C"};
  if (flags.output.empty()) return Trouble{"--output is empty, expected the name of the trace to write"};
  std::optional<protocol::Framing> one_per_write;
  std::shared_ptr<const protocol::Page> known;
  if (!flags.protocol.empty()) {  // a name that show and replay will understand
    auto page = protocol::Page::find(flags.protocol);
    if (!page) return Trouble{"--protocol: " + page.error().what};
    if (page->one_per_write()) one_per_write = page->framing(protocol::Side::client);
    known = std::make_shared<const protocol::Page>(std::move(*page));
  }
  auto redaction = redaction_of(flags, std::move(known));
  if (!redaction) return redaction.error();
  return RecordOptions{.listen = *listen,
                       .upstream = *upstream,
                       .output = flags.output,
                       .force = flags.force,
                       .protocol = flags.protocol,
                       .one_per_write = std::move(one_per_write),
                       .redaction = std::move(*redaction),
                       .keep_secrets = flags.keep_secrets,
                       .sessions = flags.sessions.value_or(0),
                       .duration = *duration,
                       .version = version};
}

bool stderr_is_terminal() {
#ifdef _WIN32
  return _isatty(_fileno(stderr)) != 0;
#else
  return ::isatty(STDERR_FILENO) != 0;
#endif
}

// What to type into the client: a wildcard address is none.
std::string reachable(const tcp::endpoint& address) {
  if (!address.address().is_unspecified()) return show_endpoint(address);
  const auto loopback = address.address().is_v6()
                            ? boost::asio::ip::address(boost::asio::ip::address_v6::loopback())
                            : boost::asio::ip::address(boost::asio::ip::address_v4::loopback());
  return show_endpoint({loopback, address.port()});
}

void announce(const Recorder& recorder, const RecordOptions& options, StatusLine& status) {
  const tcp::endpoint address = recorder.address();
  if (!address.address().is_loopback())
    status.say("warning: listening on " + show_endpoint(address) +
               ", which is not loopback: whoever reaches this " + "port is connected to " +
               show_address(options.upstream));
  status.say("recording " + show_endpoint(address) + " -> " + show_address(options.upstream) + "; talk to " +
             reachable(address) + ", Ctrl-C ends");
  const bool all = options.redaction.payloads == Payloads::all && !options.redaction.pattern;
  if (options.protocol.empty() && all)
    status.say("without --protocol nobody knows what a password is: whatever is typed is recorded");
}

int record(const Flags& flags, const std::string& version) {
  StatusLine status(std::cerr, stderr_is_terminal(), StatusLine::Clock::now());
  const auto trouble = [&status](const Trouble& what) {
    status.say("chorus record: " + what.what);
    return static_cast<int>(Exit::trouble);
  };
  const auto options = parse(flags, version);
  if (!options) return trouble(options.error());
#ifndef _WIN32
  // Whoever reads our status lines may go first, as `2>&1 | tee log` does at Ctrl-C; that must not cost the
  // trace.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow (ulimit -f) is a full disk, not an end
#endif
  auto recorder = Recorder::open(*options, status);
  if (!recorder) return trouble(recorder.error());
  announce(**recorder, *options, status);
  (*recorder)->run();
  const RecordSummary summary = (*recorder)->close();
  std::cout << (flags.json ? summary_json(summary, *options) : summary_sentence(summary)) << std::endl;
  if (!summary.problem.empty()) return trouble({summary.problem});
  if (!std::cout && errno != EPIPE) return trouble({"stdout could not be written; the trace is whole"});
  return static_cast<int>(Exit::ok);
}

}  // namespace

void add_record_command(CLI::App& app, int& exit_status, const std::string& version) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "record", "Stand between real clients and their server, and write down every byte with its time");
  command
      ->add_option("--listen", flags->listen, "where clients connect, as host:port; port 0 picks a free one")
      ->type_name("ADDRESS")
      ->capture_default_str();
  command->add_option("--upstream", flags->upstream, "the real server, as host:port")
      ->type_name("ADDRESS")
      ->required();
  command
      ->add_option("-o,--output", flags->output,
                   "the trace to write; it is named FILE.partial until it is whole")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--protocol", flags->protocol,
                   "the page to read this trace with; found by itself when not given")
      ->type_name("NAME|FILE");
  command
      ->add_option(
          "--redact", flags->redact,
          "blank what this regular expression matches (or its groups, if it has any) in each message, or "
          "in each read where no page says what a message is; it never reaches the disk")
      ->type_name("PATTERN");
  command->add_flag("--keep-secrets", flags->keep_secrets,
                    "record the passwords that the page of --protocol knows; they are blanked otherwise");
  command
      ->add_option("--payloads", flags->payloads,
                   "whose bytes are recorded, all, client or none; of the others only times and sizes")
      ->check(CLI::IsMember({"all", "client", "none"}))
      ->type_name("WHOSE")
      ->capture_default_str();
  command->add_option("--sessions", flags->sessions, "end when this many connections have come and gone")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{0xffffffff}))
      ->type_name("N");
  command->add_option("--duration", flags->duration, "end after this time, as 90s or 5m")
      ->type_name("DURATION");
  command->add_flag("--force", flags->force, "replace an existing file");
  command->add_flag("--json", flags->json, "one JSON document on stdout instead of the summary");
  command->callback([flags, &exit_status, version] { exit_status = record(*flags, version); });
}

}  // namespace chorus::recorder
