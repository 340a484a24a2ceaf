#include "reactor/connector.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "reactor/socket_ops.h"

namespace sluice {

Connector::Connector(Core* core, std::unique_ptr<SocketSource> sockets)
    : core_(core), sockets_(std::move(sockets)) {}

int Connector::Open() {
  if (sockets_->notification_fd() < 0) return 0;
  return core_->poller.Add(sockets_->notification_fd(), EPOLLIN, {PollKind::kSocketSource, 0});
}

void Connector::AddNamespace(uint32_t netns, int netns_fd, uint32_t ready) {
  const int error = sockets_->AddNamespace(netns, netns_fd, ready);
  if (error == 0) return;
  core_->events.NetnsFailed(netns, false, -error);
}

void Connector::RemoveNamespace(uint32_t netns) {
  sockets_->RemoveNamespace(netns);
  FailWaiting(WaitKey(netns, false), ENOENT);
  FailWaiting(WaitKey(netns, true), ENOENT);
}

bool Connector::Start(Connection* connection, const ConnectRequest& request) {
  if (connection->state != ConnectionState::kUndecided) return false;
  // Still untold: it was given up before TypeScript's answer to an older attempt came.
  if (connection->pending_events != 0) return false;
  connection->attempt = request.attempt;
  connection->connect_started_us = core_->now_us;
  connection->request = std::make_unique<ConnectRequest>(request);
  const uint64_t deadline_us = core_->now_us + uint64_t{request.timeout_ms} * 1'000;
  if (request.timeout_ms != 0) core_->timers.Arm(&connection->timer, deadline_us);
  const uint64_t key = KeyOf(request);
  // Those that wait come first, or a stream of new ones would take all that is made for them.
  if (waiting_.contains(key)) {
    WaitForSocket(connection, key);
  } else {
    Attempt(connection);
  }
  return true;
}

// A notice follows: somebody has met an empty pool.
void Connector::WaitForSocket(Connection* connection, uint64_t key) {
  connection->state = ConnectionState::kNoSocket;
  core_->stats.socketWaits++;
  waiting_[key].push_back(connection->id);
}

void Connector::Attempt(Connection* connection) {
  const ConnectRequest& request = *connection->request;
  const bool ipv6 = !IsIpv4(request.destination.addr);
  const int taken = sockets_->Take(request.netns, ipv6);
  if (taken == -EAGAIN) return WaitForSocket(connection, KeyOf(request));
  if (taken < 0) return Fail(connection, -taken);
  UniqueFd fd(taken);
  connection->leg_place.reset();
  connection->state = ConnectionState::kConnecting;
  const int error = Configure(connection, fd.get(), request);
  if (error != 0) return Fail(connection, error);
  connection->end[kServer].fd = std::move(fd);
  connection->request.reset();
}

int Connector::Configure(Connection* connection, int fd, const ConnectRequest& request) {
  ResetOnClose(fd);
  if (!IsUnspecified(request.source)) {
    if (const int error = BindSource(fd, request.source)) return error;
  }
  connection->leg_cookie = SocketCookie(fd);
  if (request.leg_flags != 0) {
    // Before connect(2): the kernel reads it when the SYN is about to leave.
    const sluice_leg leg{request.client.addr, request.client.port, request.leg_flags,
                         core_->maps.generation()};
    if (const int error = core_->maps.SetLegIntent(fd, leg)) return error;
  }
  Endpoint& server = connection->end[kServer];
  server.accelerated = (request.leg_flags & (SLUICE_LEG_ACCEL_AUTO | SLUICE_LEG_ACCEL_FULL)) != 0;
  if ((request.leg_flags & SLUICE_LEG_ACCEL_FULL) != 0) {
    if (connection->acceleration == nullptr)
      connection->acceleration = std::make_unique<Acceleration>();
    connection->acceleration->limited[kServer] = true;
  }
  const int error = StartConnect(fd, request.destination);
  if (error != 0 && error != EINPROGRESS) return error;
  // Only now: an unconnected socket polls as hung up.
  return core_->poller.Add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                           {PollKind::kServer, connection->id});
}

