#include "traces/convert/show_command.h"

#include "traces/convert/files.h"
#include "traces/convert/info.h"
#include "traces/convert/standard_output.h"
#include "traces/convert/summary.h"
#include "traces/format/quantity.h"

#include <algorithm>
#include <deque>
#include <iostream>
#include <memory>
#include <tuple>

#include <CLI/CLI.hpp>

namespace chorus::convert {
namespace {

namespace json = boost::json;

struct Arguments {
  std::string file, protocol;
  std::optional<std::string> from, to;
  std::vector<std::uint32_t> connections;
  bool events = false, full = false, json = false;
};

int trouble(const std::string& what) {
  std::cerr << "chorus show: " << what << "\n";
  return static_cast<int>(Exit::trouble);
}

// The chunks that no page has made messages of: all of them where none fits, and those whose bytes were not
// kept. `texts` owns what stands for the latter.
void add_chunks(const format::Trace& trace, const KeptBytes& kept, Seen& seen,
                std::deque<std::string>& texts) {
  for (const format::Event& event : trace.events) {
    const bool to_server = event.kind == format::EventKind::ToServer;
    if (!to_server && event.kind != format::EventKind::ToClient) continue;
    if (kept.of(event) && !seen.raw) continue;
    format::Bytes text = event.payload;
    if (!kept.of(event))
      text = texts.emplace_back('(' + counted(event.payload.size(), "byte") + ", not kept)");
    seen.messages.push_back({event.time, event.connection, to_server, "", text});
  }
  std::stable_sort(seen.messages.begin(), seen.messages.end(),
                   [](const MessageLine& a, const MessageLine& b) { return a.time < b.time; });
}

Expected<ShowOptions> options_of(const Arguments& arguments) {
  ShowOptions options;
  options.events = arguments.events;
  options.full = arguments.full;
  if (arguments.full) options.rows = 0;
  for (const auto& [name, text, time] : {std::tuple{"--from", &arguments.from, &options.from},
                                         std::tuple{"--to", &arguments.to, &options.to}}) {
    if (!*text) continue;
    const auto parsed = parse_duration(**text);
    if (!parsed) return Trouble{std::string(name) + ": " + parsed.error().what};
    *time = *parsed;
  }
  if ((arguments.from || arguments.to) && !arguments.events)
    return Trouble{
        "--from and --to choose among the lines of --events; chorus cut makes a shorter recording"};
  if (options.from >= options.to) return Trouble{"--from is not before --to: nothing would be shown"};
  return options;
}

struct Look {
  format::Trace trace;
  Summary summary;
  bool beginning = false;
};

// A trace that is not small is summarised block by block, whatever its size; in memory is only so much of it
// as shows what it is. Lines of events need all that is asked for.
constexpr std::uintmax_t small_file = 8u << 20;
constexpr std::uint64_t most_described = 500'000;  // events
constexpr std::uint64_t most_described_bytes = 64u << 20;

Expected<Look> look_at(const Arguments& arguments, const ShowOptions& options) {
  // All of a connection is read, whatever lines are wanted: messages may begin before them. Later than those,
  // nothing is.
  format::Selection wanted;
  wanted.connections = arguments.connections;
  if (arguments.to) wanted.until = options.to - format::Nanos(1);
  std::error_code unknown;
  if (options.events || std::filesystem::file_size(arguments.file, unknown) <= small_file || unknown) {
    auto trace = format::load(arguments.file, wanted);
    if (!trace) return trace.error();
    Summary summary = summarise(*trace);
    return Look{std::move(*trace), std::move(summary), false};
  }

  auto reader = format::Reader::open(arguments.file);
  if (!reader) return reader.error();
  if (!wanted.all()) (*reader)->seek(wanted);
  Summariser summariser;
  json::object info;
  std::uint64_t events = 0, bytes = 0;
  std::optional<format::Nanos> described_until;
  while ((*reader)->next()) {
    add_info(info, (*reader)->info());
    for (const format::Event& event : (*reader)->events()) {
      summariser.add(event);
      bytes += event.payload.size();
      if (++events >= most_described || bytes >= most_described_bytes)
        if (!described_until) described_until = event.time;
    }
  }
  if (described_until) wanted.until = *described_until;
  auto trace = format::load(arguments.file, wanted);
  if (!trace) return trace.error();
  trace->damage = (*reader)->damage();
  Summary summary = summariser.finish(trace->start, std::move(info));
  return Look{std::move(*trace), std::move(summary), described_until.has_value()};
}

int show(const Arguments& arguments, const Describe& describe) {
  const auto options = options_of(arguments);
  if (!options) return trouble(options.error().what);
  auto look = look_at(arguments, *options);
  if (!look) return trouble(look.error().what);
  const auto& [trace, summary, beginning] = *look;
  for (const std::uint32_t connection : arguments.connections)
    if (std::none_of(summary.connections.begin(), summary.connections.end(),
                     [&](const ConnectionSummary& row) { return row.connection == connection; }))
      return trouble(arguments.file + " has nothing of connection " + std::to_string(connection) +
                     (arguments.to ? " before --to" : "") + "; chorus show without --connection lists all");
  auto seen = describe(trace, arguments.protocol);
  if (!seen) return trouble(seen.error().what);
  const KeptBytes kept = kept_bytes(summary.info);
  std::deque<std::string> texts;
  if (seen->raw || !kept.client || !kept.server) add_chunks(trace, kept, *seen, texts);

  if (const std::string damage = damage_text(trace.damage, summary); !damage.empty())
    std::cerr << "chorus show: " << arguments.file << ": " << damage << "\n";
  const Shown shown{trace, summary, *seen, beginning};
  const auto written = to_stdout([&](std::ostream& out) {
    arguments.json ? show_json(out, shown, *options) : show_text(out, shown, *options);
  });
  return written ? static_cast<int>(Exit::ok) : trouble(written.error().what);
}

}  // namespace

void add_show_command(CLI::App& app, int& exit_status, Describe describe) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("show", "Say what a trace holds");
  command->add_option("file", arguments->file, "a trace; a .partial one too")->required()->type_name("FILE");
  command->add_option("--protocol", arguments->protocol, "a built-in protocol or a page's file [recognised]")
      ->type_name("NAME");
  command->add_flag("--events", arguments->events,
                    "one line for each message, or for each chunk without a page");
  command
      ->add_option("--from", arguments->from, "of --events: what came at or after this time since the start")
      ->type_name("DURATION");
  command->add_option("--to", arguments->to, "of --events: what came before this time since the start")
      ->type_name("DURATION");
  command->add_option("--connection", arguments->connections, "only this connection; may be given again")
      ->type_name("N")
      ->allow_extra_args(false);
  command->add_flag("--full", arguments->full, "do not cut texts and tables");
  command->add_flag("--json", arguments->json, "one JSON document on stdout");
  command->callback([arguments, &exit_status, describe = std::move(describe)] {
    exit_status = show(*arguments, describe);
  });
}

}  // namespace chorus::convert
