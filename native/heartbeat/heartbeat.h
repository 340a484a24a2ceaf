// The proxy's beat: a thread of its own that writes the time into the generations map, so that a
// busy or stopped event loop is not taken for a dead proxy.
#pragma once

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace sluice {

class Heartbeat {
 public:
  // Maps the generations map (bpf/abi.h) and beats for `generation` at once and then every
  // `period`. Nullptr and errno in *error.
  static std::unique_ptr<Heartbeat> Start(int generations_fd, unsigned generation,
                                          std::chrono::milliseconds period, int* error);

  // Stops, and clears the beat of this generation alone: the kernel sees at once that it is gone.
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

 private:
  Heartbeat(void* memory, size_t size, unsigned generation, std::chrono::milliseconds period);
  void Run();

  void* memory_;
  size_t size_;
  uint64_t* beat_;
  std::chrono::milliseconds period_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool started_ = false;
  pthread_t thread_ = {};
};

}  // namespace sluice
