// The command line of `chorus export`.
#pragma once

namespace CLI {
class App;
}

namespace chorus::convert {

// Adds the subcommand. When it runs it sets `exit_status`: 0, also for an input of which only a part can be
// read (which is said on stderr); 2 when nothing was exported.
void add_export_command(CLI::App& app, int& exit_status);

}  // namespace chorus::convert
