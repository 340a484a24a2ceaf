// Connections to endpoints: opened when no kept one is free, kept between requests, given up when
// they say something that nobody asked for.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "http/engine.h"

namespace sluice::http {

namespace {

// A connection that the endpoint has closed may not be known as closed yet: asks the kernel.
bool IsQuiet(int fd) {
  uint8_t byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

}  // namespace

bool Engine::AddEndpoint(const EndpointRequest& request) {
  Endpoint* endpoint = endpoints_.Add(request.id);
  if (endpoint == nullptr) return false;
  endpoint->connect = request.connect;
  endpoint->idle_ms = request.idle_ms;
  endpoint->most_idle = request.most_idle;
  return true;
}

// Clients' connections end with their next response, and legs with the one under way.
void Engine::Drain() {
  draining_ = true;
  for (Connection* connection : endpoints_.AllIdle())
    core_->End(connection, kDoneClosed, 0, Ending::kFin);
}

// Requests that are under way go on; no other follows them.
bool Engine::RemoveEndpoint(int32_t id) {
  Endpoint* endpoint = endpoints_.Find(id);
  if (endpoint == nullptr) return false;
  const std::vector<Connection*> idle = endpoint->idle;
  endpoints_.Remove(endpoint);
  for (Connection* connection : idle) core_->End(connection, kDoneClosed, 0, Ending::kFin);
  return true;
}

// `look`: a request that cannot be sent twice is worth one more system call.
Connection* Engine::TakeIdle(Endpoint* endpoint, bool look) {
  while (!endpoint->idle.empty()) {
    Connection* upstream = endpoint->idle.back();
    const sluice::Endpoint& end = upstream->end[kServer];
    const bool stale = end.hangup || end.failed || (look && !IsQuiet(end.fd.get()));
    if (stale) {
      core_->End(upstream, kDoneClosed, 0, Ending::kFin);
      continue;
    }
    endpoint->idle.pop_back();
    UpstreamPart* part = UpstreamOf(upstream);
    part->idle = false;
    part->reused = true;
    return upstream;
  }
  return nullptr;
}

// False: there is no place for another connection. A failed connect comes by ConnectFailed().
bool Engine::Dial(Stream* stream, bool fresh) {
  Endpoint* endpoint = stream->endpoint;
  Connection* upstream = fresh ? nullptr : TakeIdle(endpoint, !stream->head.idempotent);
  stream->head_sent = false;
  if (upstream != nullptr) {
    core_->stats.httpReused++;
    UpstreamPart* part = UpstreamOf(upstream);
    part->stream = stream;
    part->answered = false;
    part->sent_before = upstream->flow[kClient].bytes;
    stream->upstream = upstream;
    return true;
  }
  upstream = core_->table.Add();
  if (upstream == nullptr) return false;
  Connection* client = stream->client;
  auto part = std::make_unique<UpstreamPart>();
  part->endpoint = endpoint;
  part->stream = stream;
  endpoint->connections++;
  upstream->http.reset(part.release());
  upstream->state = ConnectionState::kUndecided;
  upstream->pod = client->pod;
  upstream->pod->connections++;
  upstream->pod->upstreams++;
  upstream->accepted_us = core_->now_us;
  stream->upstream = upstream;
  ConnectRequest request = endpoint->connect;
  request.client.port = ClientOf(client)->peer_port;
  connector_->Start(upstream, request);
  return true;
}

// The request is done with its upstream.
void Engine::Detach(Stream* stream, Ending ending) {
  Connection* upstream = stream->upstream;
  if (upstream == nullptr) return;
  stream->upstream = nullptr;
  UpstreamOf(upstream)->stream = nullptr;
  core_->End(upstream, kDoneClosed, 0, ending);
}

void Engine::KeepIdle(Connection* upstream) {
  UpstreamPart* part = UpstreamOf(upstream);
  Endpoint* endpoint = part->endpoint;
  part->stream = nullptr;
  part->scanner.Reset();
  if (draining_ || endpoint->removed || endpoint->idle.size() >= endpoint->most_idle ||
      upstream->end[kServer].hangup || upstream->end[kServer].failed) {
    return core_->End(upstream, kDoneClosed, 0, Ending::kFin);
  }
  part->idle = true;
  endpoint->idle.push_back(upstream);
  if (endpoint->idle_ms == 0) return;
  part->idle_until_us = core_->now_us + uint64_t{endpoint->idle_ms} * 1'000;
  if (!upstream->timer.armed()) core_->timers.Arm(&upstream->timer, part->idle_until_us);
}

void Engine::ServeIdle(Connection* upstream) {
  const sluice::Endpoint& end = upstream->end[kServer];
  // A spurious wake-up is none: the redirected queue says so now and then.
  if (!end.hangup && !end.failed && IsQuiet(end.fd.get())) {
    upstream->end[kServer].readable = false;
    return;
  }
  core_->End(upstream, kDoneClosed, 0, Ending::kFin);
}

int64_t Engine::ServeUpstream(Connection* upstream, int64_t allowance) {
  constexpr int64_t kLookCost = 512;
  UpstreamPart* part = UpstreamOf(upstream);
  if (part->idle) {
    if (upstream->end[kServer].readable || upstream->end[kServer].failed) ServeIdle(upstream);
    return kLookCost;
  }
  part->connected = true;
  if (part->stream == nullptr) return kLookCost;
  return Serve(part->stream->client, allowance);
}

void Engine::ConnectFailed(Connection* upstream, int error) {
  Stream* stream = UpstreamOf(upstream)->stream;
  UpstreamOf(upstream)->stream = nullptr;
  if (stream != nullptr) stream->upstream = nullptr;
  core_->End(upstream, kDoneRefused, error, Ending::kReset);
  if (stream != nullptr) AttemptFailed(stream, kAttemptConnectFailed, error);
}

}  // namespace sluice::http
