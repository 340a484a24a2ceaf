#include "http/engine.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sluice::http {

namespace {

constexpr uint32_t kMostGenerations = 1u << (32 - ConnectionTable::kSlotBits);
constexpr uint32_t kSlotMask = ConnectionTable::kMaxSlots - 1;
constexpr size_t kOutputBytes = 320 * 1024;
constexpr size_t kMostSpareStreams = 1'024;

}  // namespace

Engine::Engine(Core* core, Connector* connector, Pairing* pairing)
    : core_(core),
      connector_(connector),
      pairing_(pairing),
      out_(kOutputBytes),
      buffer_(std::make_unique_for_overwrite<uint8_t[]>(kHeadroom + kReadBytes)) {
  core->http = this;
}

Stream* Engine::FindStream(int32_t id) {
  Connection* connection = core_->table.InSlot(static_cast<uint32_t>(id) & kSlotMask);
  if (connection == nullptr || connection->http == nullptr || !connection->http->is_client)
    return nullptr;
  Stream* stream = ClientOf(connection)->stream.get();
  return stream != nullptr && stream->id == id ? stream : nullptr;
}

std::unique_ptr<Stream> Engine::NewStream() {
  if (spare_streams_.empty()) return std::make_unique<Stream>();
  std::unique_ptr<Stream> stream = std::move(spare_streams_.back());
  spare_streams_.pop_back();
  return stream;
}

// Its vectors keep their memory for the next one.
void Engine::DropStream(ClientPart* part) {
  std::unique_ptr<Stream> stream = std::move(part->stream);
  constexpr size_t kUsualBytes = 4 * 1024;
  const bool usual = stream->bytes.capacity() <= kUsualBytes &&
                     stream->kept.capacity() <= kUsualBytes &&
                     stream->edits.capacity() <= kUsualBytes;
  if (!usual || spare_streams_.size() >= kMostSpareStreams) return;
  Stream fresh;
  std::swap(fresh.bytes, stream->bytes);
  std::swap(fresh.kept, stream->kept);
  std::swap(fresh.edits, stream->edits);
  std::swap(fresh.head.fields, stream->head.fields);
  fresh.bytes.clear();
  fresh.kept.clear();
  fresh.edits.clear();
  fresh.head.fields.clear();
  *stream = std::move(fresh);
  spare_streams_.push_back(std::move(stream));
}

