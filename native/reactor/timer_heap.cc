#include "reactor/timer_heap.h"

namespace sluice {

void TimerHeap::Place(Timer* timer, uint32_t position) {
  heap_[position] = timer;
  timer->position = position;
}

void TimerHeap::SiftUp(uint32_t position) {
  Timer* timer = heap_[position];
  while (position > 0) {
    const uint32_t parent = (position - 1) / 2;
    if (heap_[parent]->deadline_us <= timer->deadline_us) break;
    Place(heap_[parent], position);
    position = parent;
  }
  Place(timer, position);
}

void TimerHeap::SiftDown(uint32_t position) {
  Timer* timer = heap_[position];
  const uint32_t size = static_cast<uint32_t>(heap_.size());
  for (;;) {
    uint32_t child = 2 * position + 1;
    if (child >= size) break;
    if (child + 1 < size && heap_[child + 1]->deadline_us < heap_[child]->deadline_us) child++;
    if (timer->deadline_us <= heap_[child]->deadline_us) break;
    Place(heap_[child], position);
    position = child;
  }
  Place(timer, position);
}

void TimerHeap::Arm(Timer* timer, uint64_t deadline_us) {
  timer->deadline_us = deadline_us;
  if (!timer->armed()) {
    heap_.push_back(timer);
    SiftUp(static_cast<uint32_t>(heap_.size() - 1));
    return;
  }
  SiftUp(timer->position);
  SiftDown(timer->position);
}

void TimerHeap::Cancel(Timer* timer) {
  if (!timer->armed()) return;
  const uint32_t position = timer->position;
  timer->position = Timer::kIdle;
  Timer* last = heap_.back();
  heap_.pop_back();
  if (last == timer) return;
  Place(last, position);
  SiftUp(position);
  SiftDown(last->position);
}

Timer* TimerHeap::TakeDue(uint64_t now_us) {
  if (heap_.empty() || heap_.front()->deadline_us > now_us) return nullptr;
  Timer* timer = heap_.front();
  Cancel(timer);
  return timer;
}

int64_t TimerHeap::TimeoutUs(uint64_t now_us) const {
  if (heap_.empty()) return -1;
  const uint64_t deadline_us = heap_.front()->deadline_us;
  return deadline_us <= now_us ? 0 : static_cast<int64_t>(deadline_us - now_us);
}

}  // namespace sluice
