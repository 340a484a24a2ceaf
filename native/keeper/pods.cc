#include "keeper/pods.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/is_listener.h"

namespace sluice {
namespace {

// One listener's share of a turn.
constexpr int kResetsPerTurn = 64;

UniqueFd MakePlace() { return UniqueFd(eventfd(0, EFD_CLOEXEC)); }

bool OutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Pods::Pods(EventLoop& loop, Counters& counters, std::function<bool()> may_reset)
    : loop_(loop), counters_(counters), may_reset_(std::move(may_reset)), place_(MakePlace()) {}

Pods::~Pods() { Clear(); }

int Pods::Put(std::shared_ptr<const Pod> pod) {
  const auto found = pods_.find(pod->uid);
  if (found == pods_.end() && pods_.size() >= kMaxPods) return -ENOSPC;
  if (found != pods_.end()) Drop(pod->uid);
  counters_[kStatPods]++;
  counters_[kStatListeners] += pod->fds.size();
  if (resetting_) Watch(*pod);
  pods_[pod->uid] = std::move(pod);
  return 0;
}

int Pods::Drop(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return -ENOENT;
  if (resetting_) Unwatch(*found->second);
  counters_[kStatPods]--;
  counters_[kStatListeners] -= found->second->fds.size();
  pods_.erase(found);
  return 0;
}

void Pods::Clear() {
  while (!pods_.empty()) Drop(std::string(pods_.begin()->first));
}

std::vector<std::string> Pods::DropVanished() {
  std::vector<std::string> gone;
  for (const auto& [uid, pod] : pods_) {
    if (!pod->alive_path.empty() && access(pod->alive_path.c_str(), F_OK) != 0 && errno == ENOENT) {
      gone.push_back(uid);
    }
  }
  for (const std::string& uid : gone) Drop(uid);
  counters_[kStatPodsVanished] += gone.size();
  return gone;
}

void Pods::SetResetting(bool resetting) {
  RetryStarved();
  if (resetting_ == resetting) return;
  resetting_ = resetting;
  for (const auto& [uid, pod] : pods_) {
    if (resetting) {
      Watch(*pod);
    } else {
      Unwatch(*pod);
    }
  }
}

void Pods::Watch(const Pod& pod) {
  for (const UniqueFd& fd : pod.fds) {
    const int listener = fd.get();
    if (IsListener(listener))
      loop_.Add(listener, EPOLLIN, [this, listener](uint32_t) { ResetWaiting(listener); });
  }
}

void Pods::Unwatch(const Pod& pod) {
  for (const UniqueFd& fd : pod.fds) {
    loop_.Remove(fd.get());
    std::erase(starved_, fd.get());
  }
}

void Pods::RetryStarved() {
  for (const int listener : std::exchange(starved_, {})) loop_.Change(listener, EPOLLIN);
}

UniqueFd Pods::Accept(int listener) {
  if (!place_.valid()) place_ = MakePlace();
  const auto accept_one = [listener] {
    return UniqueFd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  };
  UniqueFd accepted = accept_one();
  if (accepted.valid() || errno != EMFILE) return accepted;
  place_.reset();
  return accept_one();
}

void Pods::ResetWaiting(int listener) {
  for (int i = 0; i < kResetsPerTurn; i++) {
    // What comes after a proxy's beat is that proxy's, also before the next tick.
    if (!may_reset_()) return;
    const UniqueFd accepted = Accept(listener);
    if (!accepted.valid()) {
      const int error = errno;
      // Epoll would report both again and again: destroyed by somebody in the pod, or no room.
      if (error == EINVAL) loop_.Remove(listener);
      if (OutOfResources(error) && loop_.Change(listener, 0)) starved_.push_back(listener);
      return;
    }
    const linger reset = {1, 0};
    setsockopt(accepted.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    counters_[kStatWaitingReset]++;
  }
}

}  // namespace sluice
