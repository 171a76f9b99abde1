// What a recording was told to leave out (schema/trace.fbs: members "payloads" and "redacted" of its Info),
// and whether it can be sent all the same.
#pragma once

#include "traces/protocol/conversation.h"

namespace chorus::protocol {

struct LeftOut {
  bool client_bytes = false;  // only sizes and times of them were kept
  bool server_bytes = false;
  bool secrets = false;  // fields of that role were blanked, if there were any
  bool matches = false;  // whatever a pattern matched was blanked
};
LeftOut left_out(const format::Trace& trace);

// Whether a client sends a password in it, blank or not.
bool sends_secrets(const Page& page, const std::vector<Conversation>& conversations);

}  // namespace chorus::protocol
