// `chorus record`: its options, and what happens when it is called.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace chorus::recorder {

// Adds the subcommand to `app`. When it is called, `exit_status` gets 0, or 2 for trouble, which one line on
// stderr explains. `version` is noted in the trace.
void add_record_command(CLI::App& app, int& exit_status, const std::string& version);

}  // namespace chorus::recorder
