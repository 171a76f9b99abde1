#include "traces/format/codec.h"

#ifdef CHORUS_HAS_ZSTD
#include <zstd.h>
#endif

namespace chorus::format {

#ifdef CHORUS_HAS_ZSTD

namespace {
constexpr int level = 1;  // a recorder must not take the processor from those whom it records
struct Free {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
}  // namespace

struct Compressor::Impl {
  std::unique_ptr<ZSTD_CCtx, Free> context{ZSTD_createCCtx()};
  std::string buffer;
};

struct Decompressor::Impl {
  std::unique_ptr<ZSTD_DCtx, Free> context;  // made when the first compressed block comes
};

bool has_zstd() noexcept {
  return true;
}

Bytes Compressor::compress(Bytes raw) {
  const std::size_t most = ZSTD_compressBound(raw.size());
  if (impl_->buffer.size() < most) impl_->buffer.resize(most);
  const std::size_t size =
      ZSTD_compressCCtx(impl_->context.get(), impl_->buffer.data(), most, raw.data(), raw.size(), level);
  if (ZSTD_isError(size) || size >= raw.size()) return {};
  return {impl_->buffer.data(), size};
}

bool Decompressor::decompress(Bytes stored, char* to, std::size_t size) {
  if (!impl_->context) impl_->context.reset(ZSTD_createDCtx());
  return ZSTD_decompressDCtx(impl_->context.get(), to, size, stored.data(), stored.size()) == size;
}

#else

struct Compressor::Impl {};
struct Decompressor::Impl {};

bool has_zstd() noexcept {
  return false;
}
Bytes Compressor::compress(Bytes) {
  return {};
}
bool Decompressor::decompress(Bytes, char*, std::size_t) {
  return false;
}

#endif

Compressor::Compressor() : impl_(std::make_unique<Impl>()) {}
Compressor::~Compressor() = default;
Decompressor::Decompressor() : impl_(std::make_unique<Impl>()) {}
Decompressor::~Decompressor() = default;

}  // namespace chorus::format
