// From the raw bytes of a block to its table: verified as a FlatBuffer here, checked as columns by each
// table's file.
#include "traces/format/columns.h"

#include "traces/format/column.h"

namespace chorus::format {
namespace {

template <class Table>
Expected<void> unpack_as(const BlockHeader& header, Bytes raw, Content& content) {
  // Root tables hold scalar vectors only: one table, nothing nested.
  flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(raw.data()), raw.size(), 2, 2);
  if (!verifier.VerifySizePrefixedBuffer<Table>(nullptr)) return Trouble{"a block's FlatBuffer is malformed"};
  return unpack(*flatbuffers::GetSizePrefixedRoot<Table>(raw.data()), header, content);
}

}  // namespace

void Content::clear() {
  kind = BlockKind::None;
  std::vector<Event> kept = std::move(events);
  *this = Content{};
  events = std::move(kept);
  events.clear();
}

Expected<void> unpack(const BlockHeader& header, Bytes raw, Content& content) {
  content.clear();
  content.kind = header.kind;
  if (header.count > max_rows && header.kind != BlockKind::Index) {
    return Trouble{"a block claims " + std::to_string(header.count) + " rows, over 131072"};
  }
  switch (header.kind) {
    case BlockKind::Info:
      return unpack_as<schema::Info>(header, raw, content);
    case BlockKind::Events:
      return unpack_as<schema::Events>(header, raw, content);
    case BlockKind::Clients:
      return unpack_as<schema::Clients>(header, raw, content);
    case BlockKind::Bindings:
      return unpack_as<schema::Bindings>(header, raw, content);
    case BlockKind::Divergences:
      return unpack_as<schema::Divergences>(header, raw, content);
    case BlockKind::Sketches:
      return unpack_as<schema::Sketches>(header, raw, content);
    case BlockKind::Series:
      return unpack_as<schema::Series>(header, raw, content);
    case BlockKind::Index:
      return unpack_as<schema::Index>(header, raw, content);
    case BlockKind::None:
      break;
  }
  return Trouble{"a block is of unknown kind " + std::to_string(static_cast<int>(header.kind))};
}

}  // namespace chorus::format
