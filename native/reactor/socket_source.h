// Where the reactor gets unconnected sockets of another network namespace from. Production: the
// socket pool (pool_socket_source.h); native tests bring their own.
#pragma once

#include <cstdint>
#include <vector>

namespace sluice {

struct SocketNotice {
  uint32_t netns;
  bool ipv6;
  int error;  // 0: sockets are ready again
};

class SocketSource {
 public:
  virtual ~SocketSource() = default;

  // 0 or -errno. `netns_fd` is duplicated, `ready` sockets per family are kept at most.
  virtual int AddNamespace(uint32_t netns, int netns_fd, uint32_t ready) = 0;
  virtual void RemoveNamespace(uint32_t netns) = 0;

  // A socket that now belongs to the caller: TCP, non-blocking, with TCP_NODELAY and
  // IP_BIND_ADDRESS_NO_PORT. -EAGAIN: none is ready, a notice will follow; -ENOENT: no such
  // namespace.
  virtual int Take(uint32_t netns, bool ipv6) = 0;

  // Readable while there are notices; -1 when there never are any.
  virtual int notification_fd() const = 0;
  virtual void TakeNotices(std::vector<SocketNotice>& out) = 0;
};

}  // namespace sluice
