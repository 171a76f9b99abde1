#include "replayer/plan.h"

#include <algorithm>

#ifndef _WIN32
#include <fstream>

#include <sys/resource.h>
#endif

namespace chorus::replayer {
namespace {

constexpr std::uint32_t files_of_our_own = 100;  // trace, event queues, timers, standard streams

std::vector<Block> split(std::uint32_t copies, std::uint32_t cohort, std::uint32_t members,
                         std::uint32_t workers) {
  // A cohort stays in one worker as long as it fits a worker's share.
  const std::uint32_t share = (copies + workers - 1) / workers;
  const std::uint32_t unit = cohort <= share ? cohort : 1;
  const std::uint32_t units = (copies + unit - 1) / unit;
  std::vector<Block> blocks(workers);
  for (std::uint32_t worker = 0; worker < workers; ++worker) {
    const auto at = [&](std::uint64_t i) {
      return std::min<std::uint32_t>(copies, static_cast<std::uint32_t>(i * units / workers) * unit) *
             members;
    };
    blocks[worker] = {at(worker), at(worker + 1)};
  }
  return blocks;
}

}  // namespace

bool Plan::kept(std::uint32_t copy, std::uint32_t keep) const noexcept {
  if (trial || keep == 0) return false;
  if (keep >= copies) return true;
  if (keep == 1) return copy == 0;
  // The i-th kept copy is floor(i * (copies - 1) / (keep - 1)).
  const std::uint64_t i = (std::uint64_t{copy} * (keep - 1) + copies - 2) / (copies - 1);
  return i * (copies - 1) / (keep - 1) == copy;
}

// A room's value depends on the client, the copy, the cohort, or on nothing: so many rooms there are of a
// name.
std::uint32_t Plan::room_number(const protocol::Names& names, std::uint32_t name,
                                std::uint32_t client) const {
  const auto& value = names[name].value;
  const std::uint32_t room = value.per_client()   ? client
                             : value.per_copy()   ? copy_of(client)
                             : value.per_cohort() ? copy_of(client) / cohort
                                                  : 0;
  return name * clients() + room;
}

Block Plan::members_of(const protocol::Names& names, std::uint32_t name, std::uint32_t client) const {
  const auto& value = names[name].value;
  if (value.per_client()) return {client, client + 1};
  const std::uint32_t copy = copy_of(client);
  if (value.per_copy()) return {copy * members, (copy + 1) * members};
  if (!value.per_cohort()) return {0, clients()};
  const std::uint32_t first = copy / cohort * cohort;
  return {first * members, std::min(copies, first + cohort) * members};
}

std::string Plan::room_name(const protocol::Names& names, std::uint32_t number) const {
  const std::uint32_t name = number / clients(), room = number % clients();
  if (name >= names.size()) return {};
  const auto& value = names[name].value;
  const std::uint32_t client = value.per_client()   ? room
                               : value.per_copy()   ? room * members
                               : value.per_cohort() ? room * cohort * members
                                                    : 0;
  return names.value(name, names_of(client));
}

Nanos Plan::start_of(std::uint32_t client, const Score& score, const Options& options) const noexcept {
  if (trial) return Nanos{0};
  // The offsets of a group's members shrink with their think times: who met in the recording still meets.
  const auto offset = static_cast<double>(score.parts[part_of(client)].offset.count()) / options.speed;
  return options.ramp * copy_of(client) + Nanos(static_cast<std::int64_t>(offset));
}

Plan make_plan(const Score& score, const Options& options) {
  Plan plan;
  plan.members = static_cast<std::uint32_t>(score.parts.size());
  plan.copies = options.scale > 0 ? options.scale : (options.clients + plan.members - 1) / plan.members;
  plan.cohort = options.cohort == 0 ? plan.copies : std::min(options.cohort, plan.copies);
  plan.blocks = split(plan.copies, plan.cohort, plan.members, options.workers);
  return plan;
}

Plan make_trial(const Score& score, const Plan& crowd) {
  Plan plan;
  plan.members = static_cast<std::uint32_t>(score.parts.size());
  // A cohort of its own: its names and rooms are nobody else's.
  plan.cohort = crowd.cohort;
  plan.first_copy = (crowd.copies + crowd.cohort - 1) / crowd.cohort * crowd.cohort;
  plan.started_ms = crowd.started_ms;
  plan.trial = true;
  plan.blocks = split(1, 1, plan.members, 1);
  return plan;
}

Expected<void> check_names(const Score& score, const Plan& plan) {
  if (!plan.trial) {
    const auto* users = score.names.users();
    if (users != nullptr && score.names.needs_users() && users->size() < plan.clients())
      return Trouble{"--users has " + std::to_string(users->size()) + " users and the crowd " +
                     std::to_string(plan.clients()) + " clients; each needs a row of its own"};
    if (auto distinct = score.names.distinct(plan.copies, plan.members, plan.cohort); !distinct)
      return distinct.error();
  }
  std::string bytes, why;
  for (const std::uint32_t client : {0u, plan.clients() - plan.members}) {
    for (std::uint32_t part = 0; part < plan.members; ++part) {
      const Part& script = score.parts[part];
      const auto count = static_cast<std::uint32_t>(script.steps.size()) + (script.keepalive ? 1 : 0);
      for (std::uint32_t i = 0; i < count; ++i) {
        const Step& step = script.step(i);
        if (step.action != Step::Do::send) continue;
        bytes.clear();
        const auto& message = score.messages[step.message];
        if (message.render(score.page, score.names, plan.names_of(client + part), part, bytes, &why))
          continue;
        return Trouble{"a " + std::string(score.page.kind_name(message.kind())) + " message of copy " +
                       std::to_string(plan.names_of(client + part).copy) + " cannot carry its names: " + why +
                       "; choose others with --rename"};
      }
    }
  }
  return {};
}

#ifdef _WIN32
Expected<void> check_needs(const Plan&, const Options&) {
  return {};
}  // sockets are no files, ports see connect()
#else
Expected<void> check_needs(const Plan& plan, const Options& options) {
  const rlim_t files = plan.clients() + files_of_our_own + 4 * options.workers;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < files) {
    const rlim_t granted = limit.rlim_max == RLIM_INFINITY ? files : std::min(files, limit.rlim_max);
    rlimit raised{granted, limit.rlim_max};
    if (granted < files || setrlimit(RLIMIT_NOFILE, &raised) != 0) {
      return Trouble{std::to_string(plan.clients()) + " clients need " + std::to_string(files) +
                     " open files and this process may have " + std::to_string(limit.rlim_max) +
                     "; ask for fewer clients or raise the limit (ulimit -Hn)"};
    }
  }
  std::uint32_t low = 32768, high = 60999;
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  range >> low >> high;
  const std::uint64_t ports =
      std::uint64_t{high - low + 1} * std::max<std::size_t>(1, options.sources.size());
  if (plan.clients() > ports) {
    return Trouble{std::to_string(plan.clients()) + " clients need as many local ports and there are " +
                   std::to_string(ports) + "; give more source addresses (--source 127.0.0.2-127.0.0.9)"};
  }
  return {};
}
#endif

}  // namespace chorus::replayer
