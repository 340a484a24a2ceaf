#include "reactor/socket_ops.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/socket_buffers.h"

namespace sluice {

namespace {

int SetInt(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

}  // namespace

void ResetOnClose(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void EndOnClose(int fd) {
  const linger in_order{0, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &in_order, sizeof in_order);
}

void ResetNow(int fd) {
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  connect(fd, &unspecified, sizeof unspecified);
}

int TakeSocketError(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

uint64_t SocketCookie(int fd) {
  uint64_t cookie = 0;
  socklen_t length = sizeof cookie;
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) != 0) return 0;
  return cookie;
}

int UnacknowledgedBytes(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

void LimitReceiveWindow(int fd, int bytes) { SetInt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, bytes); }

bool LocalAddress(int fd, SocketAddress* address) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return false;
  return FromSockaddr(storage, address);
}

int BindSource(int fd, const sluice_addr& source) {
  sockaddr_storage storage;
  const socklen_t length = ToSockaddr({source, 0}, &storage);
  return bind(fd, reinterpret_cast<sockaddr*>(&storage), length) == 0 ? 0 : errno;
}

int StartConnect(int fd, const SocketAddress& destination) {
  sockaddr_storage storage;
  const socklen_t length = ToSockaddr(destination, &storage);
  return connect(fd, reinterpret_cast<sockaddr*>(&storage), length) == 0 ? 0 : errno;
}

int PrepareListener(int fd) {
  int listening = 0;
  socklen_t length = sizeof listening;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0) return errno;
  if (listening == 0) return EINVAL;
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  // What it accepts inherits all of these.
  ResetOnClose(fd);
  if (const int error = SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1)) return error;
  return BoundBuffers(fd);
}

}  // namespace sluice
