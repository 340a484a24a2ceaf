#include "keeper/kernel_maps.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>

#include "keeper/bpf_calls.h"
#include "keeper/protocol.h"

namespace sluice {

// Another layout has other pins: a keeper that went on watching the old ones would see no beat.
static_assert(SLUICE_LAYOUT == kKeeperLayout, "raise kKeeperVersion and kKeeperLayout");

namespace {

int ReadMapInfo(int fd, bpf_map_info* info) {
  bpf_attr attributes = {};
  attributes.info.bpf_fd = static_cast<uint32_t>(fd);
  attributes.info.info_len = sizeof(*info);
  attributes.info.info = reinterpret_cast<uint64_t>(info);
  return Bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes) == 0 ? 0 : -errno;
}

// Opens a pinned array of at least one `value_size` and maps all of it.
int MapPinnedArray(const std::string& path, size_t value_size, SharedMemory* memory,
                   uint32_t* entries) {
  UniqueFd fd;
  int error = OpenPinned(path, &fd);
  if (error != 0) return error;
  bpf_map_info info = {};
  error = ReadMapInfo(fd.get(), &info);
  if (error != 0) return error;
  if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != value_size) return -EINVAL;
  *entries = info.max_entries;
  return memory->Map(fd.get(), value_size * info.max_entries);
}

}  // namespace

uint64_t MonotonicNs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

SharedMemory::~SharedMemory() {
  if (memory_ != nullptr) munmap(memory_, size_);
}

int SharedMemory::Map(int fd, size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return -errno;
  memory_ = memory;
  size_ = size;
  return 0;
}

int KernelMaps::Open(const std::string& generations, const std::string& pair_control,
                     const std::string& query_queue, std::string* what) {
  uint32_t entries = 0;
  int error = 0;
  if (!generations.empty()) {
    *what = generations;
    error = MapPinnedArray(generations, sizeof(sluice_generations), &generations_, &entries);
    if (error != 0) return error;
  }
  if (!pair_control.empty()) {
    *what = pair_control;
    error = MapPinnedArray(pair_control, sizeof(sluice_pair_control), &pair_control_, &slots_);
    if (error != 0) return error;
  }
  if (query_queue.empty()) return 0;
  *what = query_queue;
  return OpenPinned(query_queue, &query_queue_);
}

int KernelMaps::OpenMemory(int generations_fd, int pair_control_fd, uint32_t slots) {
  if (generations_fd >= 0) {
    const int error = generations_.Map(generations_fd, sizeof(sluice_generations));
    if (error != 0) return error;
  }
  if (pair_control_fd < 0) return 0;
  slots_ = slots;
  return pair_control_.Map(pair_control_fd, sizeof(sluice_pair_control) * slots);
}

uint64_t KernelMaps::LastBeatNs() const {
  auto* generations = static_cast<sluice_generations*>(generations_.get());
  if (generations == nullptr) return 0;
  uint64_t last = 0;
  for (auto& beat : generations->beat_ns) {
    uint64_t& word = reinterpret_cast<uint64_t&>(beat);
    last = std::max(last, std::atomic_ref<uint64_t>(word).load(std::memory_order_acquire));
  }
  return last;
}

uint64_t* KernelMaps::BusyWord(int slot) const {
  if (pair_control_.get() == nullptr || slot < 0 || static_cast<uint32_t>(slot) >= slots_)
    return nullptr;
  return reinterpret_cast<uint64_t*>(
      &static_cast<sluice_pair_control*>(pair_control_.get())[slot].busy);
}

bool KernelMaps::Busy(int slot) const {
  uint64_t* word = BusyWord(slot);
  return word != nullptr && std::atomic_ref<uint64_t>(*word).load() != 0;
}

void KernelMaps::SetBusy(int slot, bool busy) {
  uint64_t* word = BusyWord(slot);
  if (word != nullptr) std::atomic_ref<uint64_t>(*word).exchange(busy ? 1 : 0);
}

uint64_t KernelMaps::QueuedBytes(uint64_t app_cookie) const {
  if (!query_queue_.valid() || app_cookie == 0) return 0;
  sluice_queue_query query = {};
  query.cookie = app_cookie;
  bpf_attr attributes = {};
  attributes.test.prog_fd = static_cast<uint32_t>(query_queue_.get());
  attributes.test.ctx_in = reinterpret_cast<uint64_t>(&query);
  attributes.test.ctx_size_in = sizeof(query);
  if (Bpf(BPF_PROG_TEST_RUN, &attributes) != 0 || query.found == 0) return 0;
  return query.queued_bytes;
}

}  // namespace sluice
