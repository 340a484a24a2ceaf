#include "reactor/core.h"

#include <sys/socket.h>

#include <cstring>
#include <utility>

#include "http/parts.h"
#include "reactor/socket_ops.h"

namespace sluice {

namespace {

constexpr uint64_t kRetryUs = 1'000;

bool IsUpstream(const Connection* connection) { return !connection->http->is_client; }

}  // namespace

Core::Core(int32_t* event_words, Slab slab, uint32_t max_connections, uint64_t pair_limit_bytes)
    : table(max_connections),
      events(event_words, slab, &table, &stats),
      pair_limit_bytes(pair_limit_bytes) {}

// A reactor that goes away resets what it still carries: a FIN would tell the apps that all is
// well.
Core::~Core() {
  table.ForEach([this](Connection* connection) {
    CloseEndpoint(connection, kClient, Ending::kReset);
    CloseEndpoint(connection, kServer, Ending::kReset);
  });
}

Pod* Core::UsePod(int32_t number) {
  std::unique_ptr<Pod>& pod = pods_[number];
  if (pod == nullptr) pod = std::make_unique<Pod>(number);
  return pod.get();
}

void Core::ReleasePod(Pod* pod) {
  if (pod->listeners != 0 || pod->connections != 0) return;
  scheduler.Forget(pod);
  pods_.erase(pod->number);
}

void Core::RetrySoon(Connection* connection) {
  if (connection->retrying) return;
  connection->retrying = true;
  retries_.push_back(connection->id);
  if (!retry_timer_.armed()) timers.Arm(&retry_timer_, now_us + kRetryUs);
}

void Core::FireRetries() {
  firing_.clear();
  std::swap(firing_, retries_);
  for (const int32_t id : firing_) {
    if (Connection* connection = table.Find(id)) connection->retrying = false;
    Retry(id);
  }
}

void Core::RetryAfterDrain(Connection* connection, uint32_t wait_us) {
  Timer* timer = &connection->acceleration->drain_timer;
  const uint64_t deadline_us = now_us + wait_us;
  if (timer->armed() && timer->deadline_us <= deadline_us) return;
  timer->owner = connection->id;
  timers.Arm(timer, deadline_us);
}

void Core::Retry(int32_t id) {
  Connection* connection = table.Find(id);
  if (connection == nullptr || connection->state == ConnectionState::kEnded) return;
  connection->flow[kClient].held = false;
  connection->flow[kServer].held = false;
  Enqueue(connection);
}

void Core::Keep(Connection* connection, Side from, const uint8_t* data, uint32_t size) {
  Flow& flow = connection->flow[from];
  flow.pending = std::make_unique_for_overwrite<uint8_t[]>(size);
  std::memcpy(flow.pending.get(), data, size);
  flow.pending_begin = 0;
  flow.pending_end = size;
  connection->pod->buffered_bytes += size;
  stats.bufferedBytes += size;
  stats.leftovers++;
}

void Core::DropPending(Connection* connection, Side from) {
  Flow& flow = connection->flow[from];
  if (flow.pending == nullptr) return;
  connection->pod->buffered_bytes -= flow.pending_end;
  stats.bufferedBytes -= flow.pending_end;
  flow.pending.reset();
}

void Core::CloseEndpoint(Connection* connection, Side side, Ending ending) {
  UniqueFd& fd = connection->end[side].fd;
  if (!fd.valid()) return;
  if (ending == Ending::kFin) EndOnClose(fd.get());
  if (connection->shared) {
    poller.Remove(fd.get());
    if (ending == Ending::kReset) ResetNow(fd.get());
    if (ending == Ending::kFin) shutdown(fd.get(), SHUT_RDWR);
  }
  fd.reset();
}

void Core::StopPairing(Connection* connection, Ending ending) {
  Acceleration* acceleration = connection->acceleration.get();
  if (acceleration == nullptr || !acceleration->paired) return;
  for (const Side from : {kClient, kServer}) {
    const int32_t slot = acceleration->slot[from];
    // An adopted pair goes on without us: its entries and slots are the keeper's now.
    if (ending != Ending::kAdopted) {
      maps.SetWant(slot, false);
      maps.RemovePair(acceleration->app_cookie[from]);
      maps.ClearBusy(slot);
    }
    acceleration->direct_bytes[from] =
        maps.ReadStats(slot).direct_bytes - acceleration->direct_base[from];
  }
  acceleration->paired = false;
}

void Core::End(Connection* connection, DoneReason reason, int error, Ending ending) {
  Pod* pod = connection->pod;
  const bool told = connection->http == nullptr || !IsUpstream(connection);
  if (connection->http != nullptr) http->Ends(connection, reason, error);
  timers.Cancel(&connection->timer);
  if (connection->acceleration != nullptr) timers.Cancel(&connection->acceleration->drain_timer);
  scheduler.Remove(pod, connection);
  StopPairing(connection, ending);
  for (const Side side : {kClient, kServer}) {
    DropPending(connection, side);
    CloseEndpoint(connection, side, ending);
  }
  connection->leg_place.reset();
  connection->request.reset();
  connection->pod = nullptr;
  pod->connections--;
  ReleasePod(pod);
  connection->state = ConnectionState::kEnded;
  connection->done_reason = static_cast<uint8_t>(reason);
  connection->error = error;
  connection->ended_us = now_us;
  stats.ended++;
  connection->http.reset();
  // TypeScript never heard of an upstream's connection.
  if (told) return events.Tell(connection, kPendingDone);
  table.Remove(connection);
}

}  // namespace sluice
