// Messages with descriptors over SOCK_SEQPACKET Unix sockets, without any of Node's types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace sluice {

// The kernel's own bound on descriptors in one message (SCM_MAX_FD).
constexpr size_t kMaxMessageFds = 253;

// A connected, non-blocking socket, or -errno.
int ConnectUnix(const std::string& path);

// Two connected, non-blocking sockets. 0 or -errno.
int PairUnix(UniqueFd* first, UniqueFd* second);

// Bytes sent, or -errno (-EAGAIN: the receiver's queue is full). The descriptors stay the caller's.
long SendMessage(int fd, const uint8_t* bytes, size_t size, const std::vector<int>& fds);

struct ReceivedMessage {
  size_t size = 0;  // 0: the other side has closed
  std::vector<UniqueFd> fds;
};

// 0 or -errno: -EAGAIN when nothing waits, -EMSGSIZE when message or descriptors did not fit: what
// did come of the bytes is there, the descriptors are closed.
int ReceiveMessage(int fd, uint8_t* bytes, size_t capacity, size_t max_fds, ReceivedMessage* out);

}  // namespace sluice
