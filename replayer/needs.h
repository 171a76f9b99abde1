// What a run needs of the machine, said before it starts, and whether the machine grants it.
#pragma once

#include "replayer/plan.h"

#include <boost/asio/ip/address.hpp>

namespace chorus::replayer {

// What the machine grants. Pure but for look().
struct Grants {
  std::uint64_t files = 0;   // open ones, each process; 0 = no limit is known
  std::uint64_t ports = 0;   // for one source address and one destination; 0 = not known
  std::uint64_t memory = 0;  // bytes that are free; 0 = not known
  bool processes = false;    // a run can be shared by several
  bool sources = false;      // every address of 127.0.0.0/8 is this machine's own
  static Grants look();
};

struct Needs {
  std::uint32_t processes = 1;
  std::uint64_t files = 0;  // of the process with the most clients
  std::uint64_t ports = 0, memory = 0;
  std::vector<std::string> sources;  // chosen here, when the ports of one address are too few
  std::string in_words;              // needed and granted, one line
};

// Fails when the machine does not grant what the run needs, and says what to do.
Expected<Needs> needs_of(const Plan& plan, const Options& options, const boost::asio::ip::address& target,
                         const Grants& grants);

// Raises this process's limit of open files, which its children inherit. False: it stays below `files`.
bool raise_file_limit(std::uint64_t files);

}  // namespace chorus::replayer
