// The command line of `chorus import`.
#pragma once

namespace CLI {
class App;
}

namespace chorus::convert {

// Adds the subcommand. When it runs it sets `exit_status`: 0, also for a capture of which only a part can be
// used (which is said on stderr); 2 when nothing was imported.
void add_import_command(CLI::App& app, int& exit_status);

}  // namespace chorus::convert
