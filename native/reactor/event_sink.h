// Tells TypeScript what happened, and never loses a word of it: an event that does not fit now is
// kept with its connection (whose descriptors are closed all the same) until there is room.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "abi.h"
#include "reactor/slab.h"
#include "reactor/connection.h"
#include "reactor/connection_table.h"
#include "reactor/ring.h"
#include "reactor/stats.h"

namespace sluice {

namespace http {
struct Head;
struct Stream;
}  // namespace http

struct AcceptedInfo {
  int32_t flags = 0;
  int32_t pod = 0;
  SocketAddress peer;
  SocketAddress local;
  sluice_origin origin{};
  uint64_t leg_cookie = 0;
};

struct StreamDone {
  int32_t stream = 0;
  int32_t status = 0;
  int32_t reason = 0;
  int32_t error = 0;
  uint64_t request_bytes = 0;
  uint64_t response_bytes = 0;
  uint64_t duration_us = 0;
  int32_t first_byte_us = -1;
  int32_t endpoint = 0;
};

class EventSink {
 public:
  EventSink(int32_t* words, Slab slab, ConnectionTable* table, Stats* stats);

  // Whether new work may begin: everything so far is delivered and there is room for what one step
  // can say.
  bool HasRoom();
  bool has_events() const { return !ring_.empty(); }

  // Only while HasRoom().
  void Accepted(const Connection& connection, const AcceptedInfo& info);
  void TimerFired(int32_t id);

  void Request(const Connection& connection, const http::Stream& stream);
  void ResponseHead(const http::Stream& stream, const uint8_t* bytes, size_t size,
                    const http::Head& head);
  bool has_slab() const { return slab_.size != 0; }

  // At any time.
  void AttemptFailed(int32_t stream, int32_t attempt, int32_t reason, int error, uint64_t took_us,
                     bool replayable);
  void StreamEnded(const StreamDone& done);
  void Rejected(int32_t connection, int32_t error, int32_t status);
  void BecameOpaque(int32_t connection);

  // At any time. After kPendingDone the connection is gone, or will be: it must not be used again.
  void Tell(Connection* connection, PendingEvent event);
  void ListenerState(int32_t listener, ListenerReason reason, uint32_t refused, int error);
  void NetnsFailed(uint32_t netns, bool ipv6, int error);

  // Writes what was kept, as far as there is room.
  void DeliverKept();

 private:
  struct KeptRecord {
    Event type;
    std::array<int32_t, 12> words;
    uint32_t count;
  };

  // The head's bytes and its table of fields, in the slab.
  struct Placed {
    uint32_t head;
    uint32_t table;
  };
  Placed Place(const uint8_t* bytes, size_t size, const http::Head& head);

  bool Deliver(Connection* connection);
  bool DeliverOne(const Connection& connection, PendingEvent event);
  bool WriteDone(const Connection& connection);
  void WriteOrKeep(const KeptRecord& record);
  bool Write(const KeptRecord& record);

  EventRing ring_;
  Slab slab_;
  uint32_t slab_used_ = 0;
  ConnectionTable* table_;
  Stats* stats_;
  std::deque<KeptRecord> kept_;
  Connection* first_undelivered_ = nullptr;
  Connection* last_undelivered_ = nullptr;
};

}  // namespace sluice
