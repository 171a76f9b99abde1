// The plan: how many clients, which copy and cohort each belongs to, which worker plays it and when it
// starts. Everything is a function of a client's global index, so that shards of one run need no talk between
// them. Pure.
#pragma once

#include "replayer/options.h"
#include "replayer/score.h"

#include <string>
#include <vector>

namespace chorus::replayer {

struct Block {
  std::uint32_t first = 0, last = 0;  // clients [first, last)
};

struct Plan {
  std::uint32_t members = 1;  // clients in a copy
  std::uint32_t copies = 1;
  std::uint32_t cohort = 1;      // copies in a cohort
  std::uint32_t first_copy = 0;  // 0; the trial's copy stands behind the crowd's last
  std::int64_t started_ms = 0;   // since 1970, when the run was planned: {time} of a name
  bool trial = false;            // only the login, nobody waits for the recorded offsets
  std::vector<Block> blocks;     // one for each worker, contiguous, whole cohorts where they fit

  std::uint32_t clients() const noexcept { return copies * members; }
  std::uint32_t copy_of(std::uint32_t client) const noexcept { return client / members; }
  std::uint32_t part_of(std::uint32_t client) const noexcept { return client % members; }
  protocol::CopyIndex names_of(std::uint32_t client) const noexcept {
    const std::uint32_t copy = first_copy + copy_of(client);
    return {copy, copy / cohort, members, started_ms};
  }
  // A number for the room that this name stands for where the client is, unique over all of the crowd's
  // rooms, and the clients who may be in it.
  std::uint32_t room_number(const protocol::Names& names, std::uint32_t name, std::uint32_t client) const;
  Block members_of(const protocol::Names& names, std::uint32_t name, std::uint32_t client) const;
  std::string room_name(const protocol::Names& names, std::uint32_t number) const;
  // Spread over the whole range, so that the first and the last copy are both seen.
  bool kept(std::uint32_t copy, std::uint32_t keep) const noexcept;
  Nanos start_of(std::uint32_t client, const Score& score, const Options& options) const noexcept;
};

// Whole copies: --clients is rounded up.
Plan make_plan(const Score& score, const Options& options);
Plan make_trial(const Score& score, const Plan& crowd);

// Whether the names of all copies differ and every message can carry them: a name too long for its field must
// be said before a thousand clients connect. Tries the first copy and the last, which has the longest
// numbers.
Expected<void> check_names(const Score& score, const Plan& plan);

// What the run needs and whether the machine grants it; raises the limit of open files as far as it may.
Expected<void> check_needs(const Plan& plan, const Options& options);

}  // namespace chorus::replayer
