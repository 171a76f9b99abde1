#include "replayer/resources.h"

#ifdef _WIN32
#include <windows.h>
// windows.h comes first
#include <psapi.h>
#else
#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>
#endif

namespace chorus::replayer {

#ifdef _WIN32

namespace {

std::uint64_t value(const FILETIME& time) {
  return (std::uint64_t{time.dwHighDateTime} << 32) | time.dwLowDateTime;
}

std::optional<Usage> usage(HANDLE process) {
  FILETIME created, ended, kernel, user;
  if (GetProcessTimes(process, &created, &ended, &kernel, &user) == 0) return std::nullopt;
  PROCESS_MEMORY_COUNTERS memory{};
  if (GetProcessMemoryInfo(process, &memory, sizeof memory) == 0) return std::nullopt;
  return Usage{static_cast<double>(value(kernel) + value(user)) / 1e7, memory.WorkingSetSize,
               memory.PeakWorkingSetSize};
}

}  // namespace

Usage own_usage() {
  return usage(GetCurrentProcess()).value_or(Usage{});
}

std::optional<Usage> usage_of(int process) {
  const HANDLE handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(process));
  if (handle == nullptr) return std::nullopt;
  const auto found = usage(handle);
  CloseHandle(handle);
  return found;
}

Processors Processors::look() {
  FILETIME idle, kernel, user;
  if (GetSystemTimes(&idle, &kernel, &user) == 0) return {};
  const std::uint64_t total = value(kernel) + value(user);  // the kernel's time includes the idle time
  return {total - value(idle), total};
}

#else

namespace {

std::optional<Usage> usage(const std::string& process) {
  std::ifstream stat("/proc/" + process + "/stat");
  std::string line;
  if (!std::getline(stat, line)) return std::nullopt;
  // The second field is the name in brackets and may hold anything; utime and stime are the 14th and 15th
  // (proc(5)).
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::uint64_t user = 0, system = 0;
  fields >> user >> system;
  Usage found;
  found.cpu_s = static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status("/proc/" + process + "/status");
  while (std::getline(status, line)) {
    if (line.rfind("VmHWM:", 0) == 0) found.rss_peak_bytes = std::stoull(line.substr(6)) * 1024;
    if (line.rfind("VmRSS:", 0) == 0) found.rss_bytes = std::stoull(line.substr(6)) * 1024;
  }
  return found;
}

}  // namespace

Usage own_usage() {
  return usage("self").value_or(Usage{});
}

std::optional<Usage> usage_of(int process) {
  return usage(std::to_string(process));
}

Processors Processors::look() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  std::uint64_t user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, soft = 0, stolen = 0;
  stat >> cpu >> user >> nice >> system >> idle >> waiting >> irq >> soft >> stolen;
  const std::uint64_t busy = user + nice + system + irq + soft + stolen;
  return {busy, busy + idle + waiting};
}

#endif

double Processors::share(const Processors& from, const Processors& to) noexcept {
  if (to.total <= from.total) return 0;
  return static_cast<double>(to.busy - from.busy) / static_cast<double>(to.total - from.total);
}

}  // namespace chorus::replayer
