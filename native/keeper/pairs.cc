#include "keeper/pairs.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

namespace sluice {
namespace {

uint64_t SocketCookie(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

// What a leg waits for: it is the source of one direction and the target of the other.
uint32_t Interest(const Forward& from_here, const Forward& to_here) {
  return (from_here.state == ForwardState::kReading ? EPOLLIN : 0u) |
         (to_here.state == ForwardState::kWriting ? EPOLLOUT : 0u);
}

// The proxy made it so that its own death is a reset; an end in order is not one.
void EndOnClose(const UniqueFd& fd) {
  const linger in_order = {0, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &in_order, sizeof(in_order));
}

void CloseWithReset(UniqueFd& fd) {
  const linger reset = {1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  fd.reset();
}

}  // namespace

Pairs::~Pairs() {
  for (auto& [cookie, pair] : pairs_) {
    loop_.Remove(pair->client.get());
    loop_.Remove(pair->server.get());
  }
  for (auto& [number, owner] : owners_) loop_.Remove(owner.pidfd.get());
}

uint32_t Pairs::AddOwner(UniqueFd pidfd) {
  const uint32_t number = next_owner_++;
  Owner& owner = owners_[number];
  loop_.Add(pidfd.get(), EPOLLIN, [this, number](uint32_t) { OnOwnerGone(number); });
  owner.pidfd = std::move(pidfd);
  return number;
}

void Pairs::ReleaseOwner(uint32_t number) {
  const auto found = owners_.find(number);
  if (found == owners_.end()) return;
  found->second.released = true;
  ForgetIfUnused(number);
}

void Pairs::ForgetIfUnused(uint32_t number) {
  const auto found = owners_.find(number);
  if (found == owners_.end() || !found->second.released || found->second.pairs > 0) return;
  loop_.Remove(found->second.pidfd.get());
  owners_.erase(found);
}

int Pairs::Insert(const KeeperPair& facts, uint32_t owner, UniqueFd client, UniqueFd server,
                  Pair** out) {
  if (owners_.find(owner) == owners_.end()) return -EINVAL;
  if (SocketCookie(client.get()) != facts.client_leg_cookie ||
      SocketCookie(server.get()) != facts.server_leg_cookie || facts.client_leg_cookie == 0) {
    return -ESTALE;
  }
  Remove(facts.client_leg_cookie);
  if (pairs_.size() >= kMaxPairs) return -ENOSPC;
  auto pair = std::make_unique<Pair>();
  pair->facts = facts;
  pair->facts.owner = owner;
  pair->client = std::move(client);
  pair->server = std::move(server);
  pair->to_server = {pair->client.get(),
                     pair->server.get(),
                     facts.server_app_cookie,
                     facts.slot_to_server,
                     {},
                     false,
                     ForwardState::kReading};
  pair->to_client = {pair->server.get(),
                     pair->client.get(),
                     facts.client_app_cookie,
                     facts.slot_to_client,
                     {},
                     false,
                     ForwardState::kReading};
  owners_[owner].pairs++;
  counters_[kStatPairs]++;
  *out = pair.get();
  pairs_[facts.client_leg_cookie] = std::move(pair);
  return 0;
}

int Pairs::Put(const KeeperPair& facts, uint32_t owner, UniqueFd client, UniqueFd server) {
  Pair* pair = nullptr;
  const int error = Insert(facts, owner, std::move(client), std::move(server), &pair);
  if (error != 0) return error;
  pair->facts.flags = 0;
  WatchForEnd(*pair);
  if (owners_[owner].gone) Adopt(*pair);
  return 0;
}

// While its proxy lives we only wait for the end of a leg: our duplicate must not keep it open.
void Pairs::WatchForEnd(Pair& pair) {
  const uint64_t cookie = pair.facts.client_leg_cookie;
  for (const int fd : {pair.client.get(), pair.server.get()}) {
    loop_.Add(fd, 0, [this, cookie](uint32_t) { Remove(cookie); });
  }
}

int Pairs::Drop(uint64_t client_leg_cookie) {
  const auto found = pairs_.find(client_leg_cookie);
  // An adopted pair has no proxy that could know of its end.
  if (found == pairs_.end() || found->second->adopted) return -ENOENT;
  Remove(client_leg_cookie);
  return 0;
}

void Pairs::LetGo(uint64_t client_leg_cookie) {
  const auto found = pairs_.find(client_leg_cookie);
  if (found != pairs_.end() && !found->second->adopted) Adopt(*found->second);
}

void Pairs::Remove(uint64_t client_leg_cookie) {
  const auto found = pairs_.find(client_leg_cookie);
  if (found == pairs_.end()) return;
  std::unique_ptr<Pair> pair = std::move(found->second);
  pairs_.erase(found);
  loop_.Remove(pair->client.get());
  loop_.Remove(pair->server.get());
  counters_[kStatPairs]--;
  if (pair->adopted) counters_[kStatAdoptedPairs]--;
  owners_[pair->facts.owner].pairs--;
  ForgetIfUnused(pair->facts.owner);
}

void Pairs::OnOwnerGone(uint32_t number) {
  const auto found = owners_.find(number);
  if (found == owners_.end()) return;
  found->second.gone = true;
  loop_.Remove(found->second.pidfd.get());
  if (paused_) return;  // Resume() looks again
  std::vector<Pair*> orphans;
  for (auto& [cookie, pair] : pairs_) {
    if (pair->facts.owner == number && !pair->adopted) orphans.push_back(pair.get());
  }
  for (Pair* pair : orphans) Adopt(*pair);
}

void Pairs::Adopt(Pair& pair) {
  // A proxy that died between read and forwarding took those bytes with it; going on would be
  // silent loss.
  if (maps_.Busy(pair.facts.slot_to_server) || maps_.Busy(pair.facts.slot_to_client)) {
    counters_[kStatAdoptionsRefused]++;
    Reset(pair);
    return;
  }
  counters_[kStatAdoptions]++;
  counters_[kStatAdoptedPairs]++;
  pair.adopted = true;
  // From waiting for an end to waiting for bytes.
  loop_.Remove(pair.client.get());
  loop_.Remove(pair.server.get());
  Advance(pair);
}

void Pairs::OnLeg(uint64_t client_leg_cookie, int fd, uint32_t events) {
  const auto found = pairs_.find(client_leg_cookie);
  if (found == pairs_.end()) return;
  Pair& pair = *found->second;
  const Forward& to_here = fd == pair.client.get() ? pair.to_client : pair.to_server;
  // Hung up although we have not ended it: a reset, perhaps with its errno already taken by
  // somebody.
  const bool broken = (events & EPOLLERR) != 0 ||
                      ((events & EPOLLHUP) != 0 && to_here.state != ForwardState::kFinished);
  if (broken) {
    Reset(pair);
  } else {
    Advance(pair);
  }
}

void Pairs::Advance(Pair& pair) {
  uint64_t& forwarded = counters_[kStatForwardedBytes];
  const ForwardState to_server = Step(pair.to_server, maps_, limit_bytes_, &forwarded);
  const ForwardState to_client = Step(pair.to_client, maps_, limit_bytes_, &forwarded);
  if (to_server == ForwardState::kFailed || to_client == ForwardState::kFailed) {
    Reset(pair);
  } else if (to_server == ForwardState::kFinished && to_client == ForwardState::kFinished) {
    EndOnClose(pair.client);
    EndOnClose(pair.server);
    Remove(pair.facts.client_leg_cookie);
  } else {
    Rearm(pair, pair.client.get(), pair.to_server, pair.to_client);
    Rearm(pair, pair.server.get(), pair.to_client, pair.to_server);
  }
}

void Pairs::Rearm(Pair& pair, int fd, const Forward& from_here, const Forward& to_here) {
  const uint32_t interest = Interest(from_here, to_here);
  // Both ways ended, but what it sent can not be forwarded yet: EPOLLHUP would come all the time.
  if (interest == 0 && to_here.state == ForwardState::kFinished) {
    loop_.Remove(fd);
    return;
  }
  if (loop_.Change(fd, interest)) return;
  const uint64_t cookie = pair.facts.client_leg_cookie;
  loop_.Add(fd, interest, [this, cookie, fd](uint32_t events) { OnLeg(cookie, fd, events); });
}

void Pairs::Reset(Pair& pair) {
  maps_.SetBusy(pair.facts.slot_to_server, false);
  maps_.SetBusy(pair.facts.slot_to_client, false);
  loop_.Remove(pair.client.get());
  loop_.Remove(pair.server.get());
  CloseWithReset(pair.client);
  CloseWithReset(pair.server);
  Remove(pair.facts.client_leg_cookie);
}

bool Pairs::RetryLimited() {
  if (paused_ || counters_[kStatAdoptedPairs] == 0) return false;
  std::vector<Pair*> limited;
  for (auto& [cookie, pair] : pairs_) {
    if (pair->adopted && (pair->to_server.state == ForwardState::kOverLimit ||
                          pair->to_client.state == ForwardState::kOverLimit)) {
      limited.push_back(pair.get());
    }
  }
  for (Pair* pair : limited) Advance(*pair);
  return !limited.empty();
}

void Pairs::Pause() {
  paused_ = true;
  for (auto& [cookie, pair] : pairs_) {
    loop_.Remove(pair->client.get());
    loop_.Remove(pair->server.get());
  }
}

void Pairs::Resume() {
  paused_ = false;
  std::vector<uint64_t> cookies;
  for (auto& [cookie, pair] : pairs_) cookies.push_back(cookie);
  for (const uint64_t cookie : cookies) {
    const auto found = pairs_.find(cookie);
    if (found == pairs_.end()) continue;
    Pair& pair = *found->second;
    if (pair.adopted) {
      Advance(pair);
    } else if (owners_[pair.facts.owner].gone) {
      Adopt(pair);
    } else {
      WatchForEnd(pair);
    }
  }
}

int Pairs::PutTaken(const KeeperPair& facts, uint32_t owner, UniqueFd client, UniqueFd server,
                    std::vector<uint8_t> to_server, std::vector<uint8_t> to_client) {
  Pair* pair = nullptr;
  const int error = Insert(facts, owner, std::move(client), std::move(server), &pair);
  if (error != 0) return error;
  pair->to_server.held = std::move(to_server);
  pair->to_client.held = std::move(to_client);
  if ((facts.flags & kPairServerFinSent) != 0) pair->to_server.state = ForwardState::kFinished;
  if ((facts.flags & kPairClientFinSent) != 0) pair->to_client.state = ForwardState::kFinished;
  pair->adopted = (facts.flags & kPairAdopted) != 0;
  if (pair->adopted) counters_[kStatAdoptedPairs]++;
  return 0;
}

}  // namespace sluice
