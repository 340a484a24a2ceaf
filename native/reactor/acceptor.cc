#include "reactor/acceptor.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "reactor/socket_ops.h"

namespace sluice {

namespace {

// A connection costs some ten system calls until it forwards.
constexpr int64_t kAcceptCost = 8 * 1024;
constexpr uint64_t kStarvedRetryUs = 50'000;
// A moment without descriptors, as when thousands of connections are replaced at once, passes
// unseen: clients wait in the backlog. Longer than this they are better told.
constexpr uint64_t kStarvedPatienceUs = 3'000'000;
constexpr uint64_t kFailedRetryUs = 1'000'000;
constexpr uint64_t kReportEveryUs = 100'000;
// The kernel wakes the first of the idle workers that wait for a listener. Whoever goes to the end
// of that list now and then leaves connections to the others (nginx does the same, at the same
// pace).
constexpr uint32_t kRequeueAfter = 16;

// The rest is for all that is no connection: sockets made ahead, metrics, configuration, listeners
// of new pods.
int MostDescriptors() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return INT_MAX;
  const rlim_t rest = std::min<rlim_t>(limit.rlim_cur / 16, 512);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur - rest, INT_MAX));
}

bool OutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Errors of one connection that waits, or of the network: the next one may be good (accept(2),
// "Error handling").
bool OnlyThisOne(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPERM:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT: return true;
    default: return false;
  }
}

}  // namespace

Acceptor::Acceptor(Core* core) : core_(core), most_descriptors_(MostDescriptors()) {}

int Acceptor::Watch(Listener* listener) {
  const int error = core_->poller.Add(listener->fd.get(), EPOLLIN | EPOLLEXCLUSIVE,
                                      {PollKind::kListener, listener->number});
  listener->watched = error == 0;
  return error;
}

void Acceptor::Listen(const ListenRequest& request) {
  auto fail = [&](int error) {
    core_->events.ListenerState(request.listener, kListenerFailed, 0, error);
  };
  if (listeners_.contains(request.listener)) return fail(EEXIST);
  auto listener = std::make_unique<Listener>();
  listener->number = request.listener;
  listener->timer.owner = request.listener;
  listener->direction = request.direction;
  listener->fd.reset(fcntl(request.fd, F_DUPFD_CLOEXEC, 0));
  if (!listener->fd.valid()) return fail(errno);
  if (const int error = PrepareListener(listener->fd.get())) return fail(error);
  if (const int error = Watch(listener.get())) return fail(error);
  Pod* pod = core_->UsePod(request.pod);
  pod->listeners++;
  pod->max_connections = request.max_connections;
  pod->max_buffered_bytes = request.max_buffered_bytes;
  listener->pod = pod;
  listeners_.emplace(request.listener, std::move(listener));
}

// Others may wait for the same listener, and the kernel wakes one of them for each connection: what
// it woke us for is ours. After the removal it wakes others, so what waits here is all there is.
void Acceptor::TakeWaiting(Listener* listener) {
  if (!listener->watched) return;
  core_->poller.Remove(listener->fd.get());
  listener->watched = false;
  while (core_->events.HasRoom() && TakeOne(listener) != Taken::kStop) {
  }
}

void Acceptor::Close(Listener* listener) {
  TakeWaiting(listener);
  core_->timers.Cancel(&listener->timer);
  core_->scheduler.Remove(listener->pod, listener);
  listener->pod->listeners--;
  core_->ReleasePod(listener->pod);
}

bool Acceptor::Unlisten(int32_t number) {
  const auto found = listeners_.find(number);
  if (found == listeners_.end()) return false;
  Close(found->second.get());
  listeners_.erase(found);
  return true;
}

void Acceptor::UnlistenAll() {
  for (auto& [number, listener] : listeners_) Close(listener.get());
  listeners_.clear();
}

