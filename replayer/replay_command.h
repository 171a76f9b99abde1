#pragma once

#include <CLI/CLI.hpp>

namespace chorus::replayer {

// Declares `chorus replay`; its result goes to `exit_status`.
void add_replay_command(CLI::App& app, int& exit_status);

}  // namespace chorus::replayer
