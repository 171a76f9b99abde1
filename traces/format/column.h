// One column: written, read back and checked. Private to the *_columns.cpp files.
#pragma once

#include "traces/format/columns.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace chorus::format {

// An empty column is left out.
template <class T>
flatbuffers::Offset<flatbuffers::Vector<T>> write_column(flatbuffers::FlatBufferBuilder& builder,
                                                         const std::vector<T>& values) {
  if (values.empty()) return 0;
  return builder.CreateVector(values.data(), values.size());
}

inline flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> write_bytes(
    flatbuffers::FlatBufferBuilder& builder, std::string_view bytes) {
  if (bytes.empty()) return 0;
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

template <class Table>
TableBlock finish(BlockKind kind, std::size_t count, flatbuffers::FlatBufferBuilder& builder,
                  flatbuffers::Offset<Table> root) {
  builder.FinishSizePrefixed(root);
  return {kind, static_cast<std::uint32_t>(count), builder.Release()};
}

// Texts of varying size: one column of sizes, one of all bytes.
struct TextColumn {
  std::vector<std::uint32_t> size;
  std::string bytes;
  void add(std::string_view text) {
    text = text.substr(0, max_text);
    size.push_back(static_cast<std::uint32_t>(text.size()));
    bytes += text;
  }
};

// Reads columns of a verified table; the first rule that is broken is kept, and every read after that is
// empty.
class Columns {
 public:
  template <class T>
  std::span<const T> any(const flatbuffers::Vector<T>* column, const char* name) {
    if (column == nullptr || !wrong_.empty()) return {};
    // The verifier checks where a vector's length lies, not that its elements are aligned.
    if (reinterpret_cast<std::uintptr_t>(column->data()) % alignof(T) != 0) {
      require(false, std::string("column ") + name + " is not aligned");
      return {};
    }
    return {reinterpret_cast<const T*>(column->data()), column->size()};
  }

  template <class T>
  std::span<const T> rows(const flatbuffers::Vector<T>* column, std::size_t count, const char* name) {
    const auto values = any(column, name);
    if (values.size() != count && wrong_.empty()) {
      require(false, std::string("column ") + name + " has " + std::to_string(values.size()) + " rows, not " +
                         std::to_string(count));
    }
    return ok() ? values : std::span<const T>{};
  }

  // The bytes of a text column, after checking that `sizes` add up to them.
  std::string_view texts(const flatbuffers::Vector<std::uint8_t>* column,
                         std::span<const std::uint32_t> sizes, const char* name) {
    const auto bytes = any(column, name);
    std::uint64_t sum = 0;
    for (const auto size : sizes) sum += size;
    if (sum != bytes.size()) {
      require(false, std::string("sizes of ") + name + " add up to " + std::to_string(sum) + ", not " +
                         std::to_string(bytes.size()));
    }
    if (!ok()) return {};
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void require(bool holds, std::string_view rule) {
    if (!holds && wrong_.empty()) wrong_ = rule;
  }
  bool ok() const noexcept { return wrong_.empty(); }
  Expected<void> result() const { return ok() ? Expected<void>() : Expected<void>(Trouble{wrong_}); }

 private:
  std::string wrong_;
};

// Takes the next text off `bytes`, whose sizes were checked.
inline std::string_view take(std::string_view& bytes, std::size_t size) {
  const std::string_view text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return text;
}

Expected<void> unpack(const schema::Events& table, const BlockHeader& header, Content& content);
Expected<void> unpack(const schema::Info& table, const BlockHeader& header, Content& content);
Expected<void> unpack(const schema::Clients& table, const BlockHeader& header, Content& content);
Expected<void> unpack(const schema::Bindings& table, const BlockHeader& header, Content& content);
Expected<void> unpack(const schema::Divergences& table, const BlockHeader& header, Content& content);
Expected<void> unpack(const schema::Sketches& table, const BlockHeader& header, Content& content);
Expected<void> unpack(const schema::Series& table, const BlockHeader& header, Content& content);
Expected<void> unpack(const schema::Index& table, const BlockHeader& header, Content& content);

}  // namespace chorus::format
