// The engine's socket calls: as the forwarder's, but an error is a value here, since a request that
// failed on one connection may succeed on another.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "http/engine.h"
#include "reactor/socket_ops.h"

namespace sluice::http {

ssize_t Engine::Receive(Connection* connection, Side from, uint8_t* to, size_t size) {
  sluice::Endpoint& source = connection->end[from];
  if (source.error != 0) return -source.error;
  for (;;) {
    const ssize_t received = recv(source.fd.get(), to, size, 0);
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) source.error = errno;
      source.readable = false;
      return -errno;
    }
    // A short read means drained, but for a FIN that was seen before, and for two queues.
    const bool drained = static_cast<size_t>(received) < size && !source.hangup;
    if (received == 0 || (drained && !source.accelerated)) source.readable = false;
    return received;
  }
}

int64_t Engine::Send(Connection* connection, Side to, const uint8_t* data, size_t size) {
  const Side from = Other(to);
  sluice::Endpoint& target = connection->end[to];
  size_t allowed = size;
  if (connection->acceleration != nullptr) {
    allowed = pairing_->Allowance(connection, to, static_cast<uint32_t>(size));
    if (allowed < size) {
      core_->stats.holds++;
      connection->flow[from].held = true;
      core_->RetryAfterDrain(connection, connection->acceleration->drain_wait_us[to]);
      if (allowed == 0) return 0;
    }
  }
  size_t sent = 0;
  while (sent < allowed) {
    const ssize_t taken = send(target.fd.get(), data + sent, allowed - sent, MSG_NOSIGNAL);
    if (taken < 0) {
      if (errno == EINTR) continue;
      const int error = errno;
      const bool scarce = error == ENOMEM || error == ENOBUFS;
      if (error != EAGAIN && !scarce) return -error;
      target.writable = false;
      // Where nothing is to be acknowledged, as after redirects, no event will tell of room.
      if (scarce || (target.accelerated && UnacknowledgedBytes(target.fd.get()) == 0)) {
        core_->stats.sendRetries++;
        target.writable = true;
        connection->flow[from].held = true;
        core_->RetrySoon(connection);
      }
      break;
    }
    sent += static_cast<size_t>(taken);
    if (sent == allowed || target.accelerated) continue;
    target.writable = false;
    break;
  }
  connection->flow[from].bytes += sent;
  (from == kClient ? core_->stats.bytesFromClients : core_->stats.bytesFromServers) += sent;
  if (connection->acceleration != nullptr) pairing_->Sent(connection, to, sent);
  return static_cast<int64_t>(sent);
}

bool Engine::Write(Connection* connection, Side to, const uint8_t* data, size_t size) {
  const Side from = Other(to);
  Flow& flow = connection->flow[from];
  if (flow.pending != nullptr) {
    const uint32_t waiting = flow.pending_end - flow.pending_begin;
    std::vector<uint8_t> all(waiting + size);
    std::memcpy(all.data(), flow.pending.get() + flow.pending_begin, waiting);
    if (size != 0) std::memcpy(all.data() + waiting, data, size);
    core_->DropPending(connection, from);
    core_->Keep(connection, from, all.data(), static_cast<uint32_t>(all.size()));
    return true;
  }
  if (size == 0) return true;
  const int64_t sent = flow.held ? 0 : Send(connection, to, data, size);
  if (sent < 0) return false;
  const auto taken = static_cast<size_t>(sent);
  const auto left = static_cast<uint32_t>(size - taken);
  if (left != 0) core_->Keep(connection, from, data + taken, left);
  return true;
}

Engine::Outcome Engine::Flush(Connection* connection, Side to) {
  const Side from = Other(to);
  Flow& flow = connection->flow[from];
  if (flow.pending == nullptr) return flow.held ? Outcome::kWaits : Outcome::kMore;
  if (flow.held || !connection->end[to].writable) return Outcome::kWaits;
  const uint32_t size = flow.pending_end - flow.pending_begin;
  const int64_t sent = Send(connection, to, flow.pending.get() + flow.pending_begin, size);
  if (sent < 0) return Outcome::kGone;
  flow.pending_begin += static_cast<uint32_t>(sent);
  if (flow.pending_begin < flow.pending_end) return Outcome::kWaits;
  core_->DropPending(connection, from);
  return Outcome::kMore;
}

// That side's app has a full queue that TCP does not bound: nothing is read for it.
bool Engine::HeldBack(Connection* connection, Side to) {
  if (!pairing_->StillFull(connection, to)) return false;
  core_->stats.holds++;
  connection->flow[Other(to)].held = true;
  core_->RetryAfterDrain(connection, connection->acceleration->drain_wait_us[to]);
  return true;
}

void Engine::SetCarry(Connection* connection, const uint8_t* data, size_t size) {
  UseCarry(connection, connection->http->carry.size());
  AddCarry(connection, data, size);
}

void Engine::AddCarry(Connection* connection, const uint8_t* data, size_t size) {
  if (size == 0) return;
  Carry& carry = connection->http->carry;
  std::vector<uint8_t>& bytes = carry.bytes;
  // What is used goes first, or a client that pipelines without end would grow it without end.
  if (carry.begin != 0) {
    connection->pod->buffered_bytes -= carry.begin;
    core_->stats.bufferedBytes -= carry.begin;
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(carry.begin));
    carry.begin = 0;
  }
  bytes.insert(bytes.end(), data, data + size);
  connection->pod->buffered_bytes += size;
  core_->stats.bufferedBytes += size;
}

void Engine::UseCarry(Connection* connection, size_t size) {
  Carry& carry = connection->http->carry;
  carry.begin += size;
  if (!carry.empty()) return;
  connection->pod->buffered_bytes -= carry.bytes.size();
  core_->stats.bufferedBytes -= carry.bytes.size();
  std::vector<uint8_t>().swap(carry.bytes);
  carry.begin = 0;
}

}  // namespace sluice::http
