// Many non-blocking sends in one system call: through an io_uring of our own (io_uring_setup(2),
// io_uring_enter(2), io_uring_register(2)) where the system has it and lets us, else by one direct_send after
// the other. The results are the same. Batches are what makes a grid cheap, and an exact pace that is behind
// catch up; design.md, "The engine", has the figures.
#pragma once

#include "replayer/direct_send.h"

#include <memory>
#include <span>
#include <string_view>

#include <boost/system/error_code.hpp>

namespace chorus::replayer {

struct Sending {
  Handle socket{};
  std::string_view bytes{};  // must stay where they are until send() returns
  // Results, as those of direct_send.
  std::size_t taken = 0;
  boost::system::error_code error{};
};

// One thread makes it and uses it.
class BatchSend {
 public:
  enum class Through : std::uint8_t { whatever_works, direct_sends };

  // `most`: sends of one call; more are sent by several.
  explicit BatchSend(unsigned most, Through through = Through::whatever_works);
  ~BatchSend();
  BatchSend(const BatchSend&) = delete;
  BatchSend& operator=(const BatchSend&) = delete;

  // Starts them in this order and returns when all have their results. No two may be for the same socket: the
  // kernel could take a part of the first and then the whole second one.
  void send(std::span<Sending> batch) noexcept;

  bool uses_io_uring() const noexcept { return ring_ != nullptr; }

 private:
  struct Ring;
  std::unique_ptr<Ring> ring_;
};

}  // namespace chorus::replayer
