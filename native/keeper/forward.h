// One direction of a connection whose proxy is gone: bytes from one leg to the other.
#pragma once

#include <cstdint>
#include <vector>

#include "keeper/kernel_maps.h"

namespace sluice {

enum class ForwardState {
  kReading,    // wait until the source is readable
  kWriting,    // wait until the target is writable
  kOverLimit,  // the app at the end holds enough: look again in a moment
  kFinished,   // the end was forwarded
  kFailed,     // reset both
};

struct Forward {
  int source = -1;               // borrowed
  int target = -1;               // borrowed
  uint64_t receiver_cookie = 0;  // the app's socket behind the target
  int slot = -1;
  std::vector<uint8_t> held;  // read, not yet sent
  bool source_ended = false;
  ForwardState state = ForwardState::kReading;
};

// Moves what can be moved now, a bounded amount, so that one connection does not hold up the
// others; the new state is also in forward.state. Adds to *forwarded.
ForwardState Step(Forward& forward, KernelMaps& maps, uint64_t limit_bytes, uint64_t* forwarded);

}  // namespace sluice
