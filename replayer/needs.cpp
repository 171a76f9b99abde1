#include "replayer/needs.h"

#include <algorithm>

#ifndef _WIN32
#include <fstream>
#include <limits>

#include <sys/resource.h>
#endif

namespace chorus::replayer {
namespace {

constexpr std::uint64_t files_of_our_own = 100;  // trace, event queues, timers, standard streams
constexpr std::uint64_t files_of_a_worker = 6;
constexpr std::uint32_t most_processes = 64;

// Measured: tests/bench/memory_per_client.cpp, and 3.1 to 3.7 KB of kernel memory for a socket without
// traffic.
constexpr std::uint64_t bytes_of_a_client = 1024, kernel_bytes_of_a_client = 3700;
constexpr std::uint64_t bytes_of_a_process = 10u << 20;

std::uint32_t largest_shard(const Plan& plan, std::uint32_t processes) {
  if (processes == 1) return plan.clients();
  std::uint32_t largest = 0;
  for (std::uint32_t i = 0; i < processes; ++i)
    largest = std::max(largest, make_shard(plan, i, processes, 1).mine.size());
  return largest;
}

std::uint64_t files_of(const Plan& plan, const Options& options, std::uint32_t processes) {
  const std::uint64_t canaries = plan.has_canary() ? 3 * plan.members : 0;
  return largest_shard(plan, processes) + files_of_our_own + files_of_a_worker * options.workers + canaries;
}

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string granted(std::uint64_t value) {
  return value == 0 ? "" : " (of " + number(value) + ")";
}

}  // namespace

Expected<Needs> needs_of(const Plan& plan, const Options& options, const boost::asio::ip::address& target,
                         const Grants& grants) {
  Needs needs;
  needs.processes = std::max(1u, options.processes);
  if (needs.processes > 1 && !grants.processes) {
    return Trouble{"--processes cannot be had on this system; leave it out"};
  }
  if (needs.processes > plan.copies) {
    return Trouble{number(plan.copies) + " copies cannot be shared by " + number(needs.processes) +
                   " processes; give fewer --processes"};
  }
  const auto fits = [&] {
    return grants.files == 0 || files_of(plan, options, needs.processes) <= grants.files;
  };
  if (options.processes == 0 && grants.processes) {
    while (!fits() && needs.processes < std::min(most_processes, plan.copies)) ++needs.processes;
  }
  needs.files = files_of(plan, options, needs.processes);
  if (!fits()) {
    return Trouble{number(plan.clients()) + " clients need " + number(needs.files) +
                   (needs.processes > 1 ? " open files in each of " + number(needs.processes) + " processes"
                                        : " open files") +
                   " and a process may have " + number(grants.files) +
                   "; ask for fewer clients, raise the limit (ulimit -Hn)" +
                   (options.processes == 0 ? "" : ", or leave --processes out")};
  }

  needs.ports = plan.clients();
  std::uint64_t sources = std::max<std::size_t>(1, options.sources.size());
  if (grants.ports > 0 && needs.ports > grants.ports * sources) {
    const bool local = target.is_v4() && target.is_loopback() && grants.sources && options.sources.empty();
    if (!local) {
      return Trouble{number(plan.clients()) + " clients need as many local ports and there are " +
                     number(grants.ports * sources) +
                     "; give more source addresses (--source 127.0.0.2-127.0.0.9)"};
    }
    // The kernel looks for a free port by trying: where nine tenths are taken, 10,000 connects a second
    // become 500.
    sources = (needs.ports * 2 + grants.ports - 1) / grants.ports;
    for (std::uint64_t i = 1; i <= sources; ++i)
      needs.sources.push_back("127.0." + number(i / 250) + "." + number(i % 250 + 1));
  }

  needs.memory =
      plan.clients() * (bytes_of_a_client + kernel_bytes_of_a_client) + needs.processes * bytes_of_a_process;
  if (grants.memory > 0 && needs.memory > grants.memory) {
    return Trouble{number(plan.clients()) + " clients need about " + show_size(needs.memory) +
                   " of memory and " + show_size(grants.memory) + " are free; ask for fewer clients"};
  }
  needs.in_words =
      "needs " + number(needs.files) + " open files" +
      (needs.processes > 1 ? " in each of " + number(needs.processes) + " processes" : "") +
      granted(grants.files) + ", " + number(needs.ports) + " ports" + granted(grants.ports * sources) +
      (needs.sources.empty() ? "" : " from " + needs.sources.front() + " .. " + needs.sources.back()) +
      ", about " + show_size(needs.memory) + " of memory" +
      (grants.memory > 0 ? " (" + show_size(grants.memory) + " free)" : "");
  return needs;
}

#ifdef _WIN32

Grants Grants::look() {
  return {};  // sockets are no files there; ports see connect()
}

bool raise_file_limit(std::uint64_t) {
  return true;
}

#else

Grants Grants::look() {
  Grants grants;
  grants.processes = true;
#ifdef __linux__
  grants.sources = true;
#endif
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY) grants.files = limit.rlim_max;
  std::uint64_t low = 0, high = 0;
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  if (range >> low >> high && high > low) grants.ports = high - low + 1;
  std::ifstream memory("/proc/meminfo");
  for (std::string word; memory >> word;) {
    std::uint64_t kilobytes = 0;
    if (word == "MemAvailable:" && memory >> kilobytes) grants.memory = kilobytes * 1024;
  }
  return grants;
}

bool raise_file_limit(std::uint64_t files) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= files) return true;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? files : std::min<rlim_t>(files, limit.rlim_max);
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= files;
}

#endif

}  // namespace chorus::replayer
