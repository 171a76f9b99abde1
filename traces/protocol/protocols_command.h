#pragma once

#include <CLI/CLI.hpp>

namespace chorus::protocol {

// Declares `chorus protocols`; its result goes to `exit_status`.
void add_protocols_command(CLI::App& app, int& exit_status);

}  // namespace chorus::protocol
