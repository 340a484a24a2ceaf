// The kernel maps that the data path itself touches, once or a few times a connection. All of them
// are optional: without BPF (descriptor -1) a look-up finds nothing and an update says ENOTSUP.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi.h"
#include "reactor/address.h"

namespace sluice {

// Descriptors belong to the caller and outlive the reactor.
struct KernelMapFds {
  int origins = -1;
  int leg_intents = -1;
  int sock_info = -1;
  int pairs = -1;
  int pair_control = -1;
  int pair_stats = -1;
  int queue_query_program = -1;
};

class KernelMaps {
 public:
  KernelMaps() = default;
  ~KernelMaps();
  KernelMaps(const KernelMaps&) = delete;
  KernelMaps& operator=(const KernelMaps&) = delete;

  // Maps pair_control and pair_stats. 0 or an errno, with what failed in *what.
  int Open(const KernelMapFds& fds, uint32_t generation, const char** what);

  bool has_origins() const { return fds_.origins >= 0; }
  bool has_pairs() const { return slots_ != 0; }

  // Each 0 or an errno.
  int FindOrigin(const SocketAddress& local, const SocketAddress& remote,
                 sluice_origin* origin) const;
  int SetLegIntent(int fd, const sluice_leg& leg) const;
  int FindPeer(uint64_t cookie, uint64_t* peer_cookie) const;
  int SetPair(uint64_t cookie, const sluice_pair& pair) const;
  void RemovePair(uint64_t cookie) const;
  // Unread bytes of an app's socket; ENOENT when it is gone.
  int QueuedBytes(uint64_t cookie, uint64_t* bytes) const;

  // A slot of this generation's quarter, which others must not touch.
  bool OwnsSlot(int32_t slot) const;
  void SetWant(int32_t slot, bool want) const;
  // With a full barrier after it: the verdict program must see it before it can see our read(2)'s
  // effect.
  void SetBusy(int32_t slot) const;
  // From busy: what was read stays with us until its receiver takes more.
  void SetHolding(int32_t slot) const;
  void ClearBusy(int32_t slot) const;
  sluice_pair_stats ReadStats(int32_t slot) const;
  uint32_t generation() const { return generation_; }

 private:
  KernelMapFds fds_;
  uint32_t generation_ = 0;
  uint32_t slots_ = 0;
  sluice_pair_control* control_ = nullptr;
  const sluice_pair_stats* stats_ = nullptr;
  size_t control_bytes_ = 0;
  size_t stats_bytes_ = 0;
};

}  // namespace sluice
