#include "reactor/poller.h"

#include <fcntl.h>

#include <cerrno>

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

UniqueFd Poller::KeepPlace() const { return UniqueFd(fcntl(epoll_.get(), F_DUPFD_CLOEXEC, 0)); }

void Poller::Remove(int fd) {
  epoll_event unused{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused);
}

int Poller::Wait(std::span<epoll_event> events, int64_t timeout_us) {
  const timespec timeout{timeout_us / 1'000'000, timeout_us % 1'000'000 * 1'000};
  const int count = epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 timeout_us < 0 ? nullptr : &timeout, nullptr);
  return count < 0 ? 0 : count;  // only EINTR can happen here: the caller's next turn waits again
}

}  // namespace sluice