bool Engine::Begin(Connection* connection, const Settings& settings) {
  if (connection->state != ConnectionState::kUndecided || connection->http != nullptr) return false;
  if (!core_->events.has_slab()) return false;
  auto part = std::make_unique<ClientPart>();
  part->settings = settings;
  part->settings.most_head_bytes =
      std::min(std::max(settings.most_head_bytes, 256u), kMostHeadBytes);
  part->peer_port = connection->peer_port;
  connection->http.reset(part.release());
  // From here on it is as one that forwards: timers and commands treat it so.
  connection->state = ConnectionState::kForwarding;
  connection->end[kClient].writable = true;
  connection->leg_place.reset();
  core_->stats.httpConnections++;
  if (settings.idle_ms != 0)
    SetDeadline(connection, core_->now_us + uint64_t{settings.idle_ms} * 1'000);
  core_->Enqueue(connection);
  return true;
}

bool Engine::Forward(const ForwardRequest& request) {
  Stream* stream = FindStream(request.stream);
  if (stream == nullptr) {
    core_->stats.staleCommands++;
    return true;
  }
  Connection* client = stream->client;
  ClientPart* part = ClientOf(client);
  Endpoint* endpoint = endpoints_.Find(request.endpoint);
  const Edits edits(request.edits, request.edits_size);
  const bool waits = part->state == ClientState::kUndecided || stream->held;
  if (!waits || !edits.IsValid()) return false;
  if (stream->held) Detach(stream, Ending::kReset);
  stream->held = false;
  stream->responding = false;
  stream->response = Body();
  stream->edits.assign(request.edits, request.edits + request.edits_size);
  stream->mask = request.mask;
  stream->attempt = request.attempt;
  stream->endpoint = endpoint;
  stream->endpoint_id = request.endpoint;
  stream->attempt_us = core_->now_us;
  stream->timeout_us = uint64_t{request.timeout_ms} * 1'000;
  part->state = ClientState::kExchange;
  SetDeadline(client, stream->timeout_us == 0 ? 0 : core_->now_us + stream->timeout_us);
  if (endpoint == nullptr || !stream->kept_whole) {
    AttemptFailed(stream, endpoint == nullptr ? kAttemptNoEndpoint : kAttemptNotReplayable, 0);
    return true;
  }
  if (!Dial(stream, false)) {
    AttemptFailed(stream, kAttemptConnectFailed, EMFILE);
    return true;
  }
  // On a kept connection it goes out now.
  if (stream->upstream != nullptr && UpstreamOf(stream->upstream)->connected)
    Serve(client, Scheduler::kQuantum);
  return true;
}

bool Engine::PassOn(int32_t id) {
  Stream* stream = FindStream(id);
  if (stream == nullptr) {
    core_->stats.staleCommands++;
    return true;
  }
  if (!stream->held) return false;
  stream->held = false;
  stream->pass_on = true;
  core_->Enqueue(stream->client);
  return true;
}

bool Engine::ResetStream(int32_t id) {
  Stream* stream = FindStream(id);
  if (stream == nullptr) {
    core_->stats.staleCommands++;
    return true;
  }
  core_->End(stream->client, kDoneRefused, 0, Ending::kReset);
  return true;
}

bool Engine::Respond(const RespondRequest& request) {
  Stream* stream = FindStream(request.stream);
  if (stream == nullptr) {
    core_->stats.staleCommands++;
    return true;
  }
  Connection* client = stream->client;
  ClientPart* part = ClientOf(client);
  const bool waits = part->state == ClientState::kUndecided || stream->held;
  if (!waits || request.status < 200 || request.status > 599) return false;
  Detach(stream, Ending::kReset);
  stream->held = false;
  part->close = !stream->head.keep_alive || draining_ || !stream->request.done ||
                (request.flags & kRespondClose) != 0;
  stream->status = request.status;
  out_.Clear();
  WriteOwnResponse(request.status, request.fields, request.body, part->close,
                   stream->head.is_head, &out_);
  stream->response.bytes = stream->head.is_head ? 0 : request.body.size();
  part->state = ClientState::kFlush;
  SetDeadline(client, 0);
  if (out_.overflowed() || !Write(client, kClient, out_.data(), out_.size())) {
    ClientGone(client);
    return true;
  }
  Serve(client, Scheduler::kQuantum);
  return true;
}

void Engine::TellDone(Stream* stream, int32_t reason) {
  StreamDone done;
  done.stream = stream->id;
  done.status = stream->status;
  done.reason = reason;
  done.error = stream->error;
  done.request_bytes = stream->request.bytes;
  done.response_bytes = stream->response.bytes;
  done.duration_us = core_->now_us - stream->started_us;
  done.first_byte_us = static_cast<int32_t>(stream->first_byte_us);
  done.endpoint = stream->endpoint_id;
  core_->stats.httpEnded++;
  core_->events.StreamEnded(done);
}

void Engine::Ends(Connection* connection, DoneReason reason, int error) {
  UseCarry(connection, connection->http->carry.size());
  if (!connection->http->is_client) {
    UpstreamPart* part = UpstreamOf(connection);
    connection->pod->upstreams--;
    if (part->idle) std::erase(part->endpoint->idle, connection);
    endpoints_.Release(part->endpoint);
    if (part->stream == nullptr) return;
    // Ended by somebody else, in the middle of a request.
    Stream* stream = std::exchange(part->stream, nullptr);
    stream->upstream = nullptr;
    stream->error = error;
    core_->Enqueue(stream->client);
    return;
  }
  ClientPart* part = ClientOf(connection);
  if (part->stream == nullptr) return;
  Stream* stream = part->stream.get();
  Detach(stream, Ending::kReset);
  if (part->state == ClientState::kTunnel) {
    stream->request.bytes += connection->flow[kClient].bytes - stream->tunnel_base[kClient];
    stream->response.bytes += connection->flow[kServer].bytes - stream->tunnel_base[kServer];
  }
  int32_t told = stream->reason;
  if (part->state == ClientState::kTunnel) {
    told = kStreamDone;
  } else if (told == kStreamDone) {
    stream->error = error;
    told = reason == kDoneClientReset || reason == kDoneClosed ? kStreamClientGone
                                                                : kStreamAborted;
  }
  TellDone(stream, told);
  DropStream(part);
}

bool Engine::InTunnel(const Connection* connection) {
  if (!connection->http->is_client) return false;
  return static_cast<const ClientPart*>(connection->http.get())->state == ClientState::kTunnel;
}

}  // namespace sluice::http

namespace sluice {

void HttpPartDeleter::operator()(http::Part* part) const {
  if (part == nullptr) return;
  if (part->is_client) {
    delete static_cast<http::ClientPart*>(part);
  } else {
    delete static_cast<http::UpstreamPart*>(part);
  }
}

}  // namespace sluice
