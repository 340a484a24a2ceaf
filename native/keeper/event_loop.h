// The keeper's only thread waits here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/unique_fd.h"

namespace sluice {

// Level-triggered epoll with a function for each descriptor. A handler may remove any descriptor,
// its own too, and close it: events of the same round for a removed one are dropped.
class EventLoop {
 public:
  using Handler = std::function<void(uint32_t events)>;

  // False with errno when the kernel gives no epoll descriptor.
  bool Open();

  // 0 or -errno. With events 0 only EPOLLHUP and EPOLLERR come.
  int Add(int fd, uint32_t events, Handler handler);
  // False when the descriptor is not watched.
  bool Change(int fd, uint32_t events);
  void Remove(int fd);

  void RunOnce(int timeout_ms);

 private:
  struct Entry {
    uint32_t serial;
    uint32_t events;
    std::shared_ptr<Handler> handler;
  };

  UniqueFd epoll_;
  uint32_t next_serial_ = 1;  // a descriptor's number is reused at once: events carry this too
  std::unordered_map<int, Entry> entries_;
};

}  // namespace sluice
