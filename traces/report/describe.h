// What a page says of a trace, for `chorus show` (traces/convert), which knows no protocols itself.
#pragma once

#include "traces/convert/show.h"

namespace chorus::report {

// Fails when `protocol` is no page.
Expected<convert::Seen> describe(const format::Trace& trace, const std::string& protocol);
inline convert::Describe describer() {
  return describe;
}

}  // namespace chorus::report
