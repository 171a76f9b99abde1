// chorus: record one real chat client, replay it as a crowd, see what changed.
// This file is the table of subcommands; each one's options stand in its own room.
#include "recorder/record_command.h"
#include "replayer/replay_command.h"
#include "traces/convert/cut_command.h"
#include "traces/convert/export_command.h"
#include "traces/convert/import_command.h"
#include "traces/convert/merge_command.h"
#include "traces/convert/show_command.h"
#include "traces/convert/standard_output.h"
#include "traces/protocol/protocols_command.h"
#include "traces/report/describe.h"
#include "traces/report/diff_command.h"

#include <csignal>
#include <iostream>

#include <CLI/CLI.hpp>

namespace {

// Every option on one pattern: what it takes, and its default in brackets.
class Help : public CLI::Formatter {
 public:
  Help() { column_width(32); }
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return {};  // a flag
    const std::string type = option->get_type_name();
    std::string text = " " + type.substr(0, type.find(':'));  // behind the colon: validators
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    if (option->get_required()) text += " (required)";
    return text;
  }
};

}  // namespace

int main(int argc, char** argv) {
#ifdef SIGPIPE
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of write(), not the end
#endif
  CLI::App app("Record one real chat client, replay it as a crowd, see what changed", "chorus");
  app.set_version_flag("--version", CHORUS_VERSION);
  app.require_subcommand(1);
  app.formatter(std::make_shared<Help>());
  int exit_status = 0;

  chorus::recorder::add_record_command(app, exit_status, CHORUS_VERSION);
  chorus::convert::add_show_command(app, exit_status, chorus::report::describer());
  chorus::convert::add_cut_command(app, exit_status);
  chorus::convert::add_merge_command(app, exit_status, chorus::report::describer());
  chorus::convert::add_import_command(app, exit_status);
  chorus::convert::add_export_command(app, exit_status);
  chorus::replayer::add_replay_command(app, exit_status);
  chorus::report::add_diff_command(app, exit_status);
  chorus::protocol::add_protocols_command(app, exit_status);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const auto chosen = app.get_subcommands();
    const std::string command = chosen.empty() ? "chorus" : "chorus " + chosen.front()->get_name();
    std::cerr << command << ": " << error.what() << " (see " << command << " --help)\n";
    return static_cast<int>(chorus::Exit::trouble);
  } catch (const std::exception& error) {  // what a system refuses that nobody counted on: a thread, memory
    std::cerr << "chorus: this machine does not grant what is needed: " << error.what()
              << "; ask for less (fewer --clients, --workers), or raise its limits (ulimit -a)\n";
    return static_cast<int>(chorus::Exit::trouble);
  }
  if (!std::cout) return exit_status;  // whoever met that has said it
  const auto written = chorus::convert::to_stdout([](std::ostream&) {});
  if (!written) {
    std::cerr << "chorus: " << written.error().what << "\n";
    return static_cast<int>(chorus::Exit::trouble);
  }
  return exit_status;
}