void Acceptor::Ready(int32_t number) {
  const auto found = listeners_.find(number);
  if (found == listeners_.end()) return;
  core_->scheduler.Enqueue(found->second->pod, found->second.get());
}

// The poller is level-triggered for listeners: what is left over here comes up again in the next
// turn.
int64_t Acceptor::Serve(Listener* listener, int64_t allowance) {
  int64_t cost = kAcceptCost;
  Taken taken = TakeOne(listener);
  while (taken != Taken::kStop && cost + kAcceptCost <= allowance && core_->events.HasRoom()) {
    cost += kAcceptCost;
    taken = TakeOne(listener);
  }
  if (listener->since_requeued >= kRequeueAfter && listener->watched) {
    listener->since_requeued = 0;
    core_->poller.Remove(listener->fd.get());
    if (const int error = Watch(listener)) Pause(listener, kListenerFailed, error, kFailedRetryUs);
  }
  return cost;
}

// A connection is two descriptors, and an accepted one without its leg is of no use. The kernel
// gives out the lowest free number, so a number says how many are in use at least.
bool Acceptor::KeepPlaceForLeg() {
  if (!place_.valid()) place_ = core_->poller.KeepPlace();
  if (place_.valid() && place_.get() < most_descriptors_) return true;
  place_.reset();
  return false;
}