bool Connector::Finish(Connection* connection) {
  Endpoint& server = connection->end[kServer];
  if (!server.failed && !server.writable) return false;
  const int error = TakeSocketError(server.fd.get());
  if (error != 0) {
    Fail(connection, error);
    return false;
  }
  core_->timers.Cancel(&connection->timer);
  server.failed = false;
  server.writable = true;
  connection->end[kClient].writable = true;
  SocketAddress local;
  if (LocalAddress(server.fd.get(), &local)) connection->local_port = local.port;
  connection->connect_us = static_cast<uint32_t>(core_->now_us - connection->connect_started_us);
  connection->state = ConnectionState::kForwarding;
  connection->active_us = core_->now_us;
  if (connection->idle_ms != 0) {
    core_->timers.Arm(&connection->timer, core_->now_us + uint64_t{connection->idle_ms} * 1'000);
  }
  core_->stats.connected++;
  if (connection->http == nullptr) core_->events.Tell(connection, kPendingConnected);
  return true;
}

// Back to undecided: TypeScript tries another endpoint, or gives up.
void Connector::Fail(Connection* connection, int error) {
  core_->timers.Cancel(&connection->timer);
  connection->end[kServer] = Endpoint{};
  connection->request.reset();
  connection->state = ConnectionState::kUndecided;
  connection->error = error;
  connection->connect_us = static_cast<uint32_t>(core_->now_us - connection->connect_started_us);
  if (connection->acceleration != nullptr) {
    connection->acceleration->limited[kServer] = false;
    connection->acceleration->app_cookie[kServer] = 0;
  }
  core_->stats.connectFailed++;
  if (connection->http != nullptr) return core_->http->ConnectFailed(connection, connection->error);
  core_->events.Tell(connection, kPendingConnectFailed);
}

void Connector::TimedOut(Connection* connection) { Fail(connection, ETIMEDOUT); }

// Its number stays in the queue where it gave up waiting, and it may wait in another one by now.
bool Connector::Waits(const Connection* connection, uint64_t key) {
  if (connection == nullptr || connection->state != ConnectionState::kNoSocket) return false;
  return KeyOf(*connection->request) == key;
}

void Connector::FailWaiting(uint64_t key, int error) {
  const auto found = waiting_.find(key);
  if (found == waiting_.end()) return;
  const std::deque<int32_t> ids = std::move(found->second);
  waiting_.erase(found);
  for (const int32_t id : ids) {
    Connection* connection = core_->table.Find(id);
    if (Waits(connection, key)) Fail(connection, error);
  }
}

void Connector::ServeWaiting(uint64_t key) {
  const auto found = waiting_.find(key);
  if (found == waiting_.end()) return;
  std::deque<int32_t> ids = std::move(found->second);
  waiting_.erase(found);
  while (!ids.empty()) {
    Connection* connection = core_->table.Find(ids.front());
    if (Waits(connection, key)) {
      Attempt(connection);
      // Nothing is left, and a notice follows. The others keep their order behind this one,
      // unasked: thousands may wait.
      if (connection->state == ConnectionState::kNoSocket) break;
    }
    ids.pop_front();
  }
  if (!ids.empty()) waiting_[key] = std::move(ids);
}

void Connector::SocketsReady() {
  sockets_->TakeNotices(notices_);
  for (const SocketNotice& notice : notices_) {
    const uint64_t key = WaitKey(notice.netns, notice.ipv6);
    if (notice.error == 0) {
      ServeWaiting(key);
      continue;
    }
    core_->events.NetnsFailed(notice.netns, notice.ipv6, notice.error);
    FailWaiting(key, notice.error);
  }
}

}  // namespace sluice
