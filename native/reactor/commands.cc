// What TypeScript may order, taken from the command ring. Checked here, carried out by the parts.

#include <cerrno>
#include <cstring>

#include "reactor/clock.h"
#include "reactor/reactor.h"

namespace sluice {

// Reads a payload word by word, in the order of protocol.h.
class CommandReader {
 public:
  explicit CommandReader(const int32_t* words) : at_(words) {}
  int32_t Int() { return *at_++; }
  uint32_t Uint() { return static_cast<uint32_t>(Int()); }
  // A size or a time: negative means none.
  uint32_t Amount() {
    const int32_t value = Int();
    return value > 0 ? static_cast<uint32_t>(value) : 0;
  }
  sluice_addr Addr() {
    sluice_addr addr;
    std::memcpy(addr.word, at_, sizeof addr.word);
    at_ += 4;
    return addr;
  }
  SocketAddress Address() {
    const sluice_addr addr = Addr();
    return {addr, static_cast<uint16_t>(Int())};
  }

 private:
  const int32_t* at_;
};

bool Reactor::Text(CommandReader* read, std::string_view* text) {
  const int32_t offset = read->Int();
  const int32_t size = read->Int();
  if (size == 0) return true;
  if (!slab_.Holds(offset, size)) return false;
  *text = {reinterpret_cast<const char*>(slab_.data) + offset, static_cast<size_t>(size)};
  return true;
}

void Reactor::RunCommands() {
  core_.now_us = MonotonicUs();
  for (;;) {
    CommandRecord record;
    switch (commands_.Next(&record)) {
      case CommandRing::Status::kEmpty: return;
      case CommandRing::Status::kCorrupt: core_.stats.ringCorruptions++; return;
      case CommandRing::Status::kRecord: core_.stats.commands++; Run(record);
    }
  }
}

void Reactor::Run(const CommandRecord& record) {
  if (CommandPayloadWords(record.type) != static_cast<int>(record.count)) {
    core_.stats.commandErrors++;
    return;
  }
  CommandReader read(record.payload);
  switch (record.type) {
    case kCommandListen: {
      ListenRequest request{};
      request.listener = read.Int();
      request.fd = read.Int();
      request.pod = read.Int();
      read.Int();  // the namespace: a connect names its own
      request.direction = read.Int();
      request.max_connections = read.Amount();
      request.max_buffered_bytes = read.Amount();
      return acceptor_.Listen(request);
    }
    case kCommandUnlisten:
      if (!acceptor_.Unlisten(read.Int())) core_.stats.staleCommands++;
      return;
    case kCommandNetnsAdd: {
      const uint32_t netns = read.Uint();
      const int fd = read.Int();
      return connector_.AddNamespace(netns, fd, read.Amount());
    }
    case kCommandNetnsRemove: return connector_.RemoveNamespace(read.Uint());
    case kCommandTimer: {
      const int32_t id = read.Int();
      return SetTimer(id, read.Int());
    }
    case kCommandDrain:
      http_.Drain();
      return acceptor_.UnlistenAll();
    case kCommandEndpoint:
    case kCommandEndpointRemove:
    case kCommandForward:
    case kCommandRespond:
    case kCommandResume:
    case kCommandReset:
      if (!RunHttp(record)) core_.stats.commandErrors++;
      return;
    default:
      if (!RunConnection(record)) core_.stats.commandErrors++;
  }
}

// The request interface. False: it makes no sense for its stream or endpoint.
bool Reactor::RunHttp(const CommandRecord& record) {
  CommandReader read(record.payload);
  switch (record.type) {
    case kCommandEndpoint: {
      http::EndpointRequest request;
      request.id = read.Int();
      request.connect.netns = read.Uint();
      read.Int();  // flags: none yet
      request.connect.source = read.Addr();
      request.connect.destination = read.Address();
      request.connect.timeout_ms = read.Amount();
      request.connect.client.addr = read.Addr();
      request.connect.leg_flags = static_cast<uint16_t>(read.Int());
      request.idle_ms = read.Amount();
      request.most_idle = read.Amount();
      return http_.AddEndpoint(request);
    }
    case kCommandEndpointRemove: return http_.RemoveEndpoint(read.Int());
    case kCommandForward: {
      http::ForwardRequest request;
      request.stream = read.Int();
      request.endpoint = read.Int();
      request.attempt = read.Int();
      request.flags = read.Int();
      const int32_t offset = read.Int();
      const int32_t size = read.Int();
      const uint32_t low = read.Uint();
      request.mask = low | uint64_t{read.Uint()} << 32;
      request.timeout_ms = read.Amount();
      if (size != 0 && !slab_.Holds(offset, size)) return false;
      if (size != 0) request.edits = slab_.data + offset;
      request.edits_size = static_cast<uint32_t>(size);
      return http_.Forward(request);
    }
    case kCommandRespond: {
      http::RespondRequest request;
      request.stream = read.Int();
      request.status = read.Int();
      if (!Text(&read, &request.fields) || !Text(&read, &request.body)) return false;
      request.flags = read.Int();
      return http_.Respond(request);
    }
    case kCommandResume: return http_.PassOn(read.Int());
    case kCommandReset: return http_.ResetStream(read.Int());
    default: return false;
  }
}

// Commands whose first word is a connection. False: it makes no sense for that connection.
bool Reactor::RunConnection(const CommandRecord& record) {
  CommandReader read(record.payload);
  Connection* connection = core_.table.Find(read.Int());
  if (connection == nullptr || connection->state == ConnectionState::kEnded) {
    core_.stats.staleCommands++;
    return true;
  }
  switch (record.type) {
    case kCommandConnect: {
      ConnectRequest request;
      request.attempt = read.Int();
      request.netns = read.Uint();
      read.Int();  // flags: none yet
      request.source = read.Addr();
      request.destination = read.Address();
      request.timeout_ms = read.Amount();
      request.client = read.Address();
      request.leg_flags = static_cast<uint16_t>(read.Int());
      return connector_.Start(connection, request);
    }
    case kCommandClose: return RunClose(connection, read.Int());
    case kCommandPair: {
      const int32_t client_slot = read.Int();
      return pairing_.Request(connection, client_slot, read.Int());
    }
    case kCommandHttp: {
      http::Settings settings;
      read.Int();  // flags: none yet
      settings.head_timeout_ms = read.Amount();
      settings.idle_ms = read.Amount();
      settings.most_head_bytes = read.Amount();
      return http_.Begin(connection, settings);
    }
    case kCommandIdleTimeout: SetIdle(connection, read.Amount()); return true;
    default: return false;
  }
}

bool Reactor::RunClose(Connection* connection, int how) {
  const bool forwarding = connection->state == ConnectionState::kForwarding;
  const DoneReason reason = forwarding ? kDoneShutdown : kDoneRefused;
  switch (how) {
    case kCloseReset: core_.End(connection, reason, 0, Ending::kReset); return true;
    case kCloseFin: core_.End(connection, reason, 0, Ending::kFin); return true;
    case kCloseAdopted: {
      const bool bytes_in_hand = connection->flow[kClient].pending != nullptr ||
                                 connection->flow[kServer].pending != nullptr;
      if (!connection->shared || bytes_in_hand) return false;
      core_.stats.adopted++;
      core_.End(connection, kDoneAdopted, 0, Ending::kAdopted);
      return true;
    }
    default: return false;
  }
}

void Reactor::SetTimer(int32_t id, int32_t ms) {
  std::unique_ptr<Timer>& timer = command_timers_[id];
  if (ms <= 0) {
    if (timer != nullptr) core_.timers.Cancel(timer.get());
    command_timers_.erase(id);
    return;
  }
  if (timer == nullptr) timer = std::make_unique<Timer>(TimerKind::kCommand);
  timer->owner = id;
  core_.timers.Arm(timer.get(), core_.now_us + static_cast<uint64_t>(ms) * 1'000);
}

void Reactor::SetIdle(Connection* connection, uint32_t idle_ms) {
  connection->idle_ms = idle_ms;
  // Until it forwards the same timer bounds the connect.
  if (connection->state != ConnectionState::kForwarding) return;
  if (idle_ms == 0) {
    core_.timers.Cancel(&connection->timer);
    return;
  }
  core_.timers.Arm(&connection->timer, core_.now_us + uint64_t{idle_ms} * 1'000);
}

}  // namespace sluice
