// Connections by id: slot | generation << 20. Slots are reused oldest first and a generation lasts
// 4,095 reuses, so an id that TypeScript still holds after DONE finds nothing instead of a
// stranger.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "reactor/connection.h"

namespace sluice {

class ConnectionTable {
 public:
  static constexpr uint32_t kSlotBits = 20;
  static constexpr uint32_t kMaxSlots = 1u << kSlotBits;

  explicit ConnectionTable(uint32_t max_connections);

  // A fresh connection with its id set, or nullptr when the table is full.
  Connection* Add();
  void Remove(Connection* connection);
  // Nullptr for an id that is stale or never was.
  Connection* Find(int32_t id) const;
  // Whatever connection is there now; nullptr when none is.
  Connection* InSlot(uint32_t slot) const;
  uint32_t size() const { return size_; }
  bool full() const { return size_ >= max_connections_; }

  template <typename Visit>
  void ForEach(Visit visit) {
    for (auto& chunk : chunks_) {
      for (Connection& connection : chunk->connections) {
        if (connection.state != ConnectionState::kFree) visit(&connection);
      }
    }
  }

 private:
  static constexpr uint32_t kChunkSlots = 64;
  struct Chunk {
    Connection connections[kChunkSlots];
  };

  Connection* At(uint32_t slot) const {
    return &chunks_[slot / kChunkSlots]->connections[slot % kChunkSlots];
  }

  const uint32_t max_connections_;
  uint32_t size_ = 0;
  uint32_t used_slots_ = 0;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::deque<int32_t> free_;  // next ids
};

}  // namespace sluice
