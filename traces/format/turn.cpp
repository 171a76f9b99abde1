#include "traces/format/turn.h"

#ifdef __linux__
#include <cstdint>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace chorus::format {

#ifdef __linux__
namespace {

// sched_setattr(2): the kernel's structure, which glibc has no name for before 2.41.
struct SchedulerAttributes {
  std::uint32_t size = sizeof(SchedulerAttributes);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0x08;  // SCHED_FLAG_KEEP_POLICY
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0, deadline = 0, period = 0;  // ns
};

void ask_for_turns_of(std::uint64_t ns) noexcept {
  SchedulerAttributes attributes;
  attributes.nice = getpriority(PRIO_PROCESS, 0);  // 0: the calling thread
  attributes.runtime = ns;
  syscall(SYS_sched_setattr, 0, &attributes, 0);  // refused where the system is older: then all stays
}

}  // namespace

// The ends of what the kernel grants.
void ask_for_short_turns() noexcept {
  ask_for_turns_of(100'000);
}
void ask_for_long_turns() noexcept {
  ask_for_turns_of(100'000'000);
}

#else

void ask_for_short_turns() noexcept {}
void ask_for_long_turns() noexcept {}

#endif

}  // namespace chorus::format
