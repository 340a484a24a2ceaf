// How much the kernel holds for one of the proxy's sockets, in each direction.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <initializer_list>

namespace sluice {

// Left to the kernel, a buffer grows to tcp_rmem's and tcp_wmem's maximum (32 MB and more on some
// nodes) for a stream that was fast once, and is full of what a slow reader has not read. This is
// 8 Gbit/s at 1 ms there and back; two proxies between two apps stay under 16 MiB together.
constexpr int kSocketBufferBytes = 2 << 20;

// 0 or an errno. Accepted sockets inherit it from their listener.
inline int BoundBuffers(int fd) {
  const int half = kSocketBufferBytes / 2;  // the kernel doubles it, for its own overhead
  for (const int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
    if (setsockopt(fd, SOL_SOCKET, option, &half, sizeof half) != 0) return errno;
  }
  return 0;
}

}  // namespace sluice
