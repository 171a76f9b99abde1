// One thread of the proxy and the connections that are its own: their sockets, and what each turn needs.
//
// A processor that is taken away for some milliseconds stalls the chat of all who wait for it. With two lanes
// that is half of the connections. A connection stays on its lane, so nothing of it needs a lock.
#pragma once

#include "recorder/leg.h"
#include "recorder/one_per_write.h"
#include "recorder/redactor.h"

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace chorus::recorder {

class Session;

// Everything is for the lane's thread, but what says otherwise.
struct Lane {
  Lane();
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Any thread: calls it on the lane's.
  template <class Call>
  void post(Call call) {
    boost::asio::post(context, std::move(call));
    legs.ring();
  }
  void run() noexcept;  // until disarm() has left the context nothing to do

  // Scratch for one read; nobody keeps bytes in it across a turn of the loop.
  std::span<char> chunk() { return chunk_; }

  boost::asio::io_context context{1};
  LegSet legs{context};
  std::unordered_map<std::uint32_t, std::shared_ptr<Session>> sessions;
  Redacted redacted;
  Recut recut;
  std::exception_ptr failure;  // what ended run() early; for whoever has joined the thread
  std::uint64_t open = 0;      // the accepting thread's count of its connections

 private:
  std::vector<char> chunk_;
};

}  // namespace chorus::recorder
