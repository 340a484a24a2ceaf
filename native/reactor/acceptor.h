// Listeners: taking connections in, at a pace that leaves turns to others, and saying who they are.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "reactor/core.h"

namespace sluice {

struct Listener : ReadyItem {
  int32_t number = 0;
  UniqueFd fd;
  Pod* pod = nullptr;
  int32_t direction = 0;
  bool watched = false;
  bool starved = false;  // said to have no descriptors, not yet to have resumed
  Timer timer{TimerKind::kListener};
  uint32_t refused = 0;
  ListenerReason refused_for = kListenerPodLimit;
  uint64_t reported_us = 0;
  uint32_t since_requeued = 0;

  Listener() : ReadyItem(ReadyKind::kListener) {}
};

struct ListenRequest {
  int32_t listener;
  int fd;
  int32_t pod;
  int32_t direction;
  uint32_t max_connections;
  uint64_t max_buffered_bytes;
};

class Acceptor {
 public:
  explicit Acceptor(Core* core);

  // What goes wrong comes as kEventListenerPaused with kListenerFailed.
  void Listen(const ListenRequest& request);
  // Takes what waits already. False for a number that is not in use.
  bool Unlisten(int32_t number);
  void UnlistenAll();

  // Epoll says that connections wait.
  void Ready(int32_t number);
  // Takes some of them. Returns the cost, in bytes as the forwarder counts.
  int64_t Serve(Listener* listener, int64_t allowance);
  void TimerFired(int32_t number);

 private:
  enum class Taken { kOne, kNone, kStop };

  Taken TakeOne(Listener* listener);
  bool KeepPlaceForLeg();
  Taken OutOfDescriptors(Listener* listener);
  Taken TakeFailed(Listener* listener, int error);
  void Admit(Listener* listener, UniqueFd fd, const sockaddr_storage& peer);
  bool Identify(const Listener& listener, int fd, const sockaddr_storage& peer,
                AcceptedInfo* info) const;
  void Refuse(Listener* listener, UniqueFd fd, ListenerReason reason);
  void ReportRefused(Listener* listener);
  void Pause(Listener* listener, ListenerReason reason, int error, uint64_t retry_us);
  int Watch(Listener* listener);
  void TakeWaiting(Listener* listener);
  void Close(Listener* listener);

  Core* core_;
  const int most_descriptors_;
  UniqueFd place_;  // for the next connection's leg
  uint64_t short_since_us_ = 0;  // of descriptors
  uint64_t short_until_us_ = 0;  // seen last
  std::unordered_map<int32_t, std::unique_ptr<Listener>> listeners_;
};

}  // namespace sluice
