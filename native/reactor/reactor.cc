#include "reactor/reactor.h"

#include <array>
#include <cerrno>

#include "reactor/clock.h"
#include "reactor/socket_ops.h"

namespace sluice {

namespace {

// Bounds a turn at some 100 us: what became ready meanwhile, timers and TypeScript wait no longer.
// With four times as much, a pod beside eight full streams waited for 1.0 ms there and back where
// it now waits for 0.2 ms, and the streams were no faster.
constexpr int64_t kTurnCost = 128 * 1024;
constexpr size_t kEventsAtOnce = 512;
// All that is ready should stand in its pod's queue before turns are dealt out, or a pod with
// thousands of ready sockets would hide the others behind it in epoll's own queue.
constexpr int kWaitRounds = 8;

}  // namespace

Reactor::Reactor(const ReactorConfig& config, std::unique_ptr<SocketSource> sockets)
    : slab_(config.slab),
      core_(config.event_words, config.slab, config.max_connections, config.pair_limit_bytes),
      commands_(config.command_words),
      pairing_(&core_),
      forwarder_(&core_, &pairing_),
      acceptor_(&core_),
      connector_(&core_, std::move(sockets)),
      http_(&core_, &connector_, &pairing_) {
  core_.now_us = MonotonicUs();
}

std::unique_ptr<Reactor> Reactor::Create(const ReactorConfig& config,
                                         std::unique_ptr<SocketSource> sockets,
                                         ReactorError* error) {
  *error = {EINVAL, "event ring"};
  if (!RingIsValid(config.event_words, config.event_word_count)) return nullptr;
  *error = {EINVAL, "command ring"};
  if (!RingIsValid(config.command_words, config.command_word_count)) return nullptr;
  *error = {EINVAL, "maxConnections"};
  if (config.max_connections == 0 || config.max_connections > ConnectionTable::kMaxSlots)
    return nullptr;
  std::unique_ptr<Reactor> reactor(new Reactor(config, std::move(sockets)));
  *error = {reactor->core_.poller.Open(), "epoll"};
  if (error->error != 0) return nullptr;
  *error = {reactor->connector_.Open(), "socket source"};
  if (error->error != 0) return nullptr;
  error->error = reactor->core_.maps.Open(config.maps, config.generation, &error->what);
  if (error->error != 0) return nullptr;
  return reactor;
}

int Reactor::WatchOutside(int fd) { return core_.poller.Add(fd, EPOLLIN, {PollKind::kOutside, 0}); }

bool Reactor::Turn(int timeout_ms) {
  core_.stats.turns++;
  core_.now_us = MonotonicUs();
  outside_ready_ = false;
  RunCommands();
  core_.events.DeliverKept();
  if (!core_.events.HasRoom()) {
    // Never drop, never buffer without bound: sockets wait until TypeScript has read what it was
    // told.
    core_.stats.eventRingFull++;
    return true;
  }
  Wait(core_.scheduler.idle() && !has_events() ? timeout_ms : 0);
  FireTimers();
  ServeReady();
  return outside_ready_;
}

void Reactor::Wait(int timeout_ms) {
  std::array<epoll_event, kEventsAtOnce> events;
  int64_t timeout_us = timeout_ms < 0 ? -1 : int64_t{timeout_ms} * 1'000;
  const int64_t own_us = core_.timers.TimeoutUs(core_.now_us);
  if (own_us >= 0 && (timeout_us < 0 || own_us < timeout_us)) timeout_us = own_us;
  const uint64_t before_us = core_.now_us;
  int count = core_.poller.Wait(events, timeout_us);
  core_.now_us = MonotonicUs();
  if (timeout_us != 0) core_.stats.waitedMicroseconds += core_.now_us - before_us;
  for (int round = 1;; round++) {
    for (int i = 0; i < count; i++) Handle(events[static_cast<size_t>(i)]);
    if (count < static_cast<int>(events.size()) || round == kWaitRounds) break;
    count = core_.poller.Wait(events, 0);
  }
}

void Reactor::Handle(const epoll_event& event) {
  const PollTag tag = PollTag::Unpack(event.data.u64);
  switch (tag.kind) {
    case PollKind::kClient:
    case PollKind::kServer: return Mark(tag, event.events);
    case PollKind::kListener: return acceptor_.Ready(tag.id);
    case PollKind::kSocketSource: return connector_.SocketsReady();
    case PollKind::kOutside: outside_ready_ = true; return;
  }
}

void Reactor::Mark(PollTag tag, uint32_t events) {
  Connection* connection = core_.table.Find(tag.id);
  if (connection == nullptr || connection->state == ConnectionState::kEnded) return;
  Endpoint& end = connection->end[tag.kind == PollKind::kClient ? kClient : kServer];
  if ((events & EPOLLOUT) != 0) end.writable = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) end.readable = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP)) != 0) end.hangup = true;
  if ((events & EPOLLERR) != 0) end.failed = true;
  core_.Enqueue(connection);
}

