// A request on its way to an upstream, and what becomes of it when that one fails.
#include <netinet/in.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "http/engine.h"

namespace sluice::http {

namespace {

// A body up to this size can be sent again, to another endpoint or on a fresh connection.
constexpr size_t kMostKeptBytes = 64 * 1024;
constexpr size_t kChunkedReadBytes = 64 * 1024;
// Still read at a time when a pod holds all it may.
constexpr size_t kOverLimitBytes = 4 * 1024;

}  // namespace

Engine::Outcome Engine::Exchange(Connection* client, int64_t allowance, int64_t* moved) {
  ClientPart* part = ClientOf(client);
  Stream* stream = part->stream.get();
  if (stream->upstream == nullptr) return UpstreamLost(stream, kAttemptReset, stream->error);
  const Outcome request = PumpRequest(client, allowance, moved);
  if (request == Outcome::kGone) return request;
  if (part->state != ClientState::kExchange) return Outcome::kMore;
  const Outcome response = PumpResponse(client, allowance, moved);
  if (response == Outcome::kGone) return response;
  return request == Outcome::kMore ? request : response;
}

Engine::Outcome Engine::PumpRequest(Connection* client, int64_t allowance, int64_t* moved) {
  ClientPart* part = ClientOf(client);
  Stream* stream = part->stream.get();
  Connection* upstream = stream->upstream;
  UpstreamPart* up = UpstreamOf(upstream);
  if (!up->connected || up->write_broken) return Outcome::kWaits;
  const Outcome flushed = Flush(upstream, kServer);
  if (flushed == Outcome::kGone) up->write_broken = upstream->end[kServer].readable = true;
  if (flushed != Outcome::kMore) return Outcome::kWaits;
  if (!stream->head_sent && SendHead(stream) == Outcome::kMore) return Outcome::kMore;
  while (!stream->request.done) {
    const Flow& flow = upstream->flow[kClient];
    if (up->write_broken || flow.pending != nullptr || flow.held) return Outcome::kWaits;
    if (HeldBack(upstream, kServer)) return Outcome::kWaits;
    size_t used = 0;
    Outcome outcome;
    if (!part->carry.empty()) {
      outcome = TakeRequestBody(stream, part->carry.data(), part->carry.size(), &used);
      if (outcome == Outcome::kGone || part->state != ClientState::kExchange) return outcome;
      UseCarry(client, used);
      continue;
    }
    if (!client->end[kClient].readable) return Outcome::kWaits;
    if (*moved >= allowance) return Outcome::kMore;
    size_t most = kChunkedReadBytes;
    if (stream->request.kind == BodyKind::kLength)
      most = static_cast<size_t>(std::min<uint64_t>(stream->request.left, kReadBytes));
    if (client->pod->over_buffer_limit()) most = std::min(most, kOverLimitBytes);
    const ssize_t received = Receive(client, kClient, read_buffer(), most);
    if (received == -EAGAIN) return Outcome::kWaits;
    if (received <= 0) return ClientGone(client);
    const auto size = static_cast<size_t>(received);
    *moved += received;
    client->active_us = core_->now_us;
    client->flow[kClient].bytes += size;
    outcome = TakeRequestBody(stream, read_buffer(), size, &used);
    if (outcome == Outcome::kGone || part->state != ClientState::kExchange) return outcome;
    AddCarry(client, read_buffer() + used, size - used);
  }
  return Outcome::kWaits;
}

// With what was sent of the body before, when this is another attempt.
Engine::Outcome Engine::SendHead(Stream* stream) {
  Connection* client = stream->client;
  Carry& carry = client->http->carry;
  out_.Clear();
  WriteRequestHead(stream->bytes.data(), stream->head,
                   Edits(stream->edits.data(), stream->edits.size()), &out_);
  out_.Add(stream->kept.data(), stream->kept.size());
  Body& body = stream->request;
  if (body.kind == BodyKind::kLength && !body.done && !carry.empty()) {
    const size_t size = static_cast<size_t>(std::min<uint64_t>(body.left, carry.size()));
    if (stream->kept.size() + size <= kMostKeptBytes && size <= out_.room()) {
      out_.Add(carry.data(), size);
      stream->kept.insert(stream->kept.end(), carry.data(), carry.data() + size);
      body.left -= size;
      body.bytes += size;
      body.done = body.left == 0;
      UseCarry(client, size);
    }
  }
  if (out_.overflowed()) {
    Detach(stream, Ending::kReset);
    AttemptFailed(stream, kAttemptTooLarge, 0);
    return Outcome::kMore;
  }
  stream->head_sent = true;
  UpstreamPart* up = UpstreamOf(stream->upstream);
  if (stream->head.http10 && !stream->head.has_host) up->reusable = false;
  if (!Write(stream->upstream, kServer, out_.data(), out_.size()))
    up->write_broken = stream->upstream->end[kServer].readable = true;
  return Outcome::kWaits;
}

// kGone, or another state than before: the request is no more.
Engine::Outcome Engine::TakeRequestBody(Stream* stream, const uint8_t* data, size_t size,
                                        size_t* used) {
  Body& body = stream->request;
  if (body.kind == BodyKind::kLength) {
    *used = static_cast<size_t>(std::min<uint64_t>(body.left, size));
    body.left -= *used;
    body.bytes += *used;
    body.done = body.left == 0;
    SendRequestBytes(stream, data, *used);
    return Outcome::kMore;
  }
  out_.Clear();
  const uint8_t* at = data;
  for (;;) {
    const uint8_t* piece = nullptr;
    size_t piece_size = 0;
    switch (body.chunks.Next(&at, data + size, &piece, &piece_size)) {
      case ChunkedDecoder::Step::kBad: return RefuseStream(stream, body.chunks.error());
      case ChunkedDecoder::Step::kData:
        body.bytes += piece_size;
        out_.AddChunk(piece, piece_size);
        continue;
      case ChunkedDecoder::Step::kDone:
        body.done = true;
        out_.Add("0\r\n");
        out_.Add(body.chunks.trailers());
        out_.Add("\r\n");
        break;
      case ChunkedDecoder::Step::kMore: break;
    }
    break;
  }
  *used = static_cast<size_t>(at - data);
  SendRequestBytes(stream, out_.data(), out_.size());
  return Outcome::kMore;
}

void Engine::SendRequestBytes(Stream* stream, const uint8_t* data, size_t size) {
  if (stream->kept_whole && stream->kept.size() + size <= kMostKeptBytes) {
    stream->kept.insert(stream->kept.end(), data, data + size);
  } else {
    stream->kept_whole = false;
    std::vector<uint8_t>().swap(stream->kept);
  }
  // Broken: what it has answered so far is still worth reading.
  if (!Write(stream->upstream, kServer, data, size)) {
    UpstreamOf(stream->upstream)->write_broken = true;
    stream->upstream->end[kServer].readable = true;
  }
}

// True when the other side's kernel has seen none of the request, so no app can have acted on it.
bool Engine::NothingAcknowledged(const Stream* stream) const {
  const Connection* upstream = stream->upstream;
  if (upstream->end[kServer].accelerated) return false;
  tcp_info info{};
  socklen_t length = sizeof info;
  if (getsockopt(upstream->end[kServer].fd.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
    return false;
  // The SYN counts as one.
  return info.tcpi_bytes_acked <=
         static_cast<const UpstreamPart*>(upstream->http.get())->sent_before + 1;
}

Engine::Outcome Engine::UpstreamLost(Stream* stream, int32_t reason, int error) {
  Connection* client = stream->client;
  bool again = false;
  if (stream->upstream != nullptr && reason == kAttemptReset && !stream->responding) {
    // The endpoint closed a kept connection while the request was on its way: nothing was answered,
    // and it is as if the connection had never been there.
    const UpstreamPart* up = UpstreamOf(stream->upstream);
    again = up->reused && !up->answered && stream->kept_whole &&
            (stream->head.idempotent || NothingAcknowledged(stream));
  }
  Detach(stream, Ending::kReset);
  if (stream->forwarded) {
    stream->reason = reason == kAttemptTimeout ? kStreamTimeout : kStreamUpstreamReset;
    stream->error = error;
    core_->End(client, kDoneServerReset, error, Ending::kReset);
    return Outcome::kGone;
  }
  if (again) {
    core_->stats.httpStaleRetries++;
    if (Dial(stream, true)) return Outcome::kMore;
    error = EMFILE;
    reason = kAttemptConnectFailed;
  }
  AttemptFailed(stream, reason, error);
  return Outcome::kMore;
}

// TypeScript tries again, or answers.
void Engine::AttemptFailed(Stream* stream, int32_t reason, int error) {
  stream->error = error;
  stream->held = false;
  stream->responding = false;
  ClientOf(stream->client)->state = ClientState::kUndecided;
  SetDeadline(stream->client, 0);
  core_->events.AttemptFailed(stream->id, stream->attempt, reason, error,
                              core_->now_us - stream->attempt_us, stream->kept_whole);
}

}  // namespace sluice::http
