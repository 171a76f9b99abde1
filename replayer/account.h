// The account of a run: the document of `chorus replay --json`, which is also kept in the run's trace, and
// the same for people. Its keys are a contract: add, never rename.
#pragma once

#include "replayer/run.h"
#include "replayer/verdict.h"

#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace chorus::replayer {

struct Account {
  const Score& score;
  const Plan& plan;
  const Options& options;
  const RunResult& result;
  const Verdict& verdict;
};

boost::json::object to_json(const Account& account);
boost::json::object options_to_json(const Options& options, const Score& score);

// The summary, and in a run with failed clients where most of them stopped, recorded against received, and
// what to try next. Several lines.
std::string in_words(const Account& account);
std::string other_answer(const Account& account,
                         const OtherAnswer& other);  // "TOPIC answered 482 instead of TOPIC"
std::size_t rooms_of(const Fanout& fanout);          // without those for everybody and private messages
std::string audience_name(const Account& account,
                          std::uint32_t room);  // "#room00017", "everybody", "private"

// Only the explanation, from the most frequent trouble to the least, `most` of them.
std::string explain(const Account& account, std::size_t most);

// ClientRow::reason for the rows, and the list they index ("reasons" of the document).
std::vector<std::string> reasons_of(const Tally& tally);

struct Counts {
  std::uint64_t connected = 0, completed = 0, refused = 0, failed = 0, disconnected = 0, unjudged = 0,
                interrupted = 0;
};
Counts count(const RunResult& result);

// "completed", or what became of the first of its connections that did not.
std::string canary_outcome(const Account& account, const CanarySession& session);
std::string pace_in_words(const Pace& pace);

// A step of a climb as a line of the table.
struct StepRow {
  bool held = false;  // its window has passed; nothing else is set otherwise
  std::uint32_t clients = 0;
  std::uint64_t connected = 0, lost = 0, received = 0;
  const StepTally* tally = nullptr;
  double cpu_share = 0;                      // ours, of one processor
  std::optional<double> server_cpu_share{};  // with --watch
  std::optional<double>
      server_us_per_copy{};  // the server's processor time for each message that we received
  std::string trouble;       // "" = a good step
  bool ours = false;         // the trouble is the generator\'s
};
StepRow step_row(const Account& account, std::size_t step);
std::size_t last_good_step(const Account& account);  // so many steps, from the first on, were good
std::string steps_in_words(const Account& account);

// 0 as recorded, 1 the server diverged, 2 the run proves nothing.
Exit exit_of(const Account& account);

}  // namespace chorus::replayer
