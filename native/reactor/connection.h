// One proxied connection: the client's socket, the leg to the server, and the bytes between them.
#pragma once

#include <cstdint>
#include <memory>

#include "base/unique_fd.h"
#include "reactor/address.h"
#include "reactor/scheduler.h"
#include "reactor/timer_heap.h"

namespace sluice {

namespace http {
struct Part;
}

struct HttpPartDeleter {
  void operator()(http::Part* part) const;
};

enum class ConnectionState : uint8_t {
  kFree,
  kUndecided,  // accepted, TypeScript has not answered
  kNoSocket,   // answered, waits for a socket of the right namespace
  kConnecting,
  kForwarding,
  kEnded,  // its descriptors are closed, its DONE waits for room in the event ring
};

enum Side : uint8_t { kClient = 0, kServer = 1 };
inline Side Other(Side side) { return side == kClient ? kServer : kClient; }

// What epoll has said of a socket. It is armed once, edge-triggered: a flag stays until a call
// contradicts it.
struct Endpoint {
  UniqueFd fd;
  bool readable = false;
  bool writable = false;
  bool hangup = false;  // the peer's FIN is in: read on until 0, a short read does not mean drained
  bool failed = false;
  int error = 0;             // recv(2) has told it, and bytes before it were still to be passed on
  bool accelerated = false;  // may be in the sockhash: redirected bytes and TCP's are two queues
};

// Bytes from one side to the other.
struct Flow {
  uint64_t bytes = 0;                  // taken over by the other side's socket
  std::unique_ptr<uint8_t[]> pending;  // what was read and did not fit; nothing is read meanwhile
  uint32_t pending_begin = 0;
  uint32_t pending_end = 0;
  bool ended = false;  // FIN read
  bool shut = false;   // FIN passed on
  bool held = false;   // waits for the retry timer
};

// What only connections with full acceleration carry.
struct Acceleration {
  uint64_t app_cookie[2] = {0, 0};    // the apps' own sockets, 0: not known yet
  bool limited[2] = {false, false};   // what we send to this app may skip TCP's flow control
  uint64_t queued_bytes[2] = {0, 0};  // in the app's receive queue at the last answer
  uint64_t sent_since[2] = {0, 0};
  // It was full, and nothing is read from the other side until half of it is read.
  bool draining[2] = {false, false};
  uint64_t drain_seen_us[2] = {0, 0};  // when queued_bytes was asked for
  uint32_t drain_wait_us[2] = {0, 0};
  Timer drain_timer{TimerKind::kDrain};
  int32_t slot[2] = {-1, -1};         // index: the side that sends
  uint64_t direct_base[2] = {0, 0};   // the slot's counter when it was taken over
  uint64_t direct_bytes[2] = {0, 0};
  bool pairing = false;  // asked for, a peer is not known yet
  bool paired = false;
  uint8_t attempts = 0;
  int pair_error = 0;
};

struct ConnectRequest {
  int32_t attempt = 0;
  uint32_t netns = 0;
  sluice_addr source{};
  SocketAddress destination;
  SocketAddress client;
  uint32_t timeout_ms = 0;
  uint16_t leg_flags = 0;
};

// Events that TypeScript has not been told yet; delivered in this order.
enum PendingEvent : uint8_t {
  kPendingConnected = 1,
  kPendingConnectFailed = 2,
  kPendingPaired = 4,
  kPendingDone = 8,
};

struct Connection : ReadyItem {
  int32_t id = 0;
  ConnectionState state = ConnectionState::kFree;
  uint8_t pending_events = 0;
  uint8_t done_reason = 0;
  bool shared = false;  // another process holds duplicates of the descriptors
  bool retrying = false;
  Endpoint end[2];
  UniqueFd leg_place;  // a descriptor kept free for the leg until there is one
  Flow flow[2];  // index: the side that sends
  Timer timer{TimerKind::kConnection};
  Pod* pod = nullptr;
  int32_t listener = 0;
  int32_t attempt = 0;
  int error = 0;
  uint16_t local_port = 0;
  uint16_t peer_port = 0;
  uint32_t connect_us = 0;
  uint32_t idle_ms = 0;
  int32_t first_byte_us = -1;
  uint64_t accepted_us = 0;
  uint64_t connect_started_us = 0;
  uint64_t active_us = 0;  // last bytes seen
  uint64_t ended_us = 0;
  uint64_t client_cookie = 0;
  uint64_t leg_cookie = 0;
  std::unique_ptr<ConnectRequest> request;  // only until the socket is there
  std::unique_ptr<Acceleration> acceleration;
  std::unique_ptr<http::Part, HttpPartDeleter> http;  // when it speaks HTTP
  Connection* next_undelivered = nullptr;

  Connection() : ReadyItem(ReadyKind::kConnection) {}
};

// "No more than 512 bytes of user space for an idle connection" is what 8,000 of them on a pod rest
// on.
static_assert(sizeof(Connection) <= 400);

}  // namespace sluice
