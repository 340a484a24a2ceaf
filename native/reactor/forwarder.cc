#include "reactor/forwarder.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "reactor/socket_ops.h"

namespace sluice {

namespace {

constexpr uint32_t kBufferBytes = 128 * 1024;
// Still read at a time when a pod holds all it may: enough to go on, too little to matter.
constexpr uint32_t kOverLimitBytes = 4 * 1024;
// What a turn of a connection costs besides its bytes, in bytes: some system calls.
constexpr int64_t kServeCost = 4 * 1024;

}  // namespace

Forwarder::Forwarder(Core* core, Pairing* pairing)
    : core_(core),
      pairing_(pairing),
      buffer_(std::make_unique_for_overwrite<uint8_t[]>(kBufferBytes)) {}

int64_t Forwarder::Serve(Connection* connection, int64_t allowance) {
  int64_t cost = kServeCost;
  pairing_->Advance(connection);
  Outcome outcomes[2];
  for (const Side from : {kClient, kServer}) {
    int64_t moved = 0;
    outcomes[from] = Pump(connection, from, allowance, &moved);
    cost += moved;
    if (outcomes[from] == Outcome::kGone) return cost;
  }
  if (EndIfFailed(connection, outcomes)) return cost;
  if (connection->flow[kClient].shut && connection->flow[kServer].shut) {
    core_->End(connection, kDoneClosed, 0, Ending::kFin);
    return cost;
  }
  if (outcomes[kClient] == Outcome::kMore || outcomes[kServer] == Outcome::kMore) {
    core_->Enqueue(connection);
  }
  return cost;
}

void Forwarder::EndByReset(Connection* connection, Side side, int error) {
  core_->End(connection, side == kClient ? kDoneClientReset : kDoneServerReset, error,
             Ending::kReset);
}

// A reset that recv() has not met: its direction is blocked, or was at its end already. What is
// still readable before the error goes first.
bool Forwarder::EndIfFailed(Connection* connection, const Outcome outcomes[2]) {
  for (const Side side : {kClient, kServer}) {
    Endpoint& end = connection->end[side];
    if (!end.failed || outcomes[side] == Outcome::kMore) continue;
    const int error = TakeSocketError(end.fd.get());
    end.failed = false;
    if (error == 0) continue;
    EndByReset(connection, side, error);
    return true;
  }
  return false;
}

Forwarder::Outcome Forwarder::Pump(Connection* connection, Side from, int64_t allowance,
                                   int64_t* moved) {
  Flow& flow = connection->flow[from];
  const bool guarded = connection->acceleration != nullptr && connection->acceleration->paired;
  // While the mark is set the sender's program keeps off the direct way: bytes may be in our hands.
  if (guarded && connection->end[from].readable) {
    core_->maps.SetBusy(connection->acceleration->slot[from]);
  }
  const Outcome outcome = Move(connection, from, allowance, moved);
  if (outcome == Outcome::kGone) return outcome;
  if (guarded && flow.pending == nullptr) {
    core_->maps.ClearBusy(connection->acceleration->slot[from]);
  } else if (guarded) {
    core_->maps.SetHolding(connection->acceleration->slot[from]);
  }
  if (*moved != 0) connection->active_us = core_->now_us;
  return outcome;
}

Forwarder::Outcome Forwarder::Move(Connection* connection, Side from, int64_t allowance,
                                   int64_t* moved) {
  Flow& flow = connection->flow[from];
  Endpoint& source = connection->end[from];
  for (;;) {
    if (flow.pending != nullptr) {
      const Outcome outcome = FlushPending(connection, from, moved);
      if (outcome != Outcome::kMore) return outcome;
    }
    if (flow.ended) {
      if (!flow.shut) shutdown(connection->end[Other(from)].fd.get(), SHUT_WR);
      flow.shut = true;
      return Outcome::kWaits;
    }
    if (!source.readable || flow.held) return Outcome::kWaits;
    if (*moved >= allowance) return Outcome::kMore;
    if (pairing_->StillFull(connection, Other(from))) {
      WaitForDrain(connection, from);
      return Outcome::kWaits;
    }
    const ssize_t size = connection->pod->over_buffer_limit() ? kOverLimitBytes : kBufferBytes;
    const ssize_t received = Receive(connection, from, size);
    if (received == -EAGAIN) return Outcome::kWaits;
    if (received < 0) {
      EndByReset(connection, from, static_cast<int>(-received));
      return Outcome::kGone;
    }
    const Outcome outcome = Received(connection, from, received, moved);
    if (outcome != Outcome::kMore) return outcome;
  }
}

// Bytes read into the buffer, 0 at the FIN, or a negative errno.
ssize_t Forwarder::Receive(Connection* connection, Side from, ssize_t size) {
  Endpoint& source = connection->end[from];
  // The sooner a pair's sender has nothing left on the way to us, the sooner it goes past us again:
  // all there is, in one go.
  const bool gather = connection->acceleration != nullptr && connection->acceleration->paired;
  ssize_t total = 0;
  while (total < size && source.error == 0) {
    const auto room = static_cast<size_t>(size - total);
    const ssize_t received = recv(source.fd.get(), buffer_.get() + total, room, 0);
    if (received == 0) return total;
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        source.readable = false;
        return total != 0 ? total : -EAGAIN;
      }
      source.error = errno;  // told once; what came before it goes first
      break;
    }
    total += received;
    if (!gather) break;
  }
  if (total == 0) return -source.error;
  // A short read means drained: whatever comes later is a new edge. Not so after a FIN, whose
  // edge was seen before, nor with two queues (the redirected bytes end where TCP's begin).
  if (total < size && !source.hangup && !source.accelerated) source.readable = false;
  return total;
}

