// The command line of `chorus merge`.
#pragma once

#include "traces/convert/show.h"

namespace CLI {
class App;
}

namespace chorus::convert {

// Adds the subcommand. When it runs it sets `exit_status`: 0, also for inputs of which only a part can be
// read (which is said on stderr); 2 when there is no group. With `describe` it warns of a user that two
// recordings have: in a replay both would get one name.
void add_merge_command(CLI::App& app, int& exit_status, Describe describe = {});

}  // namespace chorus::convert
