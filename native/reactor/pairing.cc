#include "reactor/pairing.h"

#include <algorithm>
#include <cerrno>

#include "reactor/socket_ops.h"

namespace sluice {

namespace {

// Between two looks at a queue that is being read.
constexpr uint32_t kFirstLookUs = 100;
constexpr uint32_t kLastLookUs = 20'000;

// What a sender of a pair may have on the way to us by TCP. It is on that way only while the
// direct one is full: then it has to block soon, or the direct way would never be empty in front
// of it. More would gain nothing on a hop that stays inside the node.
constexpr int kPairedWindowBytes = 64 * 1024;

// The server app's socket is linked when the last ACK of the handshake has reached it, and that is
// after our connect(2) is done: one try a millisecond.
constexpr uint8_t kMaxAttempts = 50;

}  // namespace

Pairing::Pairing(Core* core) : core_(core) {}

bool Pairing::Request(Connection* connection, int32_t client_slot, int32_t server_slot) {
  Acceleration* acceleration = connection->acceleration.get();
  if (acceleration == nullptr || acceleration->pairing || acceleration->paired) return false;
  if (connection->state != ConnectionState::kForwarding || !core_->maps.has_pairs()) return false;
  if (client_slot == server_slot) return false;
  if (!core_->maps.OwnsSlot(client_slot) || !core_->maps.OwnsSlot(server_slot)) return false;
  acceleration->slot[kClient] = client_slot;
  acceleration->slot[kServer] = server_slot;
  acceleration->pairing = true;
  acceleration->attempts = 0;
  Advance(connection);
  return true;
}

void Pairing::Advance(Connection* connection) {
  Acceleration* acceleration = connection->acceleration.get();
  if (acceleration == nullptr || !acceleration->pairing) return;
  if (connection->retrying) return;
  const int error = FindServerApp(connection);
  if (error == EAGAIN && ++acceleration->attempts < kMaxAttempts) {
    core_->RetrySoon(connection);
    return;
  }
  Finish(connection, error != 0 ? error : Link(connection));
}

int Pairing::FindServerApp(Connection* connection) {
  Acceleration* acceleration = connection->acceleration.get();
  if (acceleration->app_cookie[kServer] != 0) return 0;
  const int error =
      core_->maps.FindPeer(connection->leg_cookie, &acceleration->app_cookie[kServer]);
  // The leg's own entry is written at its ESTABLISHED, so a missing one is as early as a missing
  // peer.
  return error == ENOENT ? EAGAIN : error;
}

int Pairing::Link(Connection* connection) {
  Acceleration* acceleration = connection->acceleration.get();
  if (acceleration->app_cookie[kClient] == 0) return ENOENT;
  const KernelMaps& maps = core_->maps;
  for (const Side from : {kClient, kServer}) {
    const int32_t slot = acceleration->slot[from];
    maps.SetWant(slot, false);
    if (connection->flow[from].pending != nullptr) {
      maps.SetHolding(slot);
    } else {
      maps.ClearBusy(slot);
    }
    acceleration->direct_base[from] = maps.ReadStats(slot).direct_bytes;
  }
  // From here on every read sets busy, also while the entries below are half written.
  acceleration->paired = true;
  for (const Side from : {kClient, kServer}) {
    const sluice_pair pair{acceleration->app_cookie[Other(from)],
                           static_cast<uint32_t>(acceleration->slot[from]), maps.generation()};
    if (const int error = maps.SetPair(acceleration->app_cookie[from], pair)) {
      maps.RemovePair(acceleration->app_cookie[kClient]);
      acceleration->paired = false;
      return error;
    }
  }
  for (const Side from : {kClient, kServer}) {
    LimitReceiveWindow(connection->end[from].fd.get(), kPairedWindowBytes);
    maps.SetWant(acceleration->slot[from], true);
  }
  return 0;
}

void Pairing::Finish(Connection* connection, int error) {
  Acceleration* acceleration = connection->acceleration.get();
  acceleration->pairing = false;
  acceleration->pair_error = error;
  (error == 0 ? core_->stats.paired : core_->stats.pairFailed)++;
  core_->events.Tell(connection, kPendingPaired);
}

bool Pairing::StillFull(Connection* connection, Side to) {
  const Acceleration* acceleration = connection->acceleration.get();
  if (acceleration == nullptr || !acceleration->draining[to]) return false;
  return Allowance(connection, to, 1) == 0;
}

uint32_t Pairing::Allowance(Connection* connection, Side to, uint32_t size) {
  Acceleration* acceleration = connection->acceleration.get();
  if (!acceleration->limited[to]) return size;
  const uint64_t limit = core_->pair_limit_bytes;
  uint64_t queued = acceleration->queued_bytes[to] + acceleration->sent_since[to];
  if (acceleration->paired) {
    // Bytes that went past us fill the same queue; the program leaves what it last saw.
    const int32_t slot = acceleration->slot[Other(to)];
    queued = std::max<uint64_t>(queued, core_->maps.ReadStats(slot).receiver_queued_bytes);
  }
  if (!acceleration->draining[to] && queued + size <= limit) return size;
  if (to == kServer && FindServerApp(connection) != 0) return size;
  uint64_t answer = 0;
  core_->stats.queueQueries++;
  // A socket that is gone cannot fill up; TCP will say the rest.
  if (core_->maps.QueuedBytes(acceleration->app_cookie[to], &answer) != 0) return size;
  acceleration->sent_since[to] = 0;
  return Admit(acceleration, to, answer, size);
}

// A queue that was full is left alone until half of it is read. Topped up bit by bit it would stay
// full, and the sender's bytes would take the long way for as long as the reader is the slower one.
uint32_t Pairing::Admit(Acceleration* acceleration, Side to, uint64_t queued, uint32_t size) {
  const uint64_t limit = core_->pair_limit_bytes;
  const uint64_t before = acceleration->queued_bytes[to];
  acceleration->queued_bytes[to] = queued;
  const bool full = queued > limit / 2 && (acceleration->draining[to] || queued + size > limit);
  if (full) {
    uint32_t& wait_us = acceleration->drain_wait_us[to];
    wait_us = acceleration->draining[to] ? NextLookUs(*acceleration, to, before) : kFirstLookUs;
    acceleration->drain_seen_us[to] = core_->now_us;
  }
  acceleration->draining[to] = full;
  return full ? 0 : static_cast<uint32_t>(std::min<uint64_t>(size, limit - queued));
}

// When the queue will be half empty, if the app goes on as it read since the last look.
uint32_t Pairing::NextLookUs(const Acceleration& acceleration, Side to, uint64_t before) const {
  const uint64_t queued = acceleration.queued_bytes[to];
  if (queued >= before) return std::min(acceleration.drain_wait_us[to] * 2, kLastLookUs);
  const uint64_t passed_us = core_->now_us - acceleration.drain_seen_us[to];
  const uint64_t left = queued - core_->pair_limit_bytes / 2;
  const uint64_t wait_us = passed_us * left / (before - queued);
  return static_cast<uint32_t>(std::clamp<uint64_t>(wait_us, kFirstLookUs, kLastLookUs));
}

void Pairing::Sent(Connection* connection, Side to, uint64_t bytes) {
  connection->acceleration->sent_since[to] += bytes;
}

bool Pairing::ActiveSince(const Connection& connection, uint64_t since_us) const {
  const Acceleration* acceleration = connection.acceleration.get();
  if (acceleration == nullptr || !acceleration->paired) return false;
  for (const Side from : {kClient, kServer}) {
    if (core_->maps.ReadStats(acceleration->slot[from]).last_direct_ns / 1'000 >= since_us)
      return true;
  }
  return false;
}

}  // namespace sluice
