// Deadlines of one reactor: a binary heap of intrusive timers, so that arming and cancelling
// allocate nothing and a connection carries its timer with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

enum class TimerKind : uint8_t { kConnection, kListener, kCommand, kRetry, kDrain };

struct Timer {
  uint64_t deadline_us = 0;
  uint32_t position = kIdle;  // in the heap
  TimerKind kind;
  int32_t owner = 0;  // connection id, listener number or timer id

  static constexpr uint32_t kIdle = UINT32_MAX;
  explicit Timer(TimerKind kind) : kind(kind) {}
  bool armed() const { return position != kIdle; }
};

class TimerHeap {
 public:
  // Arms or moves a timer. It must be cancelled before its memory goes.
  void Arm(Timer* timer, uint64_t deadline_us);
  void Cancel(Timer* timer);

  // The timer whose deadline has passed longest ago, now disarmed, or nullptr.
  Timer* TakeDue(uint64_t now_us);

  // Microseconds from now to the next deadline; -1 without timers.
  int64_t TimeoutUs(uint64_t now_us) const;
  size_t size() const { return heap_.size(); }

 private:
  void Place(Timer* timer, uint32_t position);
  void SiftUp(uint32_t position);
  void SiftDown(uint32_t position);

  std::vector<Timer*> heap_;
};

}  // namespace sluice
