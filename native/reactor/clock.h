#pragma once

#include <cstdint>
#include <ctime>

namespace sluice {

// CLOCK_MONOTONIC in microseconds.
inline uint64_t MonotonicUs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1'000;
}

}  // namespace sluice
