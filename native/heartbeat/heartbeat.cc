#include "heartbeat/heartbeat.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <ctime>

#include "abi.h"

namespace sluice {
namespace {

// The clock of bpf_ktime_get_ns().
uint64_t MonotonicNs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void Store(uint64_t* beat, uint64_t value) {
  std::atomic_ref<uint64_t>(*beat).store(value, std::memory_order_release);
}

// On a node whose processors are all taken a late beat would look like a dead proxy, and let
// traffic around the mesh. The thread needs microseconds a second; real time where it is granted.
void RunFirst() {
  const sched_param first = {.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) == 0) return;
  constexpr int kMostFavoured = -20;
  setpriority(PRIO_PROCESS, 0, kMostFavoured);  // of this thread alone
}

}  // namespace

std::unique_ptr<Heartbeat> Heartbeat::Start(int generations_fd, unsigned generation,
                                            std::chrono::milliseconds period, int* error) {
  const size_t size = sizeof(sluice_generations);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, generations_fd, 0);
  if (memory == MAP_FAILED) {
    *error = errno;
    return nullptr;
  }
  std::unique_ptr<Heartbeat> heartbeat(new Heartbeat(memory, size, generation, period));
  // Before the thread: the caller may attach hooks right after this returns.
  Store(heartbeat->beat_, MonotonicNs());
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto run = [](void* self) -> void* {
    static_cast<Heartbeat*>(self)->Run();
    return nullptr;
  };
  *error = pthread_create(&heartbeat->thread_, nullptr, run, heartbeat.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (*error != 0) return nullptr;
  heartbeat->started_ = true;
  pthread_setname_np(heartbeat->thread_, "sluice-beat");
  return heartbeat;
}

Heartbeat::Heartbeat(void* memory, size_t size, unsigned generation,
                     std::chrono::milliseconds period)
    : memory_(memory),
      size_(size),
      beat_(reinterpret_cast<uint64_t*>(
          &static_cast<sluice_generations*>(memory)->beat_ns[generation])),
      period_(period) {}

Heartbeat::~Heartbeat() {
  if (started_) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    pthread_join(thread_, nullptr);
  }
  Store(beat_, 0);
  munmap(memory_, size_);
}

void Heartbeat::Run() {
  RunFirst();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    Store(beat_, MonotonicNs());
    wake_.wait_for(lock, period_, [this] { return stopping_; });
  }
}

}  // namespace sluice
