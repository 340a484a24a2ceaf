// What a connection carries when it speaks HTTP/1.1: a client's, with the request that is under way
// on it, or an upstream's, which lends itself to one request after another.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "http/chunked.h"
#include "http/head.h"
#include "reactor/connection.h"
#include "reactor/protocol.h"

namespace sluice::http {

struct Stream;
struct Endpoint;

// Bytes that were read and belong to what comes next.
struct Carry {
  std::vector<uint8_t> bytes;
  size_t begin = 0;

  bool empty() const { return begin == bytes.size(); }
  const uint8_t* data() const { return bytes.data() + begin; }
  size_t size() const { return bytes.size() - begin; }
};

struct Part {
  const bool is_client;
  Carry carry;
  HeadScanner scanner;
  explicit Part(bool is_client) : is_client(is_client) {}
};

struct Settings {
  uint32_t head_timeout_ms = 0;  // from a head's first byte to its last; 0: none
  uint32_t idle_ms = 0;          // between requests; 0: none
  uint32_t most_head_bytes = kMostHeadBytes;
};

enum class ClientState : uint8_t {
  kHead,      // between requests, or in the middle of a head
  kUndecided, // TypeScript has the request
  kExchange,  // it is at an upstream
  kFlush,     // the response is made; its rest waits for the client
  kLinger,    // all is said; what the client still sends is thrown away
  kTunnel,    // bytes both ways
};

struct ClientPart : Part {
  ClientState state = ClientState::kHead;
  bool close = false;       // after this response
  bool head_timed = false;  // the deadline is that of a head
  bool had_request = false;
  uint16_t peer_port = 0;
  Settings settings;
  uint64_t deadline_us = 0;  // of what the state waits for; 0: none
  std::unique_ptr<Stream> stream;

  ClientPart() : Part(true) {}
};

struct UpstreamPart : Part {
  Endpoint* endpoint = nullptr;
  Stream* stream = nullptr;
  bool idle = false;
  bool connected = false;
  bool reused = false;        // had a request before this one
  bool reusable = true;
  bool write_broken = false;  // it takes no more; what it has said is still read
  bool answered = false;      // a byte came since this request began
  uint64_t sent_before = 0;   // bytes that went to it before this request
  uint64_t idle_until_us = 0;

  UpstreamPart() : Part(false) {}
};

enum class BodyKind : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct Body {
  BodyKind kind = BodyKind::kNone;
  bool done = true;
  uint64_t left = 0;
  uint64_t bytes = 0;
  ChunkedDecoder chunks;
};

// One request and its response.
struct Stream {
  int32_t id = 0;
  Connection* client = nullptr;
  Connection* upstream = nullptr;
  Endpoint* endpoint = nullptr;
  int32_t endpoint_id = 0;
  int32_t attempt = 0;
  std::vector<uint8_t> bytes;  // the request's head
  Head head;
  std::vector<uint8_t> edits;
  Body request;
  Body response;
  // What went out of the body so far, as long as it is little: for another attempt.
  std::vector<uint8_t> kept;
  bool kept_whole = true;
  bool head_sent = false;
  bool forwarded = false;   // a byte of a final response went to the client
  bool responding = false;  // the final response's head is read
  bool held = false;        // and waits for TypeScript
  bool chunked_out = false;
  bool pass_on = false;
  int status = 0;
  int error = 0;
  int32_t reason = 0;  // StreamReason
  uint64_t mask = 0;
  uint64_t started_us = 0;
  uint64_t attempt_us = 0;
  int64_t first_byte_us = -1;
  uint64_t tunnel_base[2] = {0, 0};  // of the connection's bytes, when its tunnel opened
  uint64_t timeout_us = 0;
};

inline ClientPart* ClientOf(Connection* connection) {
  return static_cast<ClientPart*>(connection->http.get());
}
inline UpstreamPart* UpstreamOf(Connection* connection) {
  return static_cast<UpstreamPart*>(connection->http.get());
}

}  // namespace sluice::http
