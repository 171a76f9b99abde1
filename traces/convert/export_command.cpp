#include "traces/convert/export_command.h"

#include "traces/convert/export.h"
#include "traces/convert/files.h"

#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

namespace chorus::convert {
namespace {

struct Flags {
  std::string input, output, format;
  bool force = false;
};

Expected<ExportReport> run(const Flags& flags) {
  ExportOptions options{flags.input, flags.output, flags.force, ExportFormat::pcapng};
  const std::string ending = options.output.extension().string();
  const std::string format = !flags.format.empty() ? flags.format : ending.empty() ? "" : ending.substr(1);
  if (format == "jsonl")
    options.format = ExportFormat::jsonl;
  else if (format != "pcapng" && !flags.format.empty())
    return Trouble{"--format is \"" + format + "\", expected pcapng or jsonl"};
  else if (format != "pcapng")
    return Trouble{"the name " + flags.output +
                   " says no format; end it in .pcapng or .jsonl, or give --format"};
  return export_trace(options);
}

void say(const Flags& flags, const ExportReport& report) {
  const auto note = [](const std::string& text) { std::cerr << "chorus export: " << text << "\n"; };
  if (const std::string damage = damage_words(report.damage); !damage.empty())
    note(flags.input + ": " + damage);
  if (!report.left_out_words.empty()) note(flags.input + " was recorded without " + report.left_out_words);
  if (report.run)
    note(flags.input + " is the trace of a run: only the clients that it kept have bytes to export");
  if (report.invented > 0)
    note("the trace does not say the addresses of " + counted(report.invented, "connection") +
         ", or they were in use by another one: they are invented (10.0.0.0/8)");
  if (report.left_out > 0)
    note(counted(report.left_out, "event") + " came after the end of their connection and became no packets");
  std::cout << "exported " << counted(report.events, "event");
  if (report.packets > 0) std::cout << " as " << counted(report.packets, "packet");
  std::cout << " -> " << flags.output << "\n";
}

}  // namespace

void add_export_command(CLI::App& app, int& exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command =
      app.add_subcommand("export", "Write a trace as packets for Wireshark, or as lines of JSON");
  command->add_option("file", flags->input, "a trace; a .partial one too")->required()->type_name("FILE");
  command->add_option("-o,--output", flags->output, "the file to write")
      ->required()
      ->type_name("FILE.pcapng|FILE.jsonl");
  command->add_option("--format", flags->format, "whatever the file's name is [by its ending]")
      ->type_name("pcapng|jsonl");
  command->add_flag("--force", flags->force, "replace an existing file");
  command->callback([flags, &exit_status] {
    exit_status = conclude("export", run(*flags), [&](const auto& report) { say(*flags, report); });
  });
}

}  // namespace chorus::convert
