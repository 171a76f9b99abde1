// `chorus record` in front of a server that the test plays itself, and what it wrote.
#pragma once

#include "tests/loop/process.h"
#include "tests/loop/socket.h"
#include "traces/format/reader.h"

#include <map>
#include <memory>

namespace chorus::test {

// One recorder in a folder of its own. `prefix` is a shell command that runs before it, as "ulimit -n 20".
class RecorderUnderTest {
 public:
  explicit RecorderUnderTest(const std::vector<std::string>& options = {}, const std::string& prefix = {})
      : RecorderUnderTest(0, options, prefix) {}
  // With an upstream that is somebody else's: `listener` is closed.
  RecorderUnderTest(std::uint16_t upstream_port, const std::vector<std::string>& options,
                    const std::string& prefix = {});

  struct Pair {
    Socket client, server;
  };
  Pair connect();  // a client, and the server's end of the leg that was made for it

  std::filesystem::path trace_file() const { return folder / "one.trace"; }
  std::filesystem::path partial_file() const { return folder / "one.trace.partial"; }
  // Ends it by SIGTERM, expects exit status 0 and a whole trace, and loads that.
  format::Trace finish();
  format::Trace load() const;

  ScratchFolder folder;
  Listener listener;
  std::unique_ptr<Process> process;
  std::uint16_t port = 0;
};

// What the trace holds of one connection: kinds in order ("Opened ToServer Closed", chunks of one direction
// in a row count as one), the bytes of both directions, and the last event's payload. Throws when its times
// run backwards.
struct Told {
  std::string kinds, to_server, to_client, last;
};
std::map<std::uint32_t, Told> told(const format::Trace& trace);

}  // namespace chorus::test
