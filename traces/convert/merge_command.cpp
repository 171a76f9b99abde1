#include "traces/convert/merge_command.h"

#include "traces/convert/files.h"
#include "traces/convert/merge.h"
#include "traces/convert/printable.h"

#include <filesystem>
#include <iostream>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>

namespace chorus::convert {
namespace {

struct Flags {
  std::vector<std::string> inputs;
  std::string output, align = "start";
  bool force = false;
};

Expected<MergeReport> run(const Flags& flags) {
  if (flags.align != "start" && flags.align != "wall")
    return Trouble{"--align is \"" + flags.align + "\", expected start or wall"};
  MergeOptions options;
  options.inputs.assign(flags.inputs.begin(), flags.inputs.end());
  options.output = flags.output;
  options.force = flags.force;
  options.align = flags.align == "wall" ? Align::wall : Align::start;
  return merge(options);
}

void say(const Flags& flags, const MergeReport& report) {
  for (std::size_t i = 0; i < report.damage.size(); ++i)
    if (const std::string damage = damage_words(report.damage[i]); !damage.empty())
      std::cerr << "chorus merge: " << flags.inputs[i] << ": " << damage << "\n";
  std::cout << "merged " << counted(flags.inputs.size(), "recording") << ": "
            << counted(report.connections, "connection") << ", " << counted(report.events, "event") << " -> "
            << flags.output << "\n";
}

// Large ones are not looked at: that would take them into memory.
constexpr std::uintmax_t most_looked_at = 64u << 20;

void warn_of_shared_users(const Flags& flags, const Describe& describe) {
  std::map<std::string, std::string> of;  // file, by user
  for (const std::string& input : flags.inputs) {
    std::error_code unknown;
    if (std::filesystem::file_size(input, unknown) > most_looked_at || unknown) continue;
    const auto trace = format::load(input);
    const auto seen = trace ? describe(*trace, {}) : Expected<Seen>(trace.error());
    if (!seen) continue;
    for (const NameSeen& name : seen->names) {
      if (name.role != "user") continue;
      const auto [first, is_new] = of.try_emplace(name.recorded, input);
      if (!is_new)
        std::cerr << "chorus merge: " << first->second << " and " << input << " both have the user "
                  << printable(name.recorded) << ": a replay gives both one name, which most servers refuse; "
                  << "record one of them under another nickname\n";
    }
  }
}

}  // namespace

void add_merge_command(CLI::App& app, int& exit_status, Describe describe) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("merge", "Make one group of several recordings");
  command->add_option("files", flags->inputs, "two recordings or more")->required()->type_name("FILE");
  command->add_option("-o,--output", flags->output, "the recording to write")->required()->type_name("FILE");
  command
      ->add_option("--align", flags->align,
                   "start: all start together; wall: as the wall clocks of their machines had it")
      ->type_name("start|wall")
      ->capture_default_str();
  command->add_flag("--force", flags->force, "replace an existing file");
  command->callback([flags, &exit_status, describe = std::move(describe)] {
    exit_status = conclude("merge", run(*flags), [&](const MergeReport& report) {
      if (describe) warn_of_shared_users(*flags, describe);
      say(*flags, report);
    });
  });
}

}  // namespace chorus::convert
