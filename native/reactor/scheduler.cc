#include "reactor/scheduler.h"

namespace sluice {

void Scheduler::Enqueue(Pod* pod, ReadyItem* item) {
  if (item->queued) return;
  item->queued = true;
  const bool first = item->ready_kind == ReadyKind::kListener;
  item->previous = first ? nullptr : pod->last;
  item->next = first ? pod->first : nullptr;
  (item->previous != nullptr ? item->previous->next : pod->first) = item;
  (item->next != nullptr ? item->next->previous : pod->last) = item;
  if (pod->active) return;
  pod->active = true;
  pod->deficit = kQuantum;
  pod->next_active = nullptr;
  (last_ != nullptr ? last_->next_active : first_) = pod;
  last_ = pod;
}

void Scheduler::Remove(Pod* pod, ReadyItem* item) {
  if (!item->queued) return;
  item->queued = false;
  (item->previous != nullptr ? item->previous->next : pod->first) = item->next;
  (item->next != nullptr ? item->next->previous : pod->last) = item->previous;
}

// Moves the first pod to the end with a new quantum, or out when it has nothing to do.
void Scheduler::Rotate() {
  Pod* pod = first_;
  first_ = pod->next_active;
  if (first_ == nullptr) last_ = nullptr;
  pod->next_active = nullptr;
  if (pod->first == nullptr) {
    pod->active = false;
    return;
  }
  // A debt from an item that cost more than was left is carried over; credit is not.
  pod->deficit = (pod->deficit < 0 ? pod->deficit : 0) + kQuantum;
  (last_ != nullptr ? last_->next_active : first_) = pod;
  last_ = pod;
}

ReadyItem* Scheduler::Take(int64_t* allowance) {
  while (first_ != nullptr) {
    Pod* pod = first_;
    if (pod->first == nullptr || pod->deficit <= 0) {
      Rotate();
      continue;
    }
    ReadyItem* item = pod->first;
    Remove(pod, item);
    serving_ = pod;
    *allowance = pod->deficit;
    return item;
  }
  return nullptr;
}

void Scheduler::Charge(int64_t cost) {
  if (serving_ != nullptr) serving_->deficit -= cost;
  serving_ = nullptr;
}

void Scheduler::Forget(Pod* pod) {
  if (serving_ == pod) serving_ = nullptr;
  if (!pod->active) return;
  Pod* before = nullptr;
  for (Pod* at = first_; at != pod; at = at->next_active) before = at;
  (before != nullptr ? before->next_active : first_) = pod->next_active;
  if (last_ == pod) last_ = before;
  pod->active = false;
}

}  // namespace sluice
