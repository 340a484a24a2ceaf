// The one epoll of a reactor, and what its 64 bits of data mean.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <span>

#include "base/unique_fd.h"

namespace sluice {

enum class PollKind : uint8_t {
  kClient = 0,
  kServer = 1,
  kListener = 2,
  kOutside = 3,
  kSocketSource = 4
};

struct PollTag {
  PollKind kind;
  int32_t id;

  uint64_t Pack() const { return static_cast<uint64_t>(kind) << 32 | static_cast<uint32_t>(id); }
  static PollTag Unpack(uint64_t data) {
    return {static_cast<PollKind>(data >> 32), static_cast<int32_t>(static_cast<uint32_t>(data))};
  }
};

class Poller {
 public:
  // 0 or an errno.
  int Open();
  int Add(int fd, uint32_t events, PollTag tag);
  // Under another tag from now on; what it is ready for comes again.
  int Move(int fd, uint32_t events, PollTag tag);
  // Also before close(2) when somebody else holds a duplicate: the registration belongs to the open
  // file.
  void Remove(int fd);
  // A duplicate of the epoll's own descriptor, which keeps a place in the process's table of open
  // files. Invalid when there is none.
  UniqueFd KeepPlace() const;
  // Ready events, at most events.size(); waits up to timeout_us (-1: for ever).
  int Wait(std::span<epoll_event> events, int64_t timeout_us);

 private:
  UniqueFd epoll_;
  // epoll_pwait2(2) was refused, by a seccomp profile that is older than it: epoll_wait(2) waits.
  bool coarse_ = false;
};

}  // namespace sluice
