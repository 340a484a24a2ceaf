#include "netns/netns_thread.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include <cerrno>

namespace sluice {

std::unique_ptr<NetnsThread> NetnsThread::Create(Task tick, std::chrono::milliseconds period,
                                                 int* error) {
  UniqueFd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home.valid()) {
    *error = errno;
    return nullptr;
  }
  std::unique_ptr<NetnsThread> thread(new NetnsThread(std::move(home), std::move(tick), period));
  *error = thread->Start();
  return *error == 0 ? std::move(thread) : nullptr;
}

NetnsThread::NetnsThread(UniqueFd home, Task tick, std::chrono::milliseconds period)
    : home_(std::move(home)), tick_(std::move(tick)), period_(period) {}

// Not std::thread, which without exceptions aborts the process when no thread can be had.
int NetnsThread::Start() {
  // Signals are the main thread's: the new one inherits a full mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const auto run = [](void* self) -> void* {
    static_cast<NetnsThread*>(self)->Run();
    return nullptr;
  };
  const int error = pthread_create(&thread_, nullptr, run, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  started_ = error == 0;
  if (started_) pthread_setname_np(thread_, "sluice-netns");
  return error;
}

NetnsThread::~NetnsThread() {
  if (!started_) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  pthread_join(thread_, nullptr);
}

void NetnsThread::Post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void NetnsThread::Run() {
  auto next_tick = std::chrono::steady_clock::now() + period_;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto ready = [this] { return stopping_ || !tasks_.empty(); };
    if (tick_ == nullptr) {
      wake_.wait(lock, ready);
    } else {
      wake_.wait_until(lock, next_tick, ready);
    }
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it captured may be large, or need this thread
      lock.lock();
    }
    if (stopping_) return;
    if (tick_ != nullptr && std::chrono::steady_clock::now() >= next_tick) {
      lock.unlock();
      tick_();
      lock.lock();
      next_tick = std::chrono::steady_clock::now() + period_;
    }
  }
}

int NetnsThread::Inside(int netns_fd, const std::function<void()>& work) {
  if (setns(netns_fd, CLONE_NEWNET) != 0) return -errno;
  work();
  return setns(home_.get(), CLONE_NEWNET) == 0 ? 0 : -errno;
}

}  // namespace sluice
