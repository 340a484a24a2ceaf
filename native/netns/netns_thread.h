// A thread that may walk into other network namespaces. setns(2) moves the calling thread alone,
// and Node's own threads must never be moved: whatever they make afterwards would be in a pod.
#pragma once

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "base/unique_fd.h"

namespace sluice {

class NetnsThread {
 public:
  using Task = std::function<void()>;

  // `tick` runs on the thread about every `period` (none: pass nullptr). Nullptr and errno in
  // *error when the thread or its way home could not be had.
  static std::unique_ptr<NetnsThread> Create(Task tick, std::chrono::milliseconds period,
                                             int* error);

  // Runs what was posted before, then ends.
  ~NetnsThread();
  NetnsThread(const NetnsThread&) = delete;
  NetnsThread& operator=(const NetnsThread&) = delete;

  // From any thread; tasks run in order.
  void Post(Task task);

  // From a task only: runs `work` inside the namespace and returns home, because a thread that
  // stays keeps the namespace of a deleted pod alive. 0, or -errno when the namespace could not be
  // entered or left.
  int Inside(int netns_fd, const std::function<void()>& work);

 private:
  NetnsThread(UniqueFd home, Task tick, std::chrono::milliseconds period);
  int Start();
  void Run();

  UniqueFd home_;
  Task tick_;
  std::chrono::milliseconds period_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  pthread_t thread_ = {};
  bool started_ = false;
};

}  // namespace sluice
