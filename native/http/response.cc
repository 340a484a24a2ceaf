// A response on its way to the client: never a byte of it before its head is understood.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "http/engine.h"

namespace sluice::http {

namespace {

constexpr size_t kOverLimitBytes = 4 * 1024;

// 500 to 531 and 400 to 431, as FORWARD's mask has them.
bool IsMasked(uint64_t mask, int status) {
  if (status >= 500 && status < 532) return (mask >> (status - 500) & 1) != 0;
  return status >= 400 && status < 432 && (mask >> (status - 400 + 32) & 1) != 0;
}

}  // namespace

Engine::Outcome Engine::PumpResponse(Connection* client, int64_t allowance, int64_t* moved) {
  ClientPart* part = ClientOf(client);
  Stream* stream = part->stream.get();
  while (part->state == ClientState::kExchange) {
    const Outcome flushed = Flush(client, kClient);
    if (flushed == Outcome::kGone) return ClientGone(client);
    Connection* upstream = stream->upstream;
    if (upstream == nullptr || flushed == Outcome::kWaits || stream->held) return Outcome::kWaits;
    UpstreamPart* up = UpstreamOf(upstream);
    if (!up->connected) return Outcome::kWaits;
    if (stream->pass_on) {
      stream->pass_on = false;
      stream->mask = 0;
      std::vector<uint8_t> all(up->carry.data(), up->carry.data() + up->carry.size());
      UseCarry(upstream, all.size());
      const Outcome outcome = TakeResponse(stream, all.data(), all.size(), false);
      if (outcome == Outcome::kGone) return outcome;
      continue;
    }
    if (!upstream->end[kServer].readable) return Outcome::kWaits;
    if (HeldBack(client, kClient)) return Outcome::kWaits;
    // A response that TypeScript asked for waits until it can be told of it.
    if (stream->mask != 0 && !core_->events.HasRoom()) return Outcome::kMore;
    if (*moved >= allowance) return Outcome::kMore;
    const size_t most = client->pod->over_buffer_limit() ? kOverLimitBytes : kReadBytes;
    const ssize_t received = Receive(upstream, kServer, read_buffer(), most);
    if (received == -EAGAIN) return Outcome::kWaits;
    if (received <= 0) return UpstreamEnded(stream, static_cast<int>(-received));
    const auto size = static_cast<size_t>(received);
    *moved += received;
    upstream->flow[kServer].bytes += size;
    client->active_us = core_->now_us;
    if (!up->answered && stream->first_byte_us < 0)
      stream->first_byte_us = static_cast<int64_t>(core_->now_us - stream->started_us);
    up->answered = true;
    Outcome outcome;
    if (up->carry.empty()) {
      outcome = TakeResponse(stream, read_buffer(), size, true);
    } else {
      AddCarry(upstream, read_buffer(), size);
      std::vector<uint8_t> all(up->carry.data(), up->carry.data() + up->carry.size());
      UseCarry(upstream, all.size());
      outcome = TakeResponse(stream, all.data(), all.size(), false);
    }
    if (outcome == Outcome::kGone) return outcome;
  }
  return Outcome::kMore;
}

Engine::Outcome Engine::TakeResponse(Stream* stream, uint8_t* data, size_t size, bool headroom) {
  if (stream->responding) {
    out_.Clear();
    return TakeBody(stream, data, size);
  }
  Outcome outcome = Outcome::kMore;
  while (outcome == Outcome::kMore && size != 0 && !stream->responding && !stream->held &&
         ClientOf(stream->client)->state == ClientState::kExchange) {
    outcome = TakeHead(stream, &data, &size, &headroom);
  }
  return outcome;
}

// kMore: a head is dealt with, and perhaps all that was behind it. kWaits: it is not whole.
Engine::Outcome Engine::TakeHead(Stream* stream, uint8_t** data, size_t* size, bool* headroom) {
  Connection* upstream = stream->upstream;
  UpstreamPart* up = UpstreamOf(upstream);
  const int32_t found = up->scanner.Scan(*data, *size, kMostHeadBytes);
  if (found < 0) return BadUpstream(stream, up->scanner.error());
  if (found == 0) {
    SetCarry(upstream, *data, *size);
    return Outcome::kWaits;
  }
  const bool skipped = up->scanner.skipped() != 0;
  up->scanner.Reset();
  const uint8_t* bytes = *data;
  const auto head_size = static_cast<size_t>(found);
  Head& head = response_head_;
  if (skipped) return BadUpstream(stream, HeadError::kStatusLine);
  if (!ParseResponse(bytes, head_size, &head)) return BadUpstream(stream, head.error);
  if (head.status < 200 && head.status != 101) {
    *data += head_size;
    *size -= head_size;
    return Interim(stream, head, bytes);
  }
  if (IsMasked(stream->mask, head.status)) {
    stream->held = true;
    stream->status = head.status;
    SetCarry(upstream, bytes, *size);
    core_->events.ResponseHead(*stream, bytes, head_size, head);
    return Outcome::kWaits;
  }
  return BeginResponse(stream, bytes, *data + head_size, *size - head_size, *headroom);
}

Engine::Outcome Engine::Interim(Stream* stream, const Head& head, const uint8_t* bytes) {
  // A client of HTTP/1.0 knows none.
  if (stream->head.http10) return Outcome::kMore;
  out_.Clear();
  WriteResponseHead(bytes, head, Edits(), ResponseStyle{}, &out_);
  if (!Write(stream->client, kClient, out_.data(), out_.size())) return ClientGone(stream->client);
  return Outcome::kMore;
}

void Engine::ChooseBody(Stream* stream, const Head& head) {
  Body& body = stream->response;
  body = Body();
  const int status = head.status;
  if (stream->head.is_head || status == 204 || status == 304) return;
  if (head.coding == Coding::kLength) {
    body.kind = BodyKind::kLength;
    body.left = head.content_length;
    body.done = body.left == 0;
    return;
  }
  body.kind = head.coding == Coding::kChunked ? BodyKind::kChunked : BodyKind::kUntilClose;
  body.done = false;
}

Engine::Outcome Engine::BeginResponse(Stream* stream, const uint8_t* bytes, uint8_t* body,
                                      size_t size, bool headroom) {
  const Head& head = response_head_;
  Connection* client = stream->client;
  ClientPart* part = ClientOf(client);
  UpstreamPart* up = UpstreamOf(stream->upstream);
  const bool connected = stream->head.is_connect && head.status / 100 == 2;
  if (head.status == 101 && !stream->head.upgrade) return BadUpstream(stream, HeadError::kUpgrade);
  stream->status = head.status;
  stream->responding = true;
  if (head.status == 101 || connected) return OpenTunnel(stream, bytes, body, size);
  ChooseBody(stream, head);
  Body& response = stream->response;
  const bool until_close = response.kind == BodyKind::kUntilClose;
  const bool needs_chunks = until_close || response.kind == BodyKind::kChunked;
  stream->chunked_out = needs_chunks && !stream->head.http10;
  up->reusable = up->reusable && head.keep_alive && !until_close;
  part->close = !stream->head.keep_alive || draining_ || !stream->request.done ||
                (needs_chunks && stream->head.http10);
  ResponseStyle style;
  style.chunked = stream->chunked_out;
  style.close = part->close;
  style.keep_alive = !part->close && stream->head.http10;
  style.tunnel = head.status == 426;
  out_.Clear();
  const Edits edits(stream->edits.data(), stream->edits.size());
  WriteResponseHead(bytes, head, edits, style, &out_);
  if (out_.overflowed()) {
    return BadUpstream(stream, HeadError::kTooLarge);
  }
  const size_t head_size = out_.size();
  if (response.kind != BodyKind::kLength || !headroom || head_size > kHeadroom)
    return TakeBody(stream, body, size);
  // The new head goes right in front of the body, so that both are one write and nothing is copied.
  const auto taken = static_cast<size_t>(std::min<uint64_t>(response.left, size));
  std::memcpy(body - head_size, out_.data(), head_size);
  response.left -= taken;
  response.bytes += taken;
  response.done = response.left == 0;
  stream->forwarded = true;
  if (!Write(client, kClient, body - head_size, head_size + taken)) return ClientGone(client);
  return response.done ? FinishResponse(stream, size - taken) : Outcome::kMore;
}

// What stands in out_ goes first.
Engine::Outcome Engine::TakeBody(Stream* stream, const uint8_t* data, size_t size) {
  Body& body = stream->response;
  Connection* client = stream->client;
  const uint8_t* at = data;
  const uint8_t* end = data + size;
  const uint8_t* piece = nullptr;
  size_t piece_size = 0;
  if (body.kind == BodyKind::kLength) {
    const auto taken = static_cast<size_t>(std::min<uint64_t>(body.left, size));
    body.left -= taken;
    body.bytes += taken;
    body.done = body.left == 0;
    stream->forwarded = true;
    const bool written = Write(client, kClient, out_.data(), out_.size()) &&
                         Write(client, kClient, data, taken);
    if (!written) return ClientGone(client);
    return body.done ? FinishResponse(stream, size - taken) : Outcome::kMore;
  }
  auto take = [&] {
    body.bytes += piece_size;
    if (stream->chunked_out) {
      out_.AddChunk(piece, piece_size);
    } else {
      out_.Add(piece, piece_size);
    }
  };
  if (body.kind == BodyKind::kUntilClose && size != 0) {
    piece = data;
    piece_size = size;
    at = end;
    take();
  }
  while (body.kind == BodyKind::kChunked && !body.done) {
    const ChunkedDecoder::Step step = body.chunks.Next(&at, end, &piece, &piece_size);
    if (step == ChunkedDecoder::Step::kBad) return BadUpstream(stream, body.chunks.error());
    if (step == ChunkedDecoder::Step::kMore) break;
    body.done = step == ChunkedDecoder::Step::kDone;
    if (!body.done) take();
  }
  if (body.done && stream->chunked_out) {
    out_.Add("0\r\n");
    out_.Add(body.chunks.trailers());
    out_.Add("\r\n");
  }
  stream->forwarded = true;
  if (!Write(client, kClient, out_.data(), out_.size())) return ClientGone(client);
  return body.done ? FinishResponse(stream, static_cast<size_t>(end - at)) : Outcome::kMore;
}

Engine::Outcome Engine::UpstreamEnded(Stream* stream, int error) {
  const Body& body = stream->response;
  const bool ends_it = stream->responding && body.kind == BodyKind::kUntilClose && error == 0;
  if (!ends_it) return UpstreamLost(stream, kAttemptReset, error);
  stream->response.done = true;
  if (stream->chunked_out) {
    constexpr std::string_view kEnd = "0\r\n\r\n";
    const auto* bytes = reinterpret_cast<const uint8_t*>(kEnd.data());
    if (!Write(stream->client, kClient, bytes, kEnd.size())) return ClientGone(stream->client);
  }
  return FinishResponse(stream, 0);
}

Engine::Outcome Engine::FinishResponse(Stream* stream, size_t extra_bytes) {
  Connection* upstream = stream->upstream;
  ClientPart* part = ClientOf(stream->client);
  const UpstreamPart* up = UpstreamOf(upstream);
  const bool reusable = up->reusable && extra_bytes == 0 && stream->request.done &&
                        !up->write_broken && upstream->flow[kClient].pending == nullptr;
  if (!stream->request.done) part->close = true;
  if (reusable) {
    stream->upstream = nullptr;
    KeepIdle(upstream);
  } else {
    Detach(stream, Ending::kFin);
  }
  part->state = ClientState::kFlush;
  SetDeadline(stream->client, 0);
  return Outcome::kMore;
}

// What a bad upstream has sent is never forwarded.
Engine::Outcome Engine::BadUpstream(Stream* stream, HeadError error) {
  core_->stats.httpBadResponses++;
  return UpstreamLost(stream, kAttemptBadResponse, static_cast<int>(error));
}

// From here on the forwarder moves bytes both ways, as for any other connection.
Engine::Outcome Engine::OpenTunnel(Stream* stream, const uint8_t* bytes, const uint8_t* rest,
                                   size_t size) {
  Connection* client = stream->client;
  Connection* upstream = stream->upstream;
  ClientPart* part = ClientOf(client);
  out_.Clear();
  ResponseStyle style;
  style.tunnel = response_head_.status == 101;
  const Edits edits(stream->edits.data(), stream->edits.size());
  WriteResponseHead(bytes, response_head_, edits, style, &out_);
  out_.Add(rest, size);
  stream->forwarded = true;
  if (!Write(client, kClient, out_.data(), out_.size())) return ClientGone(client);
  const int fd = upstream->end[kServer].fd.get();
  client->end[kServer] = std::move(upstream->end[kServer]);
  client->leg_cookie = upstream->leg_cookie;
  client->local_port = upstream->local_port;
  std::swap(client->flow[kClient].pending, upstream->flow[kClient].pending);
  client->flow[kClient].pending_begin = upstream->flow[kClient].pending_begin;
  client->flow[kClient].pending_end = upstream->flow[kClient].pending_end;
  if (upstream->acceleration != nullptr) {
    if (client->acceleration == nullptr) client->acceleration = std::make_unique<Acceleration>();
    client->acceleration->limited[kServer] = upstream->acceleration->limited[kServer];
    client->acceleration->app_cookie[kServer] = upstream->acceleration->app_cookie[kServer];
  }
  stream->upstream = nullptr;
  UpstreamOf(upstream)->stream = nullptr;
  part->state = ClientState::kTunnel;
  SetDeadline(client, 0);
  stream->tunnel_base[kClient] = client->flow[kClient].bytes;
  stream->tunnel_base[kServer] = client->flow[kServer].bytes;
  const int error = core_->poller.Move(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                       {PollKind::kServer, client->id});
  core_->End(upstream, kDoneClosed, 0, Ending::kReset);
  const std::vector<uint8_t> early(part->carry.data(), part->carry.data() + part->carry.size());
  UseCarry(client, early.size());
  if (error != 0 || !Write(client, kServer, early.data(), early.size())) {
    core_->End(client, kDoneServerReset, error, Ending::kReset);
    return Outcome::kGone;
  }
  core_->Enqueue(client);
  return Outcome::kWaits;
}

}  // namespace sluice::http
