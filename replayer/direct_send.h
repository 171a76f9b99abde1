// One non-blocking send on a socket that belongs to another thread's io_context. Asio's sockets are not made
// for that; the system call is. Who may call it and when is the token's business (token.h).
#pragma once

#include <string_view>

#include <boost/asio/ip/tcp.hpp>

namespace chorus::replayer {

#ifdef _WIN32
using Handle = SOCKET;
#else
using Handle = int;
#endif

// Returns how many bytes the kernel took: all, some, or 0 with `error` would_block or the connection's error.
std::size_t direct_send(Handle socket, std::string_view bytes, boost::system::error_code& error) noexcept;

}  // namespace chorus::replayer
