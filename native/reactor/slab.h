// Memory for heads and bodies that events and commands point into; protocol.h says whose half is
// whose.
#pragma once

#include <cstdint>

namespace sluice {

struct Slab {
  uint8_t* data = nullptr;
  uint32_t size = 0;  // 0: none, and no HTTP

  // Whether TypeScript may have written there.
  bool Holds(int32_t offset, int32_t length) const {
    return offset >= static_cast<int32_t>(size / 2) && length >= 0 &&
           static_cast<uint64_t>(offset) + static_cast<uint64_t>(length) <= size;
  }
};

}  // namespace sluice
