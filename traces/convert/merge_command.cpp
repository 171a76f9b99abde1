#include "traces/convert/merge_command.h"

#include "traces/convert/files.h"
#include "traces/convert/merge.h"

#include <iostream>
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

}  // namespace

void add_merge_command(CLI::App& app, int& exit_status) {
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
  command->callback([flags, &exit_status] {
    const auto report = run(*flags);
    if (report)
      say(*flags, *report);
    else
      std::cerr << "chorus merge: " << report.error().what << "\n";
    exit_status = static_cast<int>(report ? Exit::ok : Exit::trouble);
  });
}

}  // namespace chorus::convert
