// What the keeper counts, in the order of KeeperStat.
#pragma once

#include <array>
#include <cstdint>

#include "keeper/protocol.h"

namespace sluice {

struct Counters {
  std::array<uint64_t, kStatCount> values = {};
  uint64_t& operator[](KeeperStat stat) { return values[static_cast<size_t>(stat)]; }
};

}  // namespace sluice
