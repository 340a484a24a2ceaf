// Fair turns between pods: deficit round robin. Each pod with work gets a quantum of cost a round,
// however many of its connections are ready, so a pod with 8,000 busy ones delays another pod by
// one quantum only.
#pragma once

#include <cstdint>

namespace sluice {

enum class ReadyKind : uint8_t { kConnection, kListener };

// What can stand in a pod's queue: base of connections and listeners.
struct ReadyItem {
  ReadyItem* previous = nullptr;
  ReadyItem* next = nullptr;
  const ReadyKind ready_kind;
  bool queued = false;

  explicit ReadyItem(ReadyKind kind) : ready_kind(kind) {}
};

// A pod as this reactor sees it: its queue, and what it holds of what is limited.
struct Pod {
  const int32_t number;
  uint32_t listeners = 0;
  uint32_t connections = 0;
  uint32_t upstreams = 0;  // of these, legs of HTTP: not counted against the limit
  uint32_t max_connections = 0;  // 0: none
  uint64_t buffered_bytes = 0;
  uint64_t max_buffered_bytes = 0;  // 0: none

  ReadyItem* first = nullptr;
  ReadyItem* last = nullptr;
  int64_t deficit = 0;
  bool active = false;
  Pod* next_active = nullptr;

  explicit Pod(int32_t number) : number(number) {}
  bool over_buffer_limit() const {
    return max_buffered_bytes != 0 && buffered_bytes >= max_buffered_bytes;
  }
};

class Scheduler {
 public:
  static constexpr int64_t kQuantum = 128 * 1024;

  // At the end of its pod's queue; nothing when it is there already. A listener goes to the front,
  // and is not ready again before the next turn: behind thousands of connections its backlog would
  // overflow, and clients that it drops try again after one, three and seven seconds.
  void Enqueue(Pod* pod, ReadyItem* item);
  void Remove(Pod* pod, ReadyItem* item);
  bool idle() const { return first_ == nullptr; }

  // The next item that may be served, with what its pod may still spend, or nullptr. The item has
  // left the queue: whoever serves it puts it back if it could go on.
  ReadyItem* Take(int64_t* allowance);
  // What serving the item from the last Take() cost.
  void Charge(int64_t cost);
  // The pod's memory is about to go.
  void Forget(Pod* pod);

 private:
  void Rotate();

  Pod* first_ = nullptr;
  Pod* last_ = nullptr;
  Pod* serving_ = nullptr;
};

}  // namespace sluice
