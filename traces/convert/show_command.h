// The command line of `chorus show`.
#pragma once

#include "traces/convert/show.h"

namespace CLI {
class App;
}

namespace chorus::convert {

// Adds the subcommand. When it runs it sets `exit_status`: 0, also for a file of which only a part can be
// read (which is said on stderr); 2 when nothing can be read.
void add_show_command(CLI::App& app, int& exit_status, Describe describe);

}  // namespace chorus::convert
