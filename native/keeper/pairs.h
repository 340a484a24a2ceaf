// Spliced connections: their apps' sockets speak to each other in the kernel, and the proxy's two
// legs must stay open until both have ended. The keeper holds duplicates, and when the proxy that
// owned a pair is gone it forwards what still comes by the legs.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "keeper/counters.h"
#include "keeper/event_loop.h"
#include "keeper/forward.h"
#include "keeper/protocol.h"

namespace sluice {

class Pairs {
 public:
  Pairs(EventLoop& loop, KernelMaps& maps, Counters& counters, uint64_t limit_bytes)
      : loop_(loop), maps_(maps), counters_(counters), limit_bytes_(limit_bytes) {}
  ~Pairs();

  // A process that owns pairs: when its pidfd says that it is gone, they are adopted. Its number
  // here. The process, not its connection: one that lives reads from the legs itself, whatever
  // became of that.
  uint32_t AddOwner(UniqueFd pidfd);
  // The session is over: the owner is forgotten once it has no pairs.
  void ReleaseOwner(uint32_t owner);

  // 0, -ENOSPC, or -ESTALE when a descriptor is not the socket that its cookie says. A pair of the
  // same name is replaced.
  int Put(const KeeperPair& pair, uint32_t owner, UniqueFd client, UniqueFd server);
  int Drop(uint64_t client_leg_cookie);
  // Its proxy has closed its legs, and may live on.
  void LetGo(uint64_t client_leg_cookie);

  // Forwards again where a receiver had enough. True while there are such.
  bool RetryLimited();

  // For takeover: stops all forwarding, or goes on with it.
  void Pause();
  void Resume();
  // A pair that another keeper forwarded or watched, with what it held; nothing is moved before
  // Resume().
  int PutTaken(const KeeperPair& pair, uint32_t owner, UniqueFd client, UniqueFd server,
               std::vector<uint8_t> to_server, std::vector<uint8_t> to_client);

  struct Pair {
    KeeperPair facts;
    UniqueFd client;
    UniqueFd server;
    bool adopted = false;
    Forward to_server;
    Forward to_client;
  };
  struct Owner {
    UniqueFd pidfd;
    bool released = false;
    bool gone = false;
    size_t pairs = 0;
  };
  const std::unordered_map<uint64_t, std::unique_ptr<Pair>>& all() const { return pairs_; }
  const std::unordered_map<uint32_t, Owner>& owners() const { return owners_; }

 private:
  int Insert(const KeeperPair& facts, uint32_t owner, UniqueFd client, UniqueFd server, Pair** out);
  void OnOwnerGone(uint32_t owner);
  void ForgetIfUnused(uint32_t owner);
  void WatchForEnd(Pair& pair);
  void Adopt(Pair& pair);
  void OnLeg(uint64_t client_leg_cookie, int fd, uint32_t events);
  void Advance(Pair& pair);
  void Rearm(Pair& pair, int fd, const Forward& from_here, const Forward& to_here);
  void Reset(Pair& pair);
  void Remove(uint64_t client_leg_cookie);

  EventLoop& loop_;
  KernelMaps& maps_;
  Counters& counters_;
  uint64_t limit_bytes_;
  bool paused_ = false;
  uint32_t next_owner_ = 1;
  std::unordered_map<uint32_t, Owner> owners_;
  std::unordered_map<uint64_t, std::unique_ptr<Pair>> pairs_;
};

}  // namespace sluice
