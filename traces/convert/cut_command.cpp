#include "traces/convert/cut_command.h"

#include "traces/convert/cut.h"
#include "traces/convert/files.h"
#include "traces/format/quantity.h"

#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

namespace chorus::convert {
namespace {

struct Flags {
  std::string input, output;
  std::optional<std::string> from, to;
  std::vector<std::uint32_t> connections;
  bool force = false;
};

Expected<CutOptions> parse(const Flags& flags) {
  CutOptions options;
  options.input = flags.input;
  options.output = flags.output;
  options.force = flags.force;
  options.connections = flags.connections;
  if (flags.from) {
    const auto from = parse_duration(*flags.from);
    if (!from) return Trouble{"--from: " + from.error().what};
    options.from = *from;
  }
  if (flags.to) {
    const auto to = parse_duration(*flags.to);
    if (!to) return Trouble{"--to: " + to.error().what};
    options.to = *to;
  }
  if (!options.from && !options.to && options.connections.empty())
    return Trouble{"nothing says what to keep; give --from, --to or --connection"};
  return options;
}

Expected<CutReport> run(const Flags& flags) {
  const auto options = parse(flags);
  if (!options) return options.error();
  return cut(*options);
}

void say(const Flags& flags, const CutReport& report) {
  if (const std::string damage = damage_words(report.damage); !damage.empty())
    std::cerr << "chorus cut: " << flags.input << ": " << damage << "\n";
  if (report.carried > 0)
    std::cerr << "chorus cut: " << counted(report.carried, "connection")
              << " had been open at --from: opened at the start of the cut, without what was said before\n";
  if (report.closed_here > 0)
    std::cerr << "chorus cut: " << counted(report.closed_here, "connection")
              << " went on at --to: closed there\n";
  std::cout << "kept " << counted(report.events, "event") << " of "
            << counted(report.connections, "connection") << ", left out " << report.left_out << " -> "
            << flags.output << "\n";
}

}  // namespace

void add_cut_command(CLI::App& app, int& exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("cut", "Keep a part of a recording, by time and connection");
  command->add_option("file", flags->input, "a recording")->required()->type_name("FILE");
  command->add_option("-o,--output", flags->output, "the recording to write")->required()->type_name("FILE");
  command->add_option("--from", flags->from, "keep what came at or after this time since the start")
      ->type_name("DURATION");
  command->add_option("--to", flags->to, "keep what came before this time since the start")
      ->type_name("DURATION");
  command->add_option("--connection", flags->connections, "keep only this connection; may be given again")
      ->type_name("N")
      ->allow_extra_args(false);
  command->add_flag("--force", flags->force, "replace an existing file");
  command->callback([flags, &exit_status] {
    exit_status = conclude("cut", run(*flags), [&](const auto& report) { say(*flags, report); });
  });
}

}  // namespace chorus::convert
