// A client's connection between requests: reading heads, refusing bad ones, ending in order.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

#include "http/engine.h"
#include "reactor/socket_ops.h"

namespace sluice::http {

namespace {

// Enough for nearly every head; what is pipelined behind it stays in the socket.
constexpr size_t kHeadReadBytes = 16 * 1024;
// What a turn of a connection costs besides its bytes, in bytes: some system calls.
constexpr int64_t kServeCost = 4 * 1024;
constexpr uint64_t kLingerUs = 2'000'000;
// Of what a refused client goes on sending.
constexpr uint64_t kMostLingerBytes = 1 << 20;
// How a client of HTTP/2 begins, up to its first empty line (RFC 9113, 3.4).
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\n";
constexpr uint32_t kGenerationBits = 32 - ConnectionTable::kSlotBits;

int StatusOf(HeadError error) {
  switch (error) {
    case HeadError::kTooLarge:
    case HeadError::kTooManyFields: return 431;
    case HeadError::kVersion: return 505;
    case HeadError::kTimeout: return 408;
    default: return 400;
  }
}

}  // namespace

void Engine::SetDeadline(Connection* connection, uint64_t deadline_us) {
  ClientOf(connection)->deadline_us = deadline_us;
  // A timer that fires too early looks here and goes on; one that would be late is moved.
  if (deadline_us == 0) return;
  if (connection->timer.armed() && connection->timer.deadline_us <= deadline_us) return;
  core_->timers.Arm(&connection->timer, deadline_us);
}

int64_t Engine::Serve(Connection* connection, int64_t allowance) {
  if (!connection->http->is_client) return ServeUpstream(connection, allowance);
  int64_t moved = 0;
  const Outcome outcome = ServeClient(connection, allowance, &moved);
  const int64_t cost = kServeCost + moved;
  if (outcome == Outcome::kGone) return cost;
  if (outcome == Outcome::kMore) core_->Enqueue(connection);
  sluice::Endpoint& end = connection->end[kClient];
  // A reset that no read has met.
  if (end.failed && outcome == Outcome::kWaits) {
    end.failed = false;
    if (const int error = TakeSocketError(end.fd.get()))
      core_->End(connection, kDoneClientReset, error, Ending::kReset);
  }
  return cost;
}

Engine::Outcome Engine::ServeClient(Connection* connection, int64_t allowance, int64_t* moved) {
  for (;;) {
    const ClientState before = ClientOf(connection)->state;
    const Outcome flushed = Flush(connection, kClient);
    if (flushed == Outcome::kGone) return ClientGone(connection);
    // What cannot be said now must not keep an upstream from hearing the rest of a request.
    if (flushed == Outcome::kWaits && before != ClientState::kExchange) return Outcome::kWaits;
    const Outcome outcome = StepClient(connection, allowance, moved);
    if (outcome == Outcome::kGone) return outcome;
    if (ClientOf(connection)->state == ClientState::kUndecided) return Outcome::kWaits;
    if (outcome == Outcome::kWaits && ClientOf(connection)->state == before) return outcome;
    if (*moved >= allowance || !core_->events.HasRoom()) return Outcome::kMore;
  }
}

Engine::Outcome Engine::StepClient(Connection* connection, int64_t allowance, int64_t* moved) {
  switch (ClientOf(connection)->state) {
    case ClientState::kHead: return ReadRequest(connection);
    case ClientState::kUndecided: return Outcome::kWaits;
    case ClientState::kExchange: return Exchange(connection, allowance, moved);
    case ClientState::kFlush: return FinishStream(connection);
    case ClientState::kLinger: return Linger(connection);
    case ClientState::kTunnel: return Outcome::kWaits;
  }
  return Outcome::kWaits;
}

Engine::Outcome Engine::ClientGone(Connection* connection) {
  core_->End(connection, kDoneClientReset, connection->end[kClient].error, Ending::kReset);
  return Outcome::kGone;
}

Engine::Outcome Engine::ReadRequest(Connection* connection) {
  ClientPart* part = ClientOf(connection);
  Carry& carry = part->carry;
  const size_t most = part->settings.most_head_bytes;
  for (;;) {
    if (!carry.empty()) {
      const int32_t found = part->scanner.Scan(carry.data(), carry.size(), most);
      if (found < 0) return Refuse(connection, part->scanner.error());
      if (found > 0) {
        const Outcome outcome =
            Found(connection, carry.data(), static_cast<size_t>(found), carry.size());
        if (outcome == Outcome::kWaits) UseCarry(connection, static_cast<size_t>(found));
        return outcome;
      }
      TimeHead(connection);
    }
    if (!connection->end[kClient].readable) break;
    const ssize_t received = Receive(connection, kClient, read_buffer(), kHeadReadBytes);
    if (received == -EAGAIN) break;
    if (received < 0) return ClientGone(connection);
    if (received == 0) {
      // Between requests, or inside a head that nobody will answer.
      if (!carry.empty()) core_->stats.httpTruncated++;
      core_->End(connection, kDoneClosed, 0, Ending::kFin);
      return Outcome::kGone;
    }
    const auto size = static_cast<size_t>(received);
    connection->active_us = core_->now_us;
    connection->flow[kClient].bytes += size;
    if (!carry.empty()) {
      AddCarry(connection, read_buffer(), size);
      continue;
    }
    const int32_t found = part->scanner.Scan(read_buffer(), size, most);
    if (found < 0) return Refuse(connection, part->scanner.error());
    const auto used = static_cast<size_t>(found);
    const Outcome outcome =
        found == 0 ? Outcome::kMore : Found(connection, read_buffer(), used, size);
    if (outcome == Outcome::kGone) return outcome;
    if (outcome == Outcome::kWaits) {
      AddCarry(connection, read_buffer() + used, size - used);
      return outcome;
    }
    if (part->state != ClientState::kHead) return outcome;
    AddCarry(connection, read_buffer(), size);
    TimeHead(connection);
    if (found != 0) return Outcome::kMore;
  }
  return Outcome::kWaits;
}

// From its first byte on a head has so much time, however it trickles in.
void Engine::TimeHead(Connection* connection) {
  ClientPart* part = ClientOf(connection);
  if (part->head_timed || part->settings.head_timeout_ms == 0) return;
  part->head_timed = true;
  SetDeadline(connection, core_->now_us + uint64_t{part->settings.head_timeout_ms} * 1'000);
}

Engine::Outcome Engine::Found(Connection* connection, const uint8_t* data, size_t head_size,
                              size_t size) {
  const std::string_view head(reinterpret_cast<const char*>(data), head_size);
  if (head == kHttp2Preface && !ClientOf(connection)->had_request)
    return BecomeOpaque(connection, data, size);
  return FoundHead(connection, data, head_size);
}

// HTTP/2 is carried as bytes. kGone: the engine has no part in it any more.
Engine::Outcome Engine::BecomeOpaque(Connection* connection, const uint8_t* data, size_t size) {
  if (!core_->events.HasRoom()) {
    ClientOf(connection)->scanner.Reset();
    return Outcome::kMore;
  }
  const std::vector<uint8_t> early(data, data + size);
  UseCarry(connection, connection->http->carry.size());
  core_->timers.Cancel(&connection->timer);
  connection->http.reset();
  connection->state = ConnectionState::kUndecided;
  // Counted as they go out.
  connection->flow[kClient].bytes = 0;
  core_->Keep(connection, kClient, early.data(), static_cast<uint32_t>(size));
  core_->events.BecameOpaque(connection->id);
  return Outcome::kGone;
}

// kWaits: TypeScript has it, and its bytes are used. kMore: there is no room to tell it now.
Engine::Outcome Engine::FoundHead(Connection* connection, const uint8_t* data, size_t size) {
  ClientPart* part = ClientOf(connection);
  if (!core_->events.HasRoom()) {
    part->scanner.Reset();
    return Outcome::kMore;
  }
  part->head_timed = false;
  const uint32_t skipped = part->scanner.skipped();
  part->scanner.Reset();
  std::unique_ptr<Stream> stream = NewStream();
  stream->bytes.assign(data + skipped, data + size);
  Head& head = stream->head;
  if (!ParseRequest(stream->bytes.data(), stream->bytes.size(), &head))
    return Refuse(connection, head.error);
  const uint32_t slot = static_cast<uint32_t>(connection->id) & (ConnectionTable::kMaxSlots - 1);
  if (slot >= stream_generations_.size()) stream_generations_.resize(slot + 64);
  uint16_t& generation = stream_generations_[slot];
  generation = static_cast<uint16_t>((generation + 1) % (1u << kGenerationBits));
  if (generation == 0) generation = 1;
  stream->id = static_cast<int32_t>(slot | uint32_t{generation} << ConnectionTable::kSlotBits);
  stream->client = connection;
  stream->started_us = core_->now_us;
  if (head.coding == Coding::kChunked) {
    stream->request.kind = BodyKind::kChunked;
    stream->request.done = false;
  } else if (head.coding == Coding::kLength && head.content_length != 0) {
    stream->request.kind = BodyKind::kLength;
    stream->request.left = head.content_length;
    stream->request.done = false;
  }
  part->state = ClientState::kUndecided;
  part->had_request = true;
  part->close = false;
  SetDeadline(connection, 0);
  core_->stats.httpRequests++;
  core_->events.Request(*connection, *stream);
  part->stream = std::move(stream);
  return Outcome::kWaits;
}

// A message that is no HTTP, or that another parser could read differently.
Engine::Outcome Engine::Refuse(Connection* connection, HeadError error) {
  ClientPart* part = ClientOf(connection);
  const int status = StatusOf(error);
  core_->stats.httpRefused++;
  core_->events.Rejected(connection->id, static_cast<int32_t>(error), status);
  UseCarry(connection, part->carry.size());
  out_.Clear();
  WriteOwnResponse(status, "", "", true, false, &out_);
  if (!Write(connection, kClient, out_.data(), out_.size())) return ClientGone(connection);
  return StartLinger(connection);
}

// Bad framing in the body of a request.
Engine::Outcome Engine::RefuseStream(Stream* stream, HeadError error) {
  Connection* connection = stream->client;
  ClientPart* part = ClientOf(connection);
  Detach(stream, Ending::kReset);
  if (stream->forwarded) {
    stream->reason = kStreamBadRequest;
    stream->error = static_cast<int>(error);
    core_->End(connection, kDoneRefused, 0, Ending::kReset);
    return Outcome::kGone;
  }
  stream->status = StatusOf(error);
  stream->error = static_cast<int>(error);
  TellDone(stream, kStreamBadRequest);
  DropStream(part);
  return Refuse(connection, error);
}

// The response is all with the kernel.
Engine::Outcome Engine::FinishStream(Connection* connection) {
  ClientPart* part = ClientOf(connection);
  Stream* stream = part->stream.get();
  const bool unread = !stream->request.done;
  TellDone(stream, stream->reason);
  DropStream(part);
  if (part->close && (unread || !part->carry.empty())) return StartLinger(connection);
  if (part->close) {
    core_->End(connection, kDoneClosed, 0, Ending::kFin);
    return Outcome::kGone;
  }
  part->state = ClientState::kHead;
  if (part->settings.idle_ms != 0)
    SetDeadline(connection, core_->now_us + uint64_t{part->settings.idle_ms} * 1'000);
  return Outcome::kMore;
}

// Closing with unread bytes would send a reset, which may overtake the answer.
Engine::Outcome Engine::StartLinger(Connection* connection) {
  ClientPart* part = ClientOf(connection);
  part->state = ClientState::kLinger;
  UseCarry(connection, part->carry.size());
  SetDeadline(connection, core_->now_us + kLingerUs);
  return Outcome::kMore;
}

Engine::Outcome Engine::Linger(Connection* connection) {
  Flow& flow = connection->flow[kServer];
  if (!flow.shut) shutdown(connection->end[kClient].fd.get(), SHUT_WR);
  flow.shut = true;
  uint64_t thrown_away = 0;
  while (connection->end[kClient].readable) {
    const ssize_t received = Receive(connection, kClient, read_buffer(), kReadBytes);
    if (received == -EAGAIN) break;
    if (received > 0) {
      thrown_away += static_cast<uint64_t>(received);
      connection->flow[kClient].bytes += static_cast<uint64_t>(received);
      if (thrown_away <= kMostLingerBytes) continue;
    }
    core_->End(connection, kDoneClosed, 0, Ending::kFin);
    return Outcome::kGone;
  }
  return Outcome::kWaits;
}

void Engine::TimerFired(Connection* connection) {
  if (!connection->http->is_client) {
    UpstreamPart* upstream = UpstreamOf(connection);
    if (!upstream->idle || upstream->idle_until_us == 0) return;
    if (core_->now_us < upstream->idle_until_us) {
      core_->timers.Arm(&connection->timer, upstream->idle_until_us);
      return;
    }
    return core_->End(connection, kDoneIdle, 0, Ending::kFin);
  }
  ClientPart* part = ClientOf(connection);
  if (part->deadline_us == 0) return;
  if (core_->now_us < part->deadline_us)
    return core_->timers.Arm(&connection->timer, part->deadline_us);
  part->deadline_us = 0;
  switch (part->state) {
    case ClientState::kHead:
      if (part->carry.empty()) return core_->End(connection, kDoneIdle, 0, Ending::kFin);
      if (Refuse(connection, HeadError::kTimeout) != Outcome::kGone) core_->Enqueue(connection);
      return;
    case ClientState::kExchange:
      UpstreamLost(part->stream.get(), kAttemptTimeout, ETIMEDOUT);
      return;
    case ClientState::kLinger: return core_->End(connection, kDoneClosed, 0, Ending::kFin);
    case ClientState::kUndecided:
    case ClientState::kFlush:
    case ClientState::kTunnel: return;
  }
}

}  // namespace sluice::http
