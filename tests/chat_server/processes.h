// What the server asks of the operating system beyond sockets: more files, and several processes on one port.
#pragma once

#include "tests/chat_server/hall.h"
#include "traces/format/trouble.h"

#include <functional>
#include <vector>

namespace chorus::chat {

inline constexpr unsigned most_processes = 64;

// Raises the soft limit on open files to the hard one. Nothing to do on Windows.
void raise_file_limit();

struct Served {
  Counts counts;       // of all processes that ended as they should
  bool whole = false;  // false: a process died; which one is said on stderr
};
// One child's work. It calls the function that it is given as soon as it handles SIGINT and SIGTERM, which
// wait until then.
using Serve = std::function<Counts(unsigned index, const std::function<void()>& ready)>;
// Serves with the indices 0 .. processes - 1, each in a child of its own, until all have ended; `started` is
// called here when all run. SIGINT and SIGTERM are passed on to the children, and so is the death of this
// process; when one child dies the others are ended. Call it while there is one thread and no io_context. Not
// on Windows.
Expected<Served> serve_in_processes(unsigned processes, const Serve& serve,
                                    const std::function<void()>& started);

void add(Counts& sum, const Counts& counts);

}  // namespace chorus::chat
