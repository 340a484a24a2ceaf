// Tells TypeScript what happened, and never loses a word of it: an event that does not fit now is
// kept with its connection (whose descriptors are closed all the same) until there is room.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "abi.h"
#include "reactor/connection.h"
#include "reactor/connection_table.h"
#include "reactor/ring.h"
#include "reactor/stats.h"

namespace sluice {

struct AcceptedInfo {
  int32_t flags = 0;
  int32_t pod = 0;
  SocketAddress peer;
  SocketAddress local;
  sluice_origin origin{};
  uint64_t leg_cookie = 0;
};

class EventSink {
 public:
  EventSink(int32_t* words, ConnectionTable* table, Stats* stats);

  // Whether new work may begin: everything so far is delivered and there is room for what one step
  // can say.
  bool HasRoom() const;
  bool has_events() const { return !ring_.empty(); }

  // Only while HasRoom().
  void Accepted(const Connection& connection, const AcceptedInfo& info);
  void TimerFired(int32_t id);

  // At any time. After kPendingDone the connection is gone, or will be: it must not be used again.
  void Tell(Connection* connection, PendingEvent event);
  void ListenerState(int32_t listener, ListenerReason reason, uint32_t refused, int error);
  void NetnsFailed(uint32_t netns, bool ipv6, int error);

  // Writes what was kept, as far as there is room.
  void DeliverKept();

 private:
  struct KeptRecord {
    Event type;
    std::array<int32_t, 4> words;
    uint32_t count;
  };

  bool Deliver(Connection* connection);
  bool DeliverOne(const Connection& connection, PendingEvent event);
  bool WriteDone(const Connection& connection);
  void WriteOrKeep(const KeptRecord& record);
  bool Write(const KeptRecord& record);

  EventRing ring_;
  ConnectionTable* table_;
  Stats* stats_;
  std::deque<KeptRecord> kept_;
  Connection* first_undelivered_ = nullptr;
  Connection* last_undelivered_ = nullptr;
};

}  // namespace sluice