Forwarder::Outcome Forwarder::Received(Connection* connection, Side from, int64_t size,
                                       int64_t* moved) {
  Flow& flow = connection->flow[from];
  if (size == 0) {
    flow.ended = true;
    connection->end[from].readable = false;
    return Outcome::kMore;
  }
  if (from == kServer && connection->first_byte_us < 0) {
    connection->first_byte_us = static_cast<int32_t>(core_->now_us - connection->accepted_us);
  }
  const int64_t sent = Send(connection, from, buffer_.get(), static_cast<uint32_t>(size));
  if (sent < 0) return Outcome::kGone;
  *moved += sent;
  if (sent == size) return Outcome::kMore;
  core_->Keep(connection, from, buffer_.get() + sent, static_cast<uint32_t>(size - sent));
  return Outcome::kWaits;
}

// kMore: nothing is pending any more.
Forwarder::Outcome Forwarder::FlushPending(Connection* connection, Side from, int64_t* moved) {
  Flow& flow = connection->flow[from];
  if (flow.held || !connection->end[Other(from)].writable) return Outcome::kWaits;
  const uint32_t size = flow.pending_end - flow.pending_begin;
  const int64_t sent = Send(connection, from, flow.pending.get() + flow.pending_begin, size);
  if (sent < 0) return Outcome::kGone;
  *moved += sent;
  flow.pending_begin += static_cast<uint32_t>(sent);
  if (flow.pending_begin < flow.pending_end) return Outcome::kWaits;
  core_->DropPending(connection, from);
  return Outcome::kMore;
}

int64_t Forwarder::Send(Connection* connection, Side from, const uint8_t* data, uint32_t size) {
  const Side to = Other(from);
  Endpoint& target = connection->end[to];
  Flow& flow = connection->flow[from];
  uint32_t allowed = size;
  if (connection->acceleration != nullptr) {
    allowed = pairing_->Allowance(connection, to, size);
    if (allowed < size) {
      WaitForDrain(connection, from);
      if (allowed == 0) return 0;
    }
  }
  uint32_t sent = 0;
  while (sent < allowed) {
    const ssize_t taken = send(target.fd.get(), data + sent, allowed - sent, MSG_NOSIGNAL);
    if (taken < 0) {
      if (errno == EINTR) continue;
      if (!Blocked(connection, from, errno)) return -1;
      break;
    }
    sent += static_cast<uint32_t>(taken);
    // TCP takes part of it and says when there is room again. A redirect may take part of it for
    // want of memory, and says nothing: the next try gets the reason.
    if (sent == allowed || target.accelerated) continue;
    target.writable = false;
    break;
  }
  flow.bytes += sent;
  (from == kClient ? core_->stats.bytesFromClients : core_->stats.bytesFromServers) += sent;
  if (connection->acceleration != nullptr) pairing_->Sent(connection, to, sent);
  return sent;
}

// What send(2) did not take, and when it is worth another try. False: the connection was ended.
bool Forwarder::Blocked(Connection* connection, Side from, int error) {
  Endpoint& target = connection->end[Other(from)];
  if (error == EAGAIN) {
    target.writable = false;
    // An acknowledgement makes it writable. With nothing to be acknowledged, as after redirects,
    // none comes.
    if (target.accelerated && UnacknowledgedBytes(target.fd.get()) == 0)
      return RetryLater(connection, from);
    return true;
  }
  if (error == ENOMEM || error == ENOBUFS) return RetryLater(connection, from);
  EndByReset(connection, Other(from), error);
  return false;
}

void Forwarder::WaitForDrain(Connection* connection, Side from) {
  core_->stats.holds++;
  connection->flow[from].held = true;
  core_->RetryAfterDrain(connection, connection->acceleration->drain_wait_us[Other(from)]);
}

bool Forwarder::RetryLater(Connection* connection, Side from) {
  core_->stats.sendRetries++;
  connection->end[Other(from)].writable = true;
  connection->flow[from].held = true;
  core_->RetrySoon(connection);
  return true;
}

}  // namespace sluice
