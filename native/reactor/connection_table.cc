#include "reactor/connection_table.h"

#include <algorithm>
#include <new>

namespace sluice {

namespace {

constexpr uint32_t kSlotMask = ConnectionTable::kMaxSlots - 1;

// Generation 0 is left out: no id is ever 0, which commands use for "none".
int32_t NextGeneration(int32_t id) {
  const uint32_t bits = static_cast<uint32_t>(id);
  uint32_t generation = (bits >> ConnectionTable::kSlotBits) + 1;
  if (generation >= 1u << (32 - ConnectionTable::kSlotBits)) generation = 1;
  return static_cast<int32_t>((bits & kSlotMask) | generation << ConnectionTable::kSlotBits);
}

}  // namespace

ConnectionTable::ConnectionTable(uint32_t max_connections)
    : max_connections_(std::min(max_connections, kMaxSlots)) {}

Connection* ConnectionTable::Add() {
  if (full()) return nullptr;
  int32_t id;
  // A few free slots are left to rest, so that one busy slot does not run through its generations.
  if (used_slots_ < max_connections_ && free_.size() < kChunkSlots) {
    if (used_slots_ % kChunkSlots == 0) chunks_.push_back(std::make_unique<Chunk>());
    id = static_cast<int32_t>(used_slots_ | 1u << kSlotBits);
    used_slots_++;
  } else {
    id = free_.front();
    free_.pop_front();
  }
  Connection* connection = At(static_cast<uint32_t>(id) & kSlotMask);
  connection->id = id;
  connection->timer.owner = id;
  size_++;
  return connection;
}

void ConnectionTable::Remove(Connection* connection) {
  free_.push_back(NextGeneration(connection->id));
  connection->~Connection();
  new (connection) Connection();
  size_--;
}

Connection* ConnectionTable::InSlot(uint32_t slot) const {
  if (slot >= used_slots_) return nullptr;
  Connection* connection = At(slot);
  return connection->state != ConnectionState::kFree ? connection : nullptr;
}

Connection* ConnectionTable::Find(int32_t id) const {
  const uint32_t slot = static_cast<uint32_t>(id) & kSlotMask;
  if (slot >= used_slots_) return nullptr;
  Connection* connection = At(slot);
  return connection->state != ConnectionState::kFree && connection->id == id ? connection : nullptr;
}

}  // namespace sluice
