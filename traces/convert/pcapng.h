// The parts of a pcapng file that an export needs (draft-ietf-opsawg-pcapng): one section, one interface of
// raw IP packets (LINKTYPE_RAW) with nanosecond times, and its packets. Written in this machine's byte order,
// as the format has it.
#pragma once

#include "traces/format/event.h"

#include <string>

namespace chorus::convert::pcapng {

// Section header and interface description.
std::string beginning(const std::string& application, const std::string& comment);

// Appends an Enhanced Packet Block. `time_ns`: since 1970. `kept`: how many of the packet's bytes are
// captured. `comment`: UTF-8, "" = none, at most 65,535 bytes.
void append_packet(std::string& to, std::uint64_t time_ns, format::Bytes packet,
                   const std::string& comment = {}, std::size_t kept = format::Bytes::npos);

}  // namespace chorus::convert::pcapng
