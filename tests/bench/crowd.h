// Ours, as a user runs it: a recording and a page made for the benchmark, and `chorus replay --json` on them.
#pragma once

#include "tests/bench/bare.h"
#include "tests/loop/process.h"

#include <string>

#include <boost/json/value.hpp>

namespace chorus::bench {

// What everybody says: a line of message_size bytes with its sender's name in it, which every copy replaces.
std::string crowd_line(const std::string& name);

// One client that speaks as the plan says and leaves; and one that only listens.
void record_speaker(const std::filesystem::path& trace, const SendPlan& plan);
void record_listener(const std::filesystem::path& trace, std::chrono::nanoseconds stays);

// A page that knows these lines, and asks for no login and no answers.
void write_page(const std::filesystem::path& page);

// The replay of either, in one process; --ramp keeps the clients `apart`, and nothing random comes between.
std::vector<std::string> replay_command(const test::ScratchFolder& folder, const sockaddr_in& server,
                                        unsigned clients, std::chrono::nanoseconds apart,
                                        const std::vector<std::string>& more = {});

// Ends it and throws what it said, behind what went wrong.
[[noreturn]] void explain(test::Process& replay, const std::exception& error);

// cpu_per_message_us() of it; a replay that ends too soon is quoted.
double cpu_of(test::Process& replay, const Board& board, std::uint64_t first, double seconds,
              std::chrono::nanoseconds settled_after = usual_settling);

// The document that it leaves on its stdout; throws when it did not connect all clients or lost something.
boost::json::value finish(test::Process& replay, unsigned clients);

}  // namespace chorus::bench
