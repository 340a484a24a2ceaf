// The listeners of pods, kept while no proxy lives.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "keeper/counters.h"
#include "keeper/event_loop.h"

namespace sluice {

// Immutable once kept; shared with answers that are still to be sent.
struct Pod {
  std::string uid;
  std::string alive_path;
  std::string facts;
  std::vector<UniqueFd> fds;
};

class Pods {
 public:
  // `may_reset` is asked before each connection that is reset.
  Pods(EventLoop& loop, Counters& counters, std::function<bool()> may_reset);
  ~Pods();

  // 0 or -ENOSPC. A pod of the same uid is replaced.
  int Put(std::shared_ptr<const Pod> pod);
  // 0 or -ENOENT.
  int Drop(const std::string& uid);
  void Clear();

  // Drops pods whose alive path is gone; their uids.
  std::vector<std::string> DropVanished();

  // While resetting, whatever arrives at a listener is accepted and reset. To be called at each
  // tick: what could not be accepted is tried again.
  void SetResetting(bool resetting);

  const std::map<std::string, std::shared_ptr<const Pod>>& all() const { return pods_; }

 private:
  void Watch(const Pod& pod);
  void Unwatch(const Pod& pod);
  UniqueFd Accept(int listener);
  void ResetWaiting(int listener);
  void RetryStarved();

  EventLoop& loop_;
  Counters& counters_;
  const std::function<bool()> may_reset_;
  std::map<std::string, std::shared_ptr<const Pod>> pods_;
  bool resetting_ = false;
  UniqueFd place_;  // a descriptor to give up when there is no other for one that is to be reset
  std::vector<int> starved_;  // listeners that could not accept, left alone until the next tick
};

}  // namespace sluice
