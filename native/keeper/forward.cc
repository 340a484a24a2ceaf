#include "keeper/forward.h"

#include <sys/socket.h>

#include <cerrno>

#include "keeper/protocol.h"

namespace sluice {
namespace {

constexpr int kReadsPerTurn = 8;

// Sends held bytes. True when none is left; else the state says what to wait for.
bool Flush(Forward& forward, uint64_t* forwarded) {
  size_t sent = 0;
  while (sent < forward.held.size()) {
    const ssize_t n = send(forward.target, forward.held.data() + sent, forward.held.size() - sent,
                           MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      forward.state = errno == EAGAIN ? ForwardState::kWriting : ForwardState::kFailed;
      break;
    }
    sent += static_cast<size_t>(n);
    *forwarded += static_cast<uint64_t>(n);
  }
  forward.held.erase(forward.held.begin(), forward.held.begin() + static_cast<ptrdiff_t>(sent));
  return forward.held.empty();
}

ForwardState Move(Forward& forward, KernelMaps& maps, uint64_t limit_bytes, uint64_t* forwarded) {
  for (int i = 0; i < kReadsPerTurn; i++) {
    if (!forward.held.empty() && !Flush(forward, forwarded)) return forward.state;
    maps.SetBusy(forward.slot, false);
    if (forward.source_ended) {
      // Held and redirected bytes are before it: the receiver reads its redirected queue first.
      shutdown(forward.target, SHUT_WR);
      return ForwardState::kFinished;
    }
    // Redirected bytes know no receive window: only we can hold back.
    if (maps.QueuedBytes(forward.receiver_cookie) >= limit_bytes) return ForwardState::kOverLimit;
    maps.SetBusy(forward.slot, true);
    forward.held.resize(kMaxHeldBytes);
    const ssize_t n = recv(forward.source, forward.held.data(), forward.held.size(), MSG_DONTWAIT);
    const int error = n < 0 ? errno : 0;
    forward.held.resize(n > 0 ? static_cast<size_t>(n) : 0);
    if (n > 0) continue;
    if (n == 0) {
      forward.source_ended = true;
    } else if (error == EAGAIN || error == EINTR) {
      maps.SetBusy(forward.slot, false);
      return ForwardState::kReading;
    } else {
      return ForwardState::kFailed;
    }
  }
  if (!forward.held.empty() && !Flush(forward, forwarded)) return forward.state;
  maps.SetBusy(forward.slot, false);
  return ForwardState::kReading;
}

}  // namespace

ForwardState Step(Forward& forward, KernelMaps& maps, uint64_t limit_bytes, uint64_t* forwarded) {
  if (forward.state == ForwardState::kFinished || forward.state == ForwardState::kFailed) {
    return forward.state;
  }
  forward.state = Move(forward, maps, limit_bytes, forwarded);
  return forward.state;
}

}  // namespace sluice
