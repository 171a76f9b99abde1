// The command line of `chorus diff`.
#pragma once

namespace CLI {
class App;
}

namespace chorus::report {

// Adds the subcommand. When it runs it sets `exit_status`: 0 same, 1 differs, 2 trouble, inconclusive 0 (3
// with --strict).
void add_diff_command(CLI::App& app, int& exit_status);

}  // namespace chorus::report
