// The Info block as the tools that rewrite recordings need it.
#pragma once

#include "traces/format/reader.h"

#include <string>

#include <boost/json/object.hpp>

namespace chorus::convert {

// Adds the members of one Info block; a text that is no JSON object adds nothing.
void add_info(boost::json::object& info, const std::string& text);

// Whose bytes a recording has; of the others there are zeros in their place (schema/trace.fbs, "payloads").
struct KeptBytes {
  bool client = true, server = true;
  bool of(const format::Event& event) const {
    return event.kind == format::EventKind::ToServer   ? client
           : event.kind == format::EventKind::ToClient ? server
                                                       : true;
  }
};
KeptBytes kept_bytes(const boost::json::object& info);

// Why a tool for recordings cannot take the block that `reader` stands on: it is a run's. "" = it can.
std::string run_refusal(const format::Reader& reader, const boost::json::object& info);

}  // namespace chorus::convert
