#include "reactor/poller.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace sluice {

int Poller::Open() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  return epoll_.valid() ? 0 : errno;
}

int Poller::Add(int fd, uint32_t events, PollTag tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag.Pack();
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

int Poller::Move(int fd, uint32_t events, PollTag tag) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag.Pack();
  return epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
}

UniqueFd Poller::KeepPlace() const { return UniqueFd(fcntl(epoll_.get(), F_DUPFD_CLOEXEC, 0)); }

void Poller::Remove(int fd) {
  epoll_event unused{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

int Poller::Wait(std::span<epoll_event> events, int64_t timeout_us) {
  const int room = static_cast<int>(events.size());
  if (!coarse_) {
    const timespec timeout{timeout_us / 1'000'000, timeout_us % 1'000'000 * 1'000};
    const int count = epoll_pwait2(epoll_.get(), events.data(), room,
                                   timeout_us < 0 ? nullptr : &timeout, nullptr);
    if (count >= 0) return count;
    // Else only EINTR can happen here: the caller's next turn waits again.
    if (errno != ENOSYS && errno != EPERM) return 0;
    coarse_ = true;
  }
  // Rounded up: a timer that is late by less than a millisecond does no harm, one that is woken for
  // too early would be waited for again and again.
  const int64_t timeout_ms = timeout_us < 0 ? -1 : (timeout_us + 999) / 1'000;
  const int count = epoll_wait(epoll_.get(), events.data(), room,
                               static_cast<int>(std::min<int64_t>(timeout_ms, INT_MAX)));
  return count < 0 ? 0 : count;
}

}  // namespace sluice
