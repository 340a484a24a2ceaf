// The socket calls of the data path, each with the reason for its options in one place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "reactor/address.h"

namespace sluice {

// Makes close(2) send a reset instead of a FIN, and drop what is still unsent. All sockets of
// connections are so: should this process be killed, a FIN would tell readers that they have
// everything.
void ResetOnClose(int fd);

// Takes that back, for an end in order.
void EndOnClose(int fd);

// Sends the reset now. For sockets of which another process holds a duplicate: there, close(2)
// sends nothing.
void ResetNow(int fd);

// SO_ERROR, which the kernel clears by telling it.
int TakeSocketError(int fd);

uint64_t SocketCookie(int fd);

// Sent or waiting to be sent, and not acknowledged by the other side.
int UnacknowledgedBytes(int fd);

// No more than that many bytes are let in from now on before they are read; what the peer was
// promised before stays promised. For sockets with a bounded buffer: one that grows would take the
// window with it.
void LimitReceiveWindow(int fd, int bytes);

// False when the socket has no such address any more.
bool LocalAddress(int fd, SocketAddress* address);

// 0 or an errno. Port 0: with the source's IP_BIND_ADDRESS_NO_PORT the kernel chooses one at
// connect(2), per destination; a port chosen at bind(2) would be taken for all destinations at
// once.
int BindSource(int fd, const sluice_addr& source);

// 0 when connected, EINPROGRESS, or another errno.
int StartConnect(int fd, const SocketAddress& destination);

// 0 or an errno: non-blocking, no delay and bounded buffers (inherited by accepted sockets), and
// really a TCP listener.
int PrepareListener(int fd);

}  // namespace sluice
