// `chorus record`: its options, and what happens when it is called.
#pragma once

#include "traces/format/trouble.h"

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

namespace chorus::recorder {

// Says whether --protocol names something that show and replay will understand; an empty function accepts any
// name.
using ProtocolCheck = std::function<Expected<void>(const std::string& name)>;

// Adds the subcommand to `app`. When it is called, `exit_status` gets 0, or 2 for trouble, which one line on
// stderr explains. `version` is noted in the trace.
void add_record_command(CLI::App& app, int& exit_status, const std::string& version,
                        ProtocolCheck check_protocol = {});

}  // namespace chorus::recorder
