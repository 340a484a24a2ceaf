#include "reactor/kernel_maps.h"

#include <bpf/bpf.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace sluice {

namespace {

// libbpf 1.x returns -errno from these.
int Errno(int result) { return result < 0 ? -result : 0; }

int MapInfo(int fd, bpf_map_info* info) {
  __u32 length = sizeof *info;
  return Errno(bpf_obj_get_info_by_fd(fd, info, &length));
}

int MapMemory(int fd, size_t value_bytes, int protection, uint32_t* entries, void** memory,
              size_t* bytes) {
  bpf_map_info info{};
  if (const int error = MapInfo(fd, &info)) return error;
  if (info.value_size != value_bytes) return EINVAL;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  *bytes = (info.max_entries * value_bytes + page - 1) / page * page;
  *memory = mmap(nullptr, *bytes, protection, MAP_SHARED, fd, 0);
  if (*memory == MAP_FAILED) {
    *memory = nullptr;
    return errno;
  }
  *entries = info.max_entries;
  return 0;
}

}  // namespace

int KernelMaps::Open(const KernelMapFds& fds, uint32_t generation, const char** what) {
  fds_ = fds;
  generation_ = generation;
  *what = "generation";
  if (generation >= SLUICE_GENERATIONS) return EINVAL;
  if (fds.pairs < 0 || fds.pair_control < 0 || fds.pair_stats < 0) return 0;
  void* memory = nullptr;
  uint32_t controls = 0;
  *what = "map pair_control";
  if (const int error = MapMemory(fds.pair_control, sizeof *control_, PROT_READ | PROT_WRITE,
                                  &controls, &memory, &control_bytes_)) {
    return error;
  }
  control_ = static_cast<sluice_pair_control*>(memory);
  uint32_t stats = 0;
  *what = "map pair_stats";
  if (const int error =
          MapMemory(fds.pair_stats, sizeof *stats_, PROT_READ, &stats, &memory, &stats_bytes_)) {
    return error;
  }
  stats_ = static_cast<const sluice_pair_stats*>(memory);
  slots_ = controls < stats ? controls : stats;
  return 0;
}

KernelMaps::~KernelMaps() {
  if (control_ != nullptr) munmap(control_, control_bytes_);
  if (stats_ != nullptr) munmap(const_cast<sluice_pair_stats*>(stats_), stats_bytes_);
}

int KernelMaps::FindOrigin(const SocketAddress& local, const SocketAddress& remote,
                           sluice_origin* origin) const {
  const sluice_flow flow{local.addr, remote.addr, local.port, remote.port};
  return Errno(bpf_map_lookup_elem(fds_.origins, &flow, origin));
}

int KernelMaps::SetLegIntent(int fd, const sluice_leg& leg) const {
  if (fds_.leg_intents < 0) return ENOTSUP;
  return Errno(bpf_map_update_elem(fds_.leg_intents, &fd, &leg, BPF_ANY));
}

int KernelMaps::FindPeer(uint64_t cookie, uint64_t* peer_cookie) const {
  if (fds_.sock_info < 0) return ENOTSUP;
  sluice_sock sock{};
  if (const int error = Errno(bpf_map_lookup_elem(fds_.sock_info, &cookie, &sock))) return error;
  *peer_cookie = sock.peer_cookie;
  return sock.peer_cookie != 0 ? 0 : EAGAIN;
}

int KernelMaps::SetPair(uint64_t cookie, const sluice_pair& pair) const {
  return Errno(bpf_map_update_elem(fds_.pairs, &cookie, &pair, BPF_ANY));
}

void KernelMaps::RemovePair(uint64_t cookie) const { bpf_map_delete_elem(fds_.pairs, &cookie); }

int KernelMaps::QueuedBytes(uint64_t cookie, uint64_t* bytes) const {
  if (fds_.queue_query_program < 0) return ENOTSUP;
  sluice_queue_query query{};
  query.cookie = cookie;
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  options.ctx_in = &query;
  options.ctx_size_in = sizeof query;
  if (const int error = Errno(bpf_prog_test_run_opts(fds_.queue_query_program, &options)))
    return error;
  *bytes = query.queued_bytes;
  return query.found != 0 ? 0 : ENOENT;
}

bool KernelMaps::OwnsSlot(int32_t slot) const {
  const uint32_t quarter = slots_ / SLUICE_GENERATIONS;
  if (slot < 0) return false;
  const uint32_t number = static_cast<uint32_t>(slot);
  return number >= generation_ * quarter && number < (generation_ + 1) * quarter;
}

void KernelMaps::SetWant(int32_t slot, bool want) const {
  std::atomic_ref<__u64>(control_[slot].want).store(want ? 1 : 0, std::memory_order_seq_cst);
}

void KernelMaps::SetBusy(int32_t slot) const {
  const int cpu = sched_getcpu();
  const __u64 busy = SLUICE_BUSY_WORKING | (cpu < 0 ? 0 : SLUICE_BUSY_ON(cpu));
  std::atomic_ref<__u64>(control_[slot].busy).store(busy, std::memory_order_seq_cst);
  // The store alone orders against atomics only; recv(2) takes bytes by plain memory accesses in
  // the kernel.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void KernelMaps::SetHolding(int32_t slot) const {
  std::atomic_ref<__u64>(control_[slot].busy).store(SLUICE_BUSY_HOLDING, std::memory_order_seq_cst);
}

void KernelMaps::ClearBusy(int32_t slot) const {
  std::atomic_ref<__u64>(control_[slot].busy).store(0, std::memory_order_seq_cst);
}

sluice_pair_stats KernelMaps::ReadStats(int32_t slot) const {
  sluice_pair_stats stats{};
  auto load = [](const __u64& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); };
  stats.direct_bytes = load(stats_[slot].direct_bytes);
  stats.leg_redirect_bytes = load(stats_[slot].leg_redirect_bytes);
  stats.leg_tcp_bytes = load(stats_[slot].leg_tcp_bytes);
  stats.over_limit = load(stats_[slot].over_limit);
  stats.receiver_queued_bytes = load(stats_[slot].receiver_queued_bytes);
  stats.last_direct_ns = load(stats_[slot].last_direct_ns);
  return stats;
}

}  // namespace sluice