Acceptor::Taken Acceptor::OutOfDescriptors(Listener* listener) {
  if (core_->now_us > short_until_us_ + kStarvedPatienceUs) short_since_us_ = core_->now_us;
  short_until_us_ = core_->now_us;
  if (core_->now_us < short_since_us_ + kStarvedPatienceUs) {
    Pause(listener, kListenerNoDescriptors, EMFILE, kStarvedRetryUs);
    return Taken::kStop;
  }
  UniqueFd fd(accept4(listener->fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) return TakeFailed(listener, errno);
  Refuse(listener, std::move(fd), kListenerNoDescriptors);
  return Taken::kOne;
}

Acceptor::Taken Acceptor::TakeOne(Listener* listener) {
  if (!KeepPlaceForLeg()) return OutOfDescriptors(listener);
  sockaddr_storage peer;
  socklen_t length = sizeof peer;
  UniqueFd fd(accept4(listener->fd.get(), reinterpret_cast<sockaddr*>(&peer), &length,
                      SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) return TakeFailed(listener, errno);
  listener->since_requeued++;
  if (listener->starved) {
    listener->starved = false;
    core_->events.ListenerState(listener->number, kListenerResumed, 0, 0);
  }
  const Pod& pod = *listener->pod;
  if (pod.max_connections != 0 && pod.connections - pod.upstreams >= pod.max_connections) {
    Refuse(listener, std::move(fd), kListenerPodLimit);
  } else if (core_->table.full()) {
    Refuse(listener, std::move(fd), kListenerTableFull);
  } else {
    Admit(listener, std::move(fd), peer);
  }
  return Taken::kOne;
}

Acceptor::Taken Acceptor::TakeFailed(Listener* listener, int error) {
  if (error == EAGAIN) return Taken::kStop;
  if (OnlyThisOne(error)) return Taken::kNone;
  if (OutOfResources(error)) {
    Pause(listener, kListenerNoDescriptors, error, kStarvedRetryUs);
  } else {
    Pause(listener, kListenerFailed, error, kFailedRetryUs);
  }
  return Taken::kStop;
}

// Without this, a listener that cannot accept would be ready for ever and the loop would spin.
void Acceptor::Pause(Listener* listener, ListenerReason reason, int error, uint64_t retry_us) {
  if (listener->watched) core_->poller.Remove(listener->fd.get());
  listener->watched = false;
  core_->stats.acceptPauses++;
  if (!listener->starved)
    core_->events.ListenerState(listener->number, reason, listener->refused, error);
  listener->starved = true;
  listener->refused = 0;
  core_->timers.Arm(&listener->timer, core_->now_us + retry_us);
}

void Acceptor::Refuse(Listener* listener, UniqueFd fd, ListenerReason reason) {
  ResetOnClose(fd.get());
  (reason == kListenerNoDescriptors ? core_->stats.refusedNoDescriptors
                                    : core_->stats.refusedOverLimit)++;
  listener->refused++;
  listener->refused_for = reason;
  // One event for a storm of refusals: the first at once, the rest when the interval is over.
  if (core_->now_us >= listener->reported_us + kReportEveryUs) {
    ReportRefused(listener);
  } else if (!listener->timer.armed()) {
    core_->timers.Arm(&listener->timer, listener->reported_us + kReportEveryUs);
  }
}

void Acceptor::ReportRefused(Listener* listener) {
  if (listener->refused == 0) return;
  core_->events.ListenerState(listener->number, listener->refused_for, listener->refused, 0);
  listener->reported_us = core_->now_us;
  listener->refused = 0;
}

void Acceptor::TimerFired(int32_t number) {
  const auto found = listeners_.find(number);
  if (found == listeners_.end()) return;
  Listener* listener = found->second.get();
  if (!listener->watched) {
    if (const int error = Watch(listener))
      return Pause(listener, kListenerFailed, error, kFailedRetryUs);
  }
  ReportRefused(listener);
}

bool Acceptor::Identify(const Listener& listener, int fd, const sockaddr_storage& peer,
                        AcceptedInfo* info) const {
  if (!FromSockaddr(peer, &info->peer) || !LocalAddress(fd, &info->local)) return false;
  info->pod = listener.pod->number;
  info->leg_cookie = SocketCookie(fd);
  if (!IsIpv4(info->peer.addr)) info->flags |= kAcceptIpv6;
  if (listener.direction != kDirectionOutbound || !core_->maps.has_origins()) return true;
  if (core_->maps.FindOrigin(info->local, info->peer, &info->origin) == 0) {
    info->flags |= kAcceptOriginFound;
  }
  return true;
}

void Acceptor::Admit(Listener* listener, UniqueFd fd, const sockaddr_storage& peer) {
  AcceptedInfo info;
  if (!Identify(*listener, fd.get(), peer, &info)) return;  // it went away meanwhile
  Connection* connection = core_->table.Add();
  const int error = core_->poller.Add(fd.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                      {PollKind::kClient, connection->id});
  if (error != 0) {
    core_->table.Remove(connection);
    Refuse(listener, std::move(fd), kListenerNoDescriptors);
    return;
  }
  connection->state = ConnectionState::kUndecided;
  connection->end[kClient].fd = std::move(fd);
  connection->leg_place = std::move(place_);
  connection->pod = listener->pod;
  connection->listener = listener->number;
  connection->peer_port = info.peer.port;
  connection->accepted_us = core_->now_us;
  connection->active_us = core_->now_us;
  listener->pod->connections++;
  const uint16_t flags = info.origin.flags;
  connection->end[kClient].accelerated =
      (flags & (SLUICE_POD_ACCEL_AUTO | SLUICE_POD_ACCEL_FULL)) != 0;
  if ((flags & SLUICE_POD_ACCEL_FULL) != 0) {
    connection->acceleration = std::make_unique<Acceleration>();
    connection->acceleration->app_cookie[kClient] = info.origin.client_cookie;
    connection->acceleration->limited[kClient] = true;
  }
  core_->stats.accepted++;
  if ((info.flags & kAcceptIpv6) != 0) core_->stats.acceptedIpv6++;
  core_->events.Accepted(*connection, info);
  // Nobody may reach this listener but through the mesh's hooks, and those publish before the SYN
  // leaves.
  const bool must_be_published =
      listener->direction == kDirectionOutbound && core_->maps.has_origins();
  if (must_be_published && (info.flags & kAcceptOriginFound) == 0) {
    core_->stats.unpublished++;
    core_->End(connection, kDoneUnpublished, 0, Ending::kReset);
  }
}

}  // namespace sluice
