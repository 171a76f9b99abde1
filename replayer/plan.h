// The plan: how many clients, which copy and cohort each belongs to, which worker plays it and when it
// starts. Everything is a function of a client's global index, so that shards of one run need no talk between
// them. Pure.
#pragma once

#include "replayer/options.h"
#include "replayer/score.h"
#include "replayer/steps.h"

#include <string>
#include <vector>

namespace chorus::replayer {

struct Block {
  std::uint32_t first = 0, last = 0;  // clients [first, last)
  std::uint32_t size() const noexcept { return last - first; }
};

struct Plan {
  std::uint32_t members = 1;  // clients in a copy
  std::uint32_t copies = 1;
  std::uint32_t cohort = 1;       // copies in a cohort
  std::uint32_t first_copy = 0;   // 0; the trial's copy stands behind the crowd's last
  std::int64_t started_ms = 0;    // since 1970, when the run was planned: {time} of a name
  bool trial = false;             // only the login, nobody waits for the recorded offsets
  bool canary = false;            // the recording as it is, of one copy; see make_canary()
  std::uint32_t named_as = 0;     // of a canary: the copy whose names it bears
  Nanos begins{};                 // the first copy starts, since the run began
  std::vector<StepWindow> steps;  // of a climb
  Block mine;                     // the clients that this process plays
  std::vector<Block> blocks;      // one for each worker, contiguous, whole cohorts where they fit

  std::uint32_t clients() const noexcept { return copies * members; }
  std::uint32_t copy_of(std::uint32_t client) const noexcept { return client / members; }
  std::uint32_t part_of(std::uint32_t client) const noexcept { return client % members; }
  protocol::CopyIndex names_of(std::uint32_t client) const noexcept {
    const std::uint32_t copy = canary ? named_as : first_copy + copy_of(client);
    return {copy, copy / cohort, members, started_ms};
  }
  // A number for the room that this name stands for where the client is, unique over all of the crowd's
  // rooms, and the clients who may be in it.
  std::uint32_t room_number(const protocol::Names& names, std::uint32_t name, std::uint32_t client) const;
  Block members_of(const protocol::Names& names, std::uint32_t name, std::uint32_t client) const;
  std::string room_name(const protocol::Names& names, std::uint32_t number) const;
  // Spread over the whole range, so that the first and the last copy are both seen.
  bool has_canary() const noexcept { return begins > Nanos{0} && !canary; }
  Nanos end_of_climb() const noexcept { return steps.empty() ? Nanos{0} : steps.back().until; }
  bool kept(std::uint32_t copy, std::uint32_t keep) const noexcept;
  // Of what one process draws for its clients. What belongs to a client or a copy depends on --seed alone.
  std::uint64_t seed_of(const Options& options) const noexcept { return options.seed + mine.first; }
  Nanos start_of(std::uint32_t client, const Score& score, const Options& options) const noexcept;
};

// Whole copies: --clients is rounded up.
Plan make_plan(const Score& score, const Options& options);
Plan make_trial(const Score& score, const Plan& crowd);

// Of a crowd with canaries: how long the first canary is there before the crowd comes.
Nanos head_start_of_canary(const Score& score) noexcept;

// The n-th session of a canary: one more copy behind the crowd's, under names of its own, each of which
// serves at most every third session.
inline constexpr std::uint32_t canary_names = 3;  // copies of names
Plan make_canary(const Score& score, const Plan& crowd, std::uint32_t session, Nanos begins);

// A share of the crowd, whole cohorts where they fit: the i-th of `processes`, on `workers` of its own.
Plan make_shard(const Plan& crowd, std::uint32_t i, std::uint32_t processes, std::uint32_t workers);

// Whether the names of all copies differ and every message can carry them: a name too long for its field must
// be said before a thousand clients connect. Tries the first copy and the last, which has the longest
// numbers.
Expected<void> check_names(const Score& score, const Plan& plan);

}  // namespace chorus::replayer
