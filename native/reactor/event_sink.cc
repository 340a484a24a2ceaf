#include "reactor/event_sink.h"

#include <cstring>

namespace sluice {

namespace {

// Fills a record word by word, in the order of protocol.h.
class Writer {
 public:
  explicit Writer(int32_t* words) : at_(words) {}
  Writer& Int(int64_t value) {
    *at_++ = static_cast<int32_t>(value);
    return *this;
  }
  Writer& U64(uint64_t value) {
    PutU64(at_, value);
    at_ += 2;
    return *this;
  }
  Writer& Address(const sluice_addr& addr, uint16_t port) {
    std::memcpy(at_, addr.word, sizeof addr.word);
    at_ += 4;
    return Int(port);
  }

 private:
  int32_t* at_;
};

constexpr uint32_t kAcceptWords = 24;
constexpr uint32_t kConnectedWords = 6;
constexpr uint32_t kConnectFailedWords = 4;
constexpr uint32_t kPairedWords = 4;
constexpr uint32_t kDoneWords = 14;
// A head of the largest size with its table.
constexpr uint32_t kLargestHeadRoom = 64 * 1024;

}  // namespace

EventSink::EventSink(int32_t* words, Slab slab, ConnectionTable* table, Stats* stats)
    : ring_(words), slab_(slab), table_(table), stats_(stats) {}

bool EventSink::HasRoom() {
  // Nobody looks at what earlier events pointed to any more.
  if (ring_.empty()) slab_used_ = 0;
  const bool slab_room = slab_.size == 0 || slab_.size / 2 - slab_used_ >= kLargestHeadRoom;
  return first_undelivered_ == nullptr && kept_.empty() && ring_.HasRoomFor(2) && slab_room;
}

void EventSink::Accepted(const Connection& connection, const AcceptedInfo& info) {
  int32_t* words = ring_.Append(kEventAccept, kAcceptWords);
  if (words == nullptr) return;
  stats_->events++;
  Writer(words)
      .Int(connection.id)
      .Int(connection.listener)
      .Int(info.flags)
      .Int(info.origin.flags)
      .Int(info.pod)
      .Address(info.peer.addr, info.peer.port)
      .Address(info.local.addr, info.local.port)
      .Address(info.origin.addr, info.origin.port)
      .U64(info.origin.client_cookie)
      .U64(info.leg_cookie);
}

void EventSink::TimerFired(int32_t id) { WriteOrKeep({kEventTimer, {id}, 1}); }

void EventSink::ListenerState(int32_t listener, ListenerReason reason, uint32_t refused,
                              int error) {
  WriteOrKeep({kEventListenerPaused, {listener, reason, static_cast<int32_t>(refused), error}, 4});
}

void EventSink::NetnsFailed(uint32_t netns, bool ipv6, int error) {
  WriteOrKeep({kEventNetnsFailed, {static_cast<int32_t>(netns), ipv6 ? 6 : 4, error}, 3});
}

void EventSink::WriteOrKeep(const KeptRecord& record) {
  if (!kept_.empty() || !Write(record)) kept_.push_back(record);
}

bool EventSink::Write(const KeptRecord& record) {
  int32_t* words = ring_.Append(record.type, record.count);
  if (words == nullptr) return false;
  stats_->events++;
  std::memcpy(words, record.words.data(), record.count * sizeof *words);
  return true;
}

void EventSink::Tell(Connection* connection, PendingEvent event) {
  const bool listed = connection->pending_events != 0;
  connection->pending_events |= event;
  if (listed) return;
  if (first_undelivered_ == nullptr && Deliver(connection)) return;
  connection->next_undelivered = nullptr;
  (last_undelivered_ != nullptr ? last_undelivered_->next_undelivered : first_undelivered_) =
      connection;
  last_undelivered_ = connection;
}

void EventSink::DeliverKept() {
  while (first_undelivered_ != nullptr) {
    Connection* connection = first_undelivered_;
    Connection* next = connection->next_undelivered;
    if (!Deliver(connection)) return;
    first_undelivered_ = next;
    if (next == nullptr) last_undelivered_ = nullptr;
  }
  while (!kept_.empty() && Write(kept_.front())) kept_.pop_front();
}

// True when nothing of it is left to say; then it may be gone.
bool EventSink::Deliver(Connection* connection) {
  for (const PendingEvent event :
       {kPendingConnected, kPendingConnectFailed, kPendingPaired, kPendingDone}) {
    if ((connection->pending_events & event) == 0) continue;
    if (!DeliverOne(*connection, event)) return false;
    stats_->events++;
    connection->pending_events &= static_cast<uint8_t>(~event);
    if (event == kPendingDone) table_->Remove(connection);
  }
  return true;
}

bool EventSink::DeliverOne(const Connection& connection, PendingEvent event) {
  switch (event) {
    case kPendingConnected: {
      int32_t* words = ring_.Append(kEventConnected, kConnectedWords);
      if (words == nullptr) return false;
      Writer(words)
          .Int(connection.id)
          .Int(connection.attempt)
          .Int(connection.connect_us)
          .Int(connection.local_port)
          .U64(connection.leg_cookie);
      return true;
    }
    case kPendingConnectFailed: {
      int32_t* words = ring_.Append(kEventConnectFailed, kConnectFailedWords);
      if (words == nullptr) return false;
      Writer(words)
          .Int(connection.id)
          .Int(connection.attempt)
          .Int(connection.error)
          .Int(connection.connect_us);
      return true;
    }
    case kPendingPaired: {
      const Acceleration& acceleration = *connection.acceleration;
      int32_t* words = ring_.Append(kEventPaired, kPairedWords);
      if (words == nullptr) return false;
      Writer(words)
          .Int(connection.id)
          .Int(acceleration.slot[kClient])
          .Int(acceleration.slot[kServer])
          .Int(acceleration.pair_error);
      return true;
    }
    case kPendingDone: return WriteDone(connection);
  }
  return true;
}

bool EventSink::WriteDone(const Connection& connection) {
  int32_t* words = ring_.Append(kEventDone, kDoneWords);
  if (words == nullptr) return false;
  const Acceleration* acceleration = connection.acceleration.get();
  Writer(words)
      .Int(connection.id)
      .Int(connection.done_reason)
      .Int(connection.error)
      .U64(connection.flow[kClient].bytes)
      .U64(connection.flow[kServer].bytes)
      .U64(connection.ended_us - connection.accepted_us)
      .U64(acceleration != nullptr ? acceleration->direct_bytes[kClient] : 0)
      .U64(acceleration != nullptr ? acceleration->direct_bytes[kServer] : 0)
      .Int(connection.first_byte_us);
  return true;
}

}  // namespace sluice
