#include "netns/socket_pool.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <unordered_map>

#include "base/socket_buffers.h"
#include "base/unique_fd.h"
#include "netns/inspect.h"
#include "netns/netns_thread.h"

namespace sluice {
namespace {

// How long nobody may take from a shelf before it shrinks by half.
constexpr std::chrono::seconds kShrinkPeriod{2};

// Most connections are IPv4; an IPv6 shelf stays empty until somebody asks.
constexpr uint32_t kSmallestTarget[kSocketFamilies] = {1, 0};

// The sockets of one family in one namespace. Guarded by the namespace's mutex.
struct Shelf {
  std::vector<UniqueFd> ready;
  uint32_t target = 0;
  uint32_t takes = 0;  // since the last tick
  bool refill_asked = false;
  bool starved = false;  // somebody waits for a notice
};

struct Namespace {
  uint32_t number = 0;
  UniqueFd fd;
  uint32_t limit = 0;
  std::mutex mutex;  // held for a pop or an append, never over a system call that can wait
  bool removed = false;
  Shelf shelves[kSocketFamilies];
};

#ifndef IP_LOCAL_PORT_RANGE  // Linux 6.3; absent from older C library headers
#define IP_LOCAL_PORT_RANGE 51
#endif

// The value of IP_LOCAL_PORT_RANGE for all of the namespace's ports, or 0. Without it connect(2)
// (from 6.8 on) walks through every second port first: with 14,000 connections of one pod to one
// port of another, those in TIME_WAIT included, each new one would take milliseconds, on the
// reactor's thread. With it, it goes on from where the last one was found.
uint32_t AllPortsHere() {
  int first = 0, last = 0;
  if (LocalPortsHere(&first, &last) != 0) return 0;
  return static_cast<uint32_t>(first) | static_cast<uint32_t>(last) << 16;
}

// An invalid descriptor leaves the reason in errno.
UniqueFd MakeSocket(SocketFamily family, uint32_t ports) {
  const int domain = family == SocketFamily::kIpv6 ? AF_INET6 : AF_INET;
  UniqueFd fd(socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.valid()) return fd;
  const int on = 1;
  bool set = setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0;
  // The port is chosen at connect(2), per destination: a bind that chose it would end at 28,000
  // legs.
  set = set && setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0;
  if (domain == AF_INET6) {
    set = set && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
  }
  // Only to be quicker; older kernels do not know it.
  if (ports != 0) setsockopt(fd.get(), IPPROTO_IP, IP_LOCAL_PORT_RANGE, &ports, sizeof(ports));
  const int error = set ? BoundBuffers(fd.get()) : errno;
  if (error == 0) return fd;
  fd.reset();
  errno = error;
  return fd;
}

}  // namespace

class SocketPool::Impl {
 public:
  static std::unique_ptr<Impl> Create(int* error);

  int Add(uint32_t number, int netns_fd, uint32_t ready);
  void Remove(uint32_t number);
  int Take(uint32_t number, SocketFamily family);
  void TakeNotices(std::vector<SocketPoolNotice>& out);

  UniqueFd event;
  std::atomic<size_t> ready_count = 0;
  std::atomic<uint64_t> made_count = 0;

 private:
  using Shared = std::shared_ptr<Namespace>;

  // All on the filling thread.
  void Refill(Namespace& ns, SocketFamily family);
  void Shrink();
  void Notify(const SocketPoolNotice& notice);

  void AskRefill(const Shared& ns, SocketFamily family);

