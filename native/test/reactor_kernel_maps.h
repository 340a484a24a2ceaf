// The kernel maps of the data path, really created, and filled by the test in the BPF programs'
// place.
#pragma once

#include <cstdint>

#include "base/unique_fd.h"
#include "reactor/kernel_maps.h"

namespace sluice::test {

class TestMaps {
 public:
  static constexpr uint32_t kSlots = 64;

  TestMaps();
  KernelMapFds fds() const;

  void SetOrigin(const SocketAddress& local, const SocketAddress& remote,
                 const sluice_origin& origin);
  void SetPeer(uint64_t cookie, uint64_t peer_cookie);
  void SetStats(int32_t slot, const sluice_pair_stats& stats);
  // What the program that is asked for a queue's length will say.
  void SetQueued(uint64_t bytes);
  // False when there is none.
  bool Pair(uint64_t cookie, sluice_pair* pair) const;
  sluice_pair_control Control(int32_t slot) const;
  // What a socket's storage says, as the kernel would read it at connect(2).
  bool LegIntent(int fd, sluice_leg* leg) const;

 private:
  UniqueFd origins_, leg_intents_, sock_info_, pairs_, pair_control_, pair_stats_, queued_,
      program_;
};

}  // namespace sluice::test
