// How soon a thread that wakes gets its turn on a busy processor, for threads that share one: those that
// forward or send what is due now, and the one that compresses what was recorded. Shares of the processor
// stay as they are.
//
// Linux gives fair threads turns of some milliseconds and lets each finish its own. Since 6.12 a thread may
// ask for another length (sched_setattr(2)), and one that wakes goes before a thread with longer turns. It
// needs no privilege. Elsewhere nothing happens, and nothing depends on it.
#pragma once

namespace chorus::format {

// Of the calling thread; its policy and priority stay.
void ask_for_short_turns() noexcept;  // the shortest: little to do, but soon
void ask_for_long_turns() noexcept;   // the longest: much to do, at any time

}  // namespace chorus::format