  std::unordered_map<uint32_t, Shared> namespaces_;  // the owner's
  std::vector<Shared> filled_;                       // the filling thread's
  std::mutex notices_mutex_;
  std::vector<SocketPoolNotice> notices_;
  std::unique_ptr<NetnsThread> thread_;  // last: ends before what it uses
};

std::unique_ptr<SocketPool::Impl> SocketPool::Impl::Create(int* error) {
  auto impl = std::make_unique<Impl>();
  impl->event.reset(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!impl->event.valid()) {
    *error = errno;
    return nullptr;
  }
  impl->thread_ =
      NetnsThread::Create([pool = impl.get()] { pool->Shrink(); }, kShrinkPeriod, error);
  if (impl->thread_ == nullptr) return nullptr;
  return impl;
}

int SocketPool::Impl::Add(uint32_t number, int netns_fd, uint32_t ready) {
  if (namespaces_.contains(number)) return -EEXIST;
  auto ns = std::make_shared<Namespace>();
  ns->number = number;
  ns->limit = std::max(ready, 1u);
  ns->fd.reset(fcntl(netns_fd, F_DUPFD_CLOEXEC, 0));
  if (!ns->fd.valid()) return -errno;
  namespaces_.emplace(number, ns);
  thread_->Post([this, ns] { filled_.push_back(ns); });
  for (size_t i = 0; i < kSocketFamilies; i++) {
    const std::lock_guard lock(ns->mutex);
    ns->shelves[i].target = kSmallestTarget[i];
    if (kSmallestTarget[i] > 0) AskRefill(ns, static_cast<SocketFamily>(i));
  }
  return 0;
}

void SocketPool::Impl::Remove(uint32_t number) {
  const auto found = namespaces_.find(number);
  if (found == namespaces_.end()) return;
  Shared ns = std::move(found->second);
  namespaces_.erase(found);
  {
    const std::lock_guard lock(ns->mutex);
    ns->removed = true;
  }
  // Closing is the filling thread's work; the last reference, and the descriptor with it, goes
  // there too.
  thread_->Post([this, ns = std::move(ns)] {
    std::erase(filled_, ns);
    for (Shelf& shelf : ns->shelves) {
      ready_count -= shelf.ready.size();
      shelf.ready.clear();
    }
  });
}

int SocketPool::Impl::Take(uint32_t number, SocketFamily family) {
  const auto found = namespaces_.find(number);
  if (found == namespaces_.end()) return -ENOENT;
  const Shared& ns = found->second;
  const std::lock_guard lock(ns->mutex);
  Shelf& shelf = ns->shelves[static_cast<size_t>(family)];
  shelf.takes++;
  int fd = -EAGAIN;
  if (shelf.ready.empty()) {
    shelf.starved = true;
    shelf.target = std::min(ns->limit, std::max(shelf.target * 2, 1u));
  } else {
    fd = shelf.ready.back().release();
    shelf.ready.pop_back();
    ready_count--;
  }
  if (shelf.ready.size() <= shelf.target / 2) AskRefill(ns, family);
  return fd;
}

// With the namespace's mutex held.
void SocketPool::Impl::AskRefill(const Shared& ns, SocketFamily family) {
  Shelf& shelf = ns->shelves[static_cast<size_t>(family)];
  if (shelf.refill_asked) return;
  shelf.refill_asked = true;
  thread_->Post([this, ns, family] { Refill(*ns, family); });
}

void SocketPool::Impl::Refill(Namespace& ns, SocketFamily family) {
  Shelf& shelf = ns.shelves[static_cast<size_t>(family)];
  for (;;) {
    size_t missing = 0;
    {
      const std::lock_guard lock(ns.mutex);
      if (ns.removed) return;
      missing = shelf.target - std::min<size_t>(shelf.target, shelf.ready.size());
    }
    std::vector<UniqueFd> made;
    int error = 0;
    const int moved = thread_->Inside(ns.fd.get(), [&] {
      const uint32_t ports = AllPortsHere();
      while (made.size() < missing) {
        UniqueFd fd = MakeSocket(family, ports);
        if (!fd.valid()) {
          error = errno;
          return;
        }
        made.push_back(std::move(fd));
      }
    });
    if (error == 0) error = -moved;

    bool starved = false;
    bool full = false;
    {
      const std::lock_guard lock(ns.mutex);
      if (ns.removed) return;
      if (!made.empty()) error = 0;  // enough to go on with; if it persists, the next round tells
      ready_count += made.size();
      made_count += made.size();
      for (UniqueFd& fd : made) shelf.ready.push_back(std::move(fd));
      full = error != 0 || shelf.ready.size() > shelf.target / 2;
      if (full) shelf.refill_asked = false;
      starved = std::exchange(shelf.starved, false);
    }
    if (starved) Notify({ns.number, family, error});
    if (full) return;
  }
}

void SocketPool::Impl::Shrink() {
  std::vector<UniqueFd> excess;
  for (const Shared& ns : filled_) {
    const std::lock_guard lock(ns->mutex);
    for (size_t i = 0; i < kSocketFamilies; i++) {
      Shelf& shelf = ns->shelves[i];
      if (std::exchange(shelf.takes, 0) > 0) continue;
      shelf.target = std::max(shelf.target / 2, kSmallestTarget[i]);
      while (shelf.ready.size() > shelf.target) {
        excess.push_back(std::move(shelf.ready.back()));
        shelf.ready.pop_back();
        ready_count--;
      }
    }
  }
}

void SocketPool::Impl::Notify(const SocketPoolNotice& notice) {
  {
    const std::lock_guard lock(notices_mutex_);
    notices_.push_back(notice);
  }
  eventfd_write(event.get(), 1);
}

void SocketPool::Impl::TakeNotices(std::vector<SocketPoolNotice>& out) {
  out.clear();
  // Before the swap: a notice that comes between the two makes the descriptor readable again.
  eventfd_t count = 0;
  eventfd_read(event.get(), &count);
  const std::lock_guard lock(notices_mutex_);
  out.swap(notices_);
}

std::unique_ptr<SocketPool> SocketPool::Create(int* error) {
  auto impl = Impl::Create(error);
  if (impl == nullptr) return nullptr;
  return std::unique_ptr<SocketPool>(new SocketPool(std::move(impl)));
}

SocketPool::SocketPool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SocketPool::~SocketPool() = default;

int SocketPool::AddNamespace(uint32_t netns, int netns_fd, uint32_t ready) {
  return impl_->Add(netns, netns_fd, ready);
}
void SocketPool::RemoveNamespace(uint32_t netns) { impl_->Remove(netns); }
int SocketPool::Take(uint32_t netns, SocketFamily family) { return impl_->Take(netns, family); }
int SocketPool::notification_fd() const { return impl_->event.get(); }
void SocketPool::TakeNotices(std::vector<SocketPoolNotice>& out) { impl_->TakeNotices(out); }
size_t SocketPool::ready_sockets() const { return impl_->ready_count; }
uint64_t SocketPool::made_sockets() const { return impl_->made_count; }

}  // namespace sluice
