// Results on stdout. `chorus show x | head` must end quietly, and `chorus show x > /dev/full` must not look
// like success; both are failed writes, told apart by errno.
#pragma once

#include "traces/format/trouble.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <string>

namespace chorus::convert {

// Calls `write(std::ostream&)`. Fails when stdout could not take it all, unless nobody reads it any more.
template <class Write>
Expected<void> to_stdout(Write&& write) {
#ifdef SIGPIPE
  std::signal(SIGPIPE, SIG_IGN);
#endif
  errno = 0;
  write(std::cout);
  std::cout.flush();
  if (std::cout || errno == EPIPE) return {};
  return Trouble{"stdout could not be written: " +
                 std::string(errno ? std::strerror(errno) : "unknown error")};
}

}  // namespace chorus::convert
