// Sockets made ahead of need in other network namespaces. The namespace of a socket is that of the
// thread that calls socket(2), so one thread of the pool's own walks from namespace to namespace
// and fills it; the reactor's thread only takes what is ready and never waits for a setns(2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sluice {

enum class SocketFamily : uint8_t { kIpv4 = 0, kIpv6 = 1 };
constexpr size_t kSocketFamilies = 2;

// What became of a pool that take() had found empty.
struct SocketPoolNotice {
  uint32_t netns;
  SocketFamily family;
  int error;  // 0: sockets are ready again; else the errno that kept them from being made
};

// Owned and called by one thread (the reactor's); the filling thread is inside. Every socket handed
// out is a plain TCP socket (never MPTCP), non-blocking, close-on-exec, with TCP_NODELAY,
// IP_BIND_ADDRESS_NO_PORT and bounded buffers; an IPv6 one is V6ONLY.
class SocketPool {
 public:
  // Nullptr, and errno in *error, when the thread or its descriptors could not be had.
  static std::unique_ptr<SocketPool> Create(int* error);

  // Stops the thread and closes every socket and namespace.
  ~SocketPool();
  SocketPool(const SocketPool&) = delete;
  SocketPool& operator=(const SocketPool&) = delete;

  // Begins to keep sockets ready in a namespace. `netns` is the caller's number for it, `netns_fd`
  // is duplicated, and `ready` bounds the sockets that wait per family: the pool starts with one,
  // grows when it was found empty and shrinks while nobody takes. 0 or -errno (-EEXIST: the number
  // is in use).
  int AddNamespace(uint32_t netns, int netns_fd, uint32_t ready);

  // Forgets a namespace. Its descriptor and sockets are closed at once by the filling thread; a
  // batch that is being made is closed instead of delivered. An unknown number is ignored.
  void RemoveNamespace(uint32_t netns);

  // A socket, which now belongs to the caller; -EAGAIN when none is ready (exactly one notice
  // follows for all takes that met this), -ENOENT for an unknown namespace.
  int Take(uint32_t netns, SocketFamily family);

  // Readable while there are notices: an eventfd for the caller's epoll. Belongs to the pool.
  int notification_fd() const;

  // Moves all pending notices to `out` (cleared first) and makes notification_fd() unreadable.
  void TakeNotices(std::vector<SocketPoolNotice>& out);

  // Sockets ready now over all namespaces, and made since the start; for metrics.
  size_t ready_sockets() const;
  uint64_t made_sockets() const;

 private:
  class Impl;
  explicit SocketPool(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
