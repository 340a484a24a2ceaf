// Whether a listener still is one.
#pragma once

#include <sys/socket.h>

namespace sluice {

// It ceases to be one without being closed when root in its pod destroys it by netlink
// (SOCK_DESTROY, as `ss -K` does): in hand, in maps, but nothing gets into it any more.
inline bool IsListener(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

}  // namespace sluice
