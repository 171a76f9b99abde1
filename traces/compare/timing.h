// How long things took, side by side. Nothing here is judged: one number of one run is noise until the
// statistics of repeated runs or long ones say otherwise, so the rows are shown and listed as not judged.
#pragma once

#include "traces/compare/diff.h"
#include "traces/compare/messages.h"

#include <span>

namespace chorus::compare {

// Rows: latency per kind of the client's messages that the page has answers for (of a run: of all its
// clients, from its sketches), login, the run's own measures, and for each pair how much later its messages
// were sent.
void measure(const Page& page, const Subject& a, const Subject& b, std::span<const Pair> pairs, Diff& diff);

}  // namespace chorus::compare
