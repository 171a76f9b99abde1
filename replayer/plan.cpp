#include "replayer/plan.h"

#include <algorithm>

namespace chorus::replayer {
namespace {

// Of copies [first, last), for each of `parts`; a cohort stays whole as long as it fits a part's share.
std::vector<Block> split(Block copies, std::uint32_t cohort, std::uint32_t members, std::uint32_t parts) {
  const std::uint32_t share = (copies.size() + parts - 1) / parts;
  const std::uint32_t unit = cohort <= share ? cohort : 1;
  const std::uint32_t units = (copies.size() + unit - 1) / unit;
  std::vector<Block> blocks(parts);
  for (std::uint32_t part = 0; part < parts; ++part) {
    const auto at = [&](std::uint64_t i) {
      return (copies.first +
              std::min<std::uint32_t>(copies.size(), static_cast<std::uint32_t>(i * units / parts) * unit)) *
             members;
    };
    blocks[part] = {at(part), at(part + 1)};
  }
  return blocks;
}

// A number in [0, 1) that is the same for a copy wherever it is played. Method: SplitMix64 (Steele, Lea,
// Flood 2014).
double lot_of(std::uint32_t copy, std::uint64_t seed) noexcept {
  std::uint64_t x = seed * 0x9e3779b97f4a7c15u + copy + 1;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1p-53;
}

// How long after its start the group is all in and talks, as recorded.
Nanos settles_in(const Score& score, double speed) noexcept {
  Nanos longest{};
  for (const Part& part : score.parts)
    if (part.first_chat < part.steps.size()) longest = std::max(longest, part.chat_begins);
  return Nanos(static_cast<std::int64_t>(static_cast<double>(longest.count()) / speed));
}

std::vector<StepWindow> climb(const Score& score, const Plan& plan, const Options& options) {
  constexpr Nanos to_settle = std::chrono::seconds(1);  // what the ramp itself did to the server is over then
  std::vector<StepWindow> steps;
  Nanos begins = plan.begins;
  std::uint32_t before = 0;
  for (std::uint64_t clients = options.climb->first;; clients += options.climb->by) {
    StepWindow step;
    step.copies = static_cast<std::uint32_t>(
        (std::min<std::uint64_t>(clients, options.climb->last) + plan.members - 1) / plan.members);
    step.ramp = begins;
    step.from = begins + options.ramp * (step.copies - before) + options.phase.value_or(options.ramp) +
                settles_in(score, options.speed) + to_settle;
    step.until = step.from + options.hold.value_or(default_hold);
    begins = step.until;
    before = step.copies;
    steps.push_back(step);
    if (clients >= options.climb->last) return steps;
  }
}

// The first copy of a cohort that the crowd does not use.
std::uint32_t first_behind(const Plan& crowd) noexcept {
  return (crowd.copies + crowd.cohort - 1) / crowd.cohort * crowd.cohort;
}

}  // namespace

bool Plan::kept(std::uint32_t copy, std::uint32_t keep) const noexcept {
  if (canary) return true;
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
  const auto offset = Nanos(static_cast<std::int64_t>(
      static_cast<double>(score.parts[part_of(client)].offset.count()) / options.speed));
  if (canary) return begins + offset;
  const std::uint32_t copy = copy_of(client);
  const auto phase = static_cast<double>(options.phase.value_or(options.ramp).count());
  const Nanos lot(static_cast<std::int64_t>(phase * lot_of(copy, options.seed)));
  if (steps.empty()) return begins + options.ramp * copy + lot + offset;
  const auto step =
      std::upper_bound(steps.begin(), steps.end(), copy,
                       [](std::uint32_t one, const StepWindow& window) { return one < window.copies; });
  const std::uint32_t before = step == steps.begin() ? 0 : (step - 1)->copies;
  return step->ramp + options.ramp * (copy - before) + lot + offset;
}

Plan make_plan(const Score& score, const Options& options) {
  Plan plan;
  plan.members = static_cast<std::uint32_t>(score.parts.size());
  plan.copies = options.scale > 0 ? options.scale : (options.clients + plan.members - 1) / plan.members;
  plan.cohort = options.cohort == 0 ? plan.copies : std::min(options.cohort, plan.copies);
  plan.mine = {0, plan.clients()};
  plan.blocks = split({0, plan.copies}, plan.cohort, plan.members, options.workers);
  if (options.canary) plan.begins = head_start_of_canary(score);
  if (options.climb) plan.steps = climb(score, plan, options);
  return plan;
}

Plan make_trial(const Score& score, const Plan& crowd) {
  Plan plan;
  plan.members = static_cast<std::uint32_t>(score.parts.size());
  // A cohort of its own: its names and rooms are nobody else's.
  plan.cohort = crowd.cohort;
  plan.first_copy = first_behind(crowd);
  plan.started_ms = crowd.started_ms;
  plan.trial = true;
  plan.mine = {0, plan.clients()};
  plan.blocks = {plan.mine};
  return plan;
}

Nanos head_start_of_canary(const Score& score) noexcept {
  constexpr Nanos shortest = std::chrono::milliseconds(500), longest = std::chrono::seconds(5);
  return std::clamp(settles_in(score, 1), shortest, longest);
}

Plan make_canary(const Score& score, const Plan& crowd, std::uint32_t session, Nanos begins) {
  Plan plan;
  plan.members = static_cast<std::uint32_t>(score.parts.size());
  plan.started_ms = crowd.started_ms;
  plan.canary = true;
  plan.begins = begins;
  const std::uint32_t behind = first_behind(crowd) + 1;  // the trial's names may still be known to the server
  plan.named_as = behind + session % canary_names;
  plan.copies = crowd.copies + session + 1;
  plan.mine = {(plan.copies - 1) * plan.members, plan.copies * plan.members};
  plan.blocks = {plan.mine};
  return plan;
}

Plan make_shard(const Plan& crowd, std::uint32_t i, std::uint32_t processes, std::uint32_t workers) {
  Plan plan = crowd;
  plan.mine = split({0, crowd.copies}, crowd.cohort, crowd.members, processes)[i];
  plan.blocks = split({plan.mine.first / plan.members, plan.mine.last / plan.members}, plan.cohort,
                      plan.members, workers);
  return plan;
}

Expected<void> check_names(const Score& score, const Plan& plan) {
  if (!plan.trial && !plan.canary) {
    const auto* users = score.names.users();
    const std::uint32_t canaries = plan.has_canary() ? canary_names * plan.members : 0;
    if (users != nullptr && score.names.needs_users() && users->size() < plan.clients() + canaries)
      return Trouble{"--users has " + std::to_string(users->size()) + " users and the crowd " +
                     std::to_string(plan.clients()) + " clients" +
                     (canaries > 0 ? ", the canaries " + std::to_string(canaries) : "") +
                     "; each needs a row of its own"};
    if (auto distinct = score.names.distinct(plan.copies, plan.members, plan.cohort); !distinct)
      return distinct.error();
  }
  if (plan.has_canary()) {
    if (auto fits = check_names(score, make_canary(score, plan, canary_names - 1, Nanos{0})); !fits)
      return fits;
  }
  std::string bytes, why;
  for (const std::uint32_t client : {plan.mine.first, plan.mine.last - plan.members}) {
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

}  // namespace chorus::replayer
