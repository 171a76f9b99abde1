#include "replayer/direct_send.h"

#ifndef _WIN32
#include <cerrno>

#include <sys/socket.h>
#endif

namespace chorus::replayer {

std::size_t direct_send(Handle socket, std::string_view bytes, boost::system::error_code& error) noexcept {
  error.clear();
#ifdef _WIN32
  const int sent = ::send(socket, bytes.data(), static_cast<int>(bytes.size()), 0);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  const int why = WSAGetLastError();
  const bool wait = why == WSAEWOULDBLOCK;
#else
  ssize_t sent = -1;
  do {
    sent = ::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  const int why = errno;
  const bool wait = why == EAGAIN || why == EWOULDBLOCK;
#endif
  if (wait) {
    error = boost::asio::error::would_block;
  } else {
    error.assign(why, boost::system::system_category());
  }
  return 0;
}

}  // namespace chorus::replayer
