// The kernel's side as the keeper sees it, by raw bpf(2): the keeper is small and links nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "abi.h"
#include "base/unique_fd.h"

namespace sluice {

// Memory shared with the kernel, unmapped at the end.
class SharedMemory {
 public:
  SharedMemory() = default;
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  // Maps `size` bytes of a descriptor. 0 or -errno.
  int Map(int fd, size_t size);
  void* get() const { return memory_; }
  size_t size() const { return size_; }

 private:
  void* memory_ = nullptr;
  size_t size_ = 0;
};

class KernelMaps {
 public:
  // Pinned objects; an empty path leaves that part out: no generation is ever seen alive, no
  // direction is ever busy, no queue is asked. 0 or -errno with *what naming the one that failed.
  int Open(const std::string& generations, const std::string& pair_control,
           const std::string& query_queue, std::string* what);
  // The same from descriptors of memory, for tests; a negative one leaves the part out.
  int OpenMemory(int generations_fd, int pair_control_fd, uint32_t slots);

  // The youngest beat of all generations, CLOCK_MONOTONIC; 0: none.
  uint64_t LastBeatNs() const;

  // Whether somebody may hold bytes of this direction. Slots outside the map are never busy.
  bool Busy(int slot) const;
  // With a full barrier: what is read from a socket after SetBusy(true) can not be overtaken by the
  // apps' own direct sends.
  void SetBusy(int slot, bool busy);

  // Bytes that an app's socket holds unread; 0 when it can not be known.
  uint64_t QueuedBytes(uint64_t app_cookie) const;

 private:
  uint64_t* BusyWord(int slot) const;

  SharedMemory generations_;
  SharedMemory pair_control_;
  uint32_t slots_ = 0;
  UniqueFd query_queue_;
};

// CLOCK_MONOTONIC, the clock of the beats.
uint64_t MonotonicNs();

}  // namespace sluice
