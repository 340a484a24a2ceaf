#include "keeper/event_loop.h"

#include <sys/epoll.h>

#include <cerrno>

namespace sluice {
namespace {

constexpr int kEventsPerRound = 64;

uint64_t Pack(int fd, uint32_t serial) {
  return uint64_t{serial} << 32 | static_cast<uint32_t>(fd);
}

}  // namespace

bool EventLoop::Open() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  return epoll_.valid();
}

int EventLoop::Add(int fd, uint32_t events, Handler handler) {
  const uint32_t serial = next_serial_++;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = Pack(fd, serial);
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return -errno;
  entries_[fd] = {serial, events, std::make_shared<Handler>(std::move(handler))};
  return 0;
}

bool EventLoop::Change(int fd, uint32_t events) {
  const auto found = entries_.find(fd);
  if (found == entries_.end()) return false;
  if (found->second.events == events) return true;
  found->second.events = events;
  epoll_event event = {};
  event.events = events;
  event.data.u64 = Pack(fd, found->second.serial);
  return epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0;
}

// Always before close(2): other processes hold duplicates, so closing alone does not end the
// registration.
void EventLoop::Remove(int fd) {
  if (entries_.erase(fd) > 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void EventLoop::RunOnce(int timeout_ms) {
  epoll_event events[kEventsPerRound];
  const int count = epoll_wait(epoll_.get(), events, kEventsPerRound, timeout_ms);
  for (int i = 0; i < count; i++) {
    const auto found = entries_.find(static_cast<int>(events[i].data.u64 & 0xffffffff));
    if (found == entries_.end() || found->second.serial != events[i].data.u64 >> 32) continue;
    const std::shared_ptr<Handler> handler = found->second.handler;
    (*handler)(events[i].events);
  }
}

}  // namespace sluice
