// One spelling of what XML may spell in several ways, so that a comparison sees what is said and not how:
// some servers write attributes in another order each time.
#pragma once

#include "traces/protocol/framing.h"

#include <string>

namespace chorus::protocol {

// Attributes sorted by name, in single quotes where they hold none; <a></a> as <a/>. What is no XML stays as
// it is from there on.
std::string canonical_xml(Bytes message);

// What the text of an element says: entities and CDATA sections resolved. What is none of them stays.
std::string xml_text(Bytes text);

}  // namespace chorus::protocol
