// What the parts of a reactor share: the poller, the tables, the clock, and how a connection ends.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "reactor/connection_table.h"
#include "reactor/event_sink.h"
#include "reactor/kernel_maps.h"
#include "reactor/poller.h"
#include "reactor/scheduler.h"
#include "reactor/slab.h"
#include "reactor/stats.h"
#include "reactor/timer_heap.h"

namespace sluice {

enum class Ending {
  kFin,      // what was sent arrives, then FIN
  kReset,    // both sides get a reset
  kAdopted,  // our descriptors only: duplicates elsewhere carry on
};

// What becomes of connections that speak HTTP.
class HttpHooks {
 public:
  virtual ~HttpHooks() = default;
  // It ends with this call, whoever ended it.
  virtual void Ends(Connection* connection, DoneReason reason, int error) = 0;
  // Of a leg to an upstream.
  virtual void ConnectFailed(Connection* upstream, int error) = 0;
};

class Core {
 public:
  Core(int32_t* event_words, Slab slab, uint32_t max_connections, uint64_t pair_limit_bytes);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  Poller poller;
  TimerHeap timers;
  Scheduler scheduler;
  Stats stats;
  KernelMaps maps;
  ConnectionTable table;
  EventSink events;
  HttpHooks* http = nullptr;
  uint64_t now_us = 0;
  const uint64_t pair_limit_bytes;

  Pod* UsePod(int32_t number);
  // Forgets the pod when neither listener nor connection is left.
  void ReleasePod(Pod* pod);

  void Enqueue(Connection* connection) { scheduler.Enqueue(connection->pod, connection); }

  // Serves the connection again in a millisecond.
  void RetrySoon(Connection* connection);
  void FireRetries();
  // Serves it again when its full queue should have drained.
  void RetryAfterDrain(Connection* connection, uint32_t wait_us);
  void Retry(int32_t id);

  // Closes everything and tells TypeScript, now or when the ring has room. The connection is gone
  // after it.
  void End(Connection* connection, DoneReason reason, int error, Ending ending);

  // Takes what is left of `size` bytes into the flow's own buffer, counted against the pod.
  void Keep(Connection* connection, Side from, const uint8_t* data, uint32_t size);
  void DropPending(Connection* connection, Side from);

 private:
  void CloseEndpoint(Connection* connection, Side side, Ending ending);
  void StopPairing(Connection* connection, Ending ending);

  std::unordered_map<int32_t, std::unique_ptr<Pod>> pods_;
  std::vector<int32_t> retries_;
  std::vector<int32_t> firing_;
  Timer retry_timer_{TimerKind::kRetry};
};

}  // namespace sluice
