// One side of a diff: a trace seen as clients, every message in the recorded group's own words.
//
// Of a recording each connection is a client and its bytes stand as they are. Of a run the kept clients are
// seen, and their copy's names are put back to the recorded ones (protocol::Normaliser), so that both sides
// read alike. Here is also decided what of a run belongs to the copy at all: in a shared server others are
// heard as well.
#pragma once

#include "traces/format/reader.h"
#include "traces/protocol/conversation.h"
#include "traces/protocol/page.h"

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace chorus::compare {

using format::Bytes;
using format::Nanos;
using protocol::KindId;
using protocol::Page;
using protocol::Side;

// What of a message is not compared, and why.
enum class Mask : std::uint8_t {
  none,
  masked,     // the page: a part of its content changes from run to run, the rest is compared
  kind_only,  // the page: all of its content does; that it came, and where, is compared
  ignored,    // the page: nothing of it is compared
  reply       // one of a page's reply rules: sent as often as the server asks, which depends on the duration
};

struct Line {
  Nanos time{};  // of arrival, since the start of the trace
  Side from = Side::client;
  KindId kind = protocol::unknown_kind;
  Bytes text;             // delimiter included; after inverse substitution
  std::uint64_t key = 0;  // equal for what counts as equal: hash of the text, or nothing under a mask
  std::string sender;     // recorded name of the user it comes from; "" = the server, or the receiver itself
  Mask mask = Mask::none;
  bool foreign = false;  // of a run: from a user of another copy
};

struct Client {
  std::uint32_t number = 0;       // connection in a recording, global index in a run
  std::uint32_t origin = 0;       // connection in the recording
  std::vector<std::string> self;  // its own names as its own bytes have them
  const protocol::Conversation* talk = nullptr;
  std::vector<Line> lines;  // empty without a page
  std::string stream[2];    // without a page: all bytes of a side, by Side
};

struct Subject {
  const format::Trace* trace = nullptr;
  bool run = false;
  boost::json::object info;
  std::vector<protocol::Conversation> talks;
  std::vector<Client> clients;  // in order of opening; of a run by index
  std::set<std::string, std::less<>>
      senders;  // every user the server named in its messages, as the bytes have it
  std::set<std::string, std::less<>> group;  // of a run: recorded names that were replaced
  Nanos length{};                            // time of the last event
  std::deque<std::string> texts;             // what lines of a run borrow from

  bool cut() const noexcept { return trace->damage.cut; }  // what came behind its end is lost
  std::string setting(std::string_view option) const;      // Info "options", as text; "" = not there
};

// `recorded`: what a run was made from, nullptr = not at hand. Trace and result must outlive the lines.
Subject see(const format::Trace& trace, Page& page, const Subject* recorded);

}  // namespace chorus::compare
