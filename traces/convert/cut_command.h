// The command line of `chorus cut`.
#pragma once

namespace CLI {
class App;
}

namespace chorus::convert {

// Adds the subcommand. When it runs it sets `exit_status`: 0, also for an input of which only a part can be
// read (which is said on stderr and in the part); 2 when there is no part.
void add_cut_command(CLI::App& app, int& exit_status);

}  // namespace chorus::convert