void Reactor::FireTimers() {
  while (core_.events.HasRoom()) {
    Timer* timer = core_.timers.TakeDue(core_.now_us);
    if (timer == nullptr) return;
    const int32_t owner = timer->owner;
    switch (timer->kind) {
      case TimerKind::kConnection: ConnectionTimer(owner); break;
      case TimerKind::kListener: acceptor_.TimerFired(owner); break;
      case TimerKind::kCommand:
        command_timers_.erase(owner);
        core_.events.TimerFired(owner);
        break;
      case TimerKind::kRetry: core_.FireRetries(); break;
      case TimerKind::kDrain: core_.Retry(owner); break;
    }
  }
}

void Reactor::ConnectionTimer(int32_t id) {
  Connection* connection = core_.table.Find(id);
  if (connection == nullptr || connection->state == ConnectionState::kEnded) return;
  if (connection->state != ConnectionState::kForwarding) return connector_.TimedOut(connection);
  if (IsHttp(connection)) return http_.TimerFired(connection);
  const uint64_t idle_us = uint64_t{connection->idle_ms} * 1'000;
  if (idle_us == 0) return;
  const uint64_t since_us = core_.now_us - idle_us;
  // Bytes only leave a time stamp; the timer looks at it when it would fire.
  if (connection->active_us > since_us) {
    core_.timers.Arm(&connection->timer, connection->active_us + idle_us);
  } else if (pairing_.ActiveSince(*connection, since_us)) {
    core_.timers.Arm(&connection->timer, core_.now_us + idle_us);
  } else {
    core_.End(connection, kDoneIdle, 0, Ending::kFin);
  }
}

void Reactor::ServeReady() {
  int64_t spent = 0;
  while (spent < kTurnCost && core_.events.HasRoom()) {
    int64_t allowance = 0;
    ReadyItem* item = core_.scheduler.Take(&allowance);
    if (item == nullptr) return;
    const int64_t cost = Serve(item, allowance);
    core_.scheduler.Charge(cost);
    spent += cost;
  }
}

int64_t Reactor::Serve(ReadyItem* item, int64_t allowance) {
  constexpr int64_t kLookCost = 512;
  if (item->ready_kind == ReadyKind::kListener) {
    // A flood of new connections leaves the pod's established ones their half of each quantum.
    return acceptor_.Serve(static_cast<Listener*>(item), allowance / 2);
  }
  auto* connection = static_cast<Connection*>(item);
  // Before it forwards, a client's bytes and FIN wait in its socket; only its reset matters.
  if (connection->state != ConnectionState::kForwarding && connection->end[kClient].failed) {
    connection->end[kClient].failed = false;
    if (const int error = TakeSocketError(connection->end[kClient].fd.get())) {
      core_.End(connection, kDoneClientReset, error, Ending::kReset);
      return kLookCost;
    }
  }
  if (connection->state == ConnectionState::kConnecting && !connector_.Finish(connection))
    return kLookCost;
  if (connection->state != ConnectionState::kForwarding) return kLookCost;
  if (IsHttp(connection)) return http_.Serve(connection, allowance);
  return forwarder_.Serve(connection, allowance);
}

bool Reactor::IsHttp(const Connection* connection) {
  return connection->http != nullptr && !http::Engine::InTunnel(connection);
}

bool Reactor::ShareFds(int32_t id, std::pair<int, int>* fds) {
  Connection* connection = core_.table.Find(id);
  if (connection == nullptr || connection->state != ConnectionState::kForwarding) return false;
  // Between its requests it has no leg of its own.
  if (IsHttp(connection)) return false;
  // It may be paired any moment, with slots that whoever gets the descriptors would not know.
  if (connection->acceleration != nullptr && connection->acceleration->pairing) return false;
  connection->shared = true;
  *fds = {connection->end[kClient].fd.get(), connection->end[kServer].fd.get()};
  return true;
}

ConnectionProgress Reactor::ProgressOf(int32_t id) const {
  ConnectionProgress progress;
  const Connection* connection = core_.table.Find(id);
  if (connection == nullptr || connection->state != ConnectionState::kForwarding) return progress;
  const Acceleration* acceleration = connection->acceleration.get();
  for (const Side from : {kClient, kServer}) {
    progress.proxied[from] = connection->flow[from].bytes;
    if (acceleration == nullptr) continue;
    progress.direct[from] = acceleration->direct_bytes[from];
    if (!acceleration->paired) continue;
    progress.direct[from] = core_.maps.ReadStats(acceleration->slot[from]).direct_bytes -
                            acceleration->direct_base[from];
  }
  return progress;
}

}  // namespace sluice
