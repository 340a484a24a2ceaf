#include "keeper/keeper.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "keeper/log.h"
#include "keeper/parse.h"

#ifndef SO_PEERPIDFD  // Linux 6.5
#define SO_PEERPIDFD 77
#endif

namespace sluice {
namespace {

constexpr int kLimitedRetryMs = 5;

// The process at the other end, as a descriptor that tells when it is gone. Invalid where it can
// not be seen.
UniqueFd PeerProcess(int fd) {
  int pidfd = -1;
  socklen_t size = sizeof(pidfd);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) return UniqueFd(pidfd);
  ucred credentials = {};
  size = sizeof(credentials);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 || credentials.pid <= 0) {
    return UniqueFd();
  }
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, credentials.pid, 0)));
}

uint32_t StateFlags(const Pairs::Pair& pair) {
  uint32_t flags = 0;
  if (pair.adopted) flags |= kPairAdopted;
  if (pair.to_server.state == ForwardState::kFinished) flags |= kPairServerFinSent;
  if (pair.to_client.state == ForwardState::kFinished) flags |= kPairClientFinSent;
  return flags;
}

}  // namespace

Keeper::Keeper(const KeeperOptions& options, KernelMaps& maps)
    : options_(options),
      maps_(maps),
      pods_(loop_, counters_, [this] { return GivesUp(); }),
      pairs_(loop_, maps, counters_, options.pair_limit_bytes) {
  // A proxy that starts with us has as long as one that died.
  last_beat_ns_ = MonotonicNs();
  last_session_ns_ = last_beat_ns_;
  pairs_.Pause();
}

Keeper::~Keeper() { sessions_.clear(); }

int Keeper::Serve() {
  const int error = listener_.Listen(options_.socket_path);
  if (error != 0) return error;
  const int added = loop_.Add(listener_.fd(), EPOLLIN, [this](uint32_t) { OnAcceptable(); });
  if (added != 0) return added;
  pairs_.Resume();
  return 0;
}

void Keeper::RunOnce() {
  const bool limited = pairs_.RetryLimited();
  loop_.RunOnce(limited ? kLimitedRetryMs : options_.tick_ms);
  const uint64_t now_ns = MonotonicNs();
  if (now_ns - last_tick_ns_ < static_cast<uint64_t>(options_.tick_ms) * 1'000'000) return;
  last_tick_ns_ = now_ns;
  Tick();
}

void Keeper::Tick() {
  pods_.SetResetting(GivesUp());
  // One that waits for its configuration, or drains, does not beat.
  if (!sessions_.empty()) last_session_ns_ = last_tick_ns_;
  loop_.Change(listener_.fd(), EPOLLIN);
  // Half as often: it costs a system call for each pod.
  look_for_vanished_ = !look_for_vanished_;
  if (!look_for_vanished_) return;
  for (const std::string& uid : pods_.DropVanished()) {
    for (auto& session : sessions_) session->ForgetPod(uid);
  }
}

bool Keeper::GivesUp() {
  const uint64_t now_ns = MonotonicNs();
  last_beat_ns_ = std::max(last_beat_ns_, maps_.LastBeatNs());
  // A beat may be younger than `now_ns`.
  const uint64_t silent_ns = now_ns - std::min(now_ns, last_beat_ns_);
  return silent_ns > options_.give_up_after_ms * 1'000'000;
}

bool Keeper::Abandoned(uint64_t last_start_ns) const {
  if (options_.remove_after_ms == 0 || !sessions_.empty()) return false;
  const uint64_t now_ns = MonotonicNs();
  const uint64_t last_ns =
      std::max({last_session_ns_, last_beat_ns_, maps_.LastBeatNs(), last_start_ns});
  return now_ns - std::min(now_ns, last_ns) > options_.remove_after_ms * 1'000'000;
}

void Keeper::OnAcceptable() {
  const int fd = listener_.Accept();
  if (fd == -EPERM) counters_[kStatPeersRefused]++;
  // Out of descriptors: it stays readable, so it is left alone until the next tick.
  if (fd == -EMFILE || fd == -ENFILE) loop_.Change(listener_.fd(), 0);
  if (fd < 0) return;
  UniqueFd peer(fd);
  if (sessions_.size() >= kMaxSessions) return;
  UniqueFd process = PeerProcess(fd);
  sessions_.push_back(std::make_unique<Session>(
      loop_, std::move(peer),
      [this](Session& session, Request& request) { OnRequest(session, request); },
      [this](Session& session) { OnClosed(session); }));
  sessions_.back()->process = std::move(process);
}

void Keeper::OnClosed(Session& session) {
  if (successor_ == &session) {  // it failed half-way: everything is still here
    successor_ = nullptr;
    pairs_.Resume();
  }
  if (session.owner.has_value()) pairs_.ReleaseOwner(*session.owner);
  std::erase_if(sessions_, [&](const auto& each) { return each.get() == &session; });
}

void Keeper::OnRequest(Session& session, Request& request) {
  const auto type = static_cast<KeeperMessage>(request.header.type);
  std::vector<uint8_t> reply;
  int status = -EINVAL;
  if (request.header.protocol != kKeeperProtocol) {
    status = -EPROTONOSUPPORT;
  } else if (type == kMessageHello) {
    status = Greet(session, request, &reply);
  } else if (!session.greeted) {
    status = -EPERM;
  } else if (successor_ != nullptr && successor_ != &session) {
    status = -EAGAIN;  // in a moment another keeper answers at the same path
  } else {
    switch (type) {
      case kMessagePutListeners:
        status = PutListeners(request);
        break;
      case kMessageDropPod:
        status = DropPod(request);
        break;
      case kMessageList:
        status = List(session, request, &reply);
        break;
      case kMessagePutPair:
        status = PutPair(session, request);
        break;
      case kMessageDropPair:
        status = DropPair(request);
        break;
      case kMessageLetGo:
        status = LetGo(request);
        break;
      case kMessageStats:
        Append(reply, counters_.values);
        status = 0;
        break;
      case kMessageSlots:
        status = Slots(&reply);
        break;
      case kMessagePatience:
        status = Patience(request);
        break;
      case kMessageTakeover:
        status = Takeover(session, request, &reply);
        break;
      case kMessageTakeoverDone:
        handed_over_ = successor_ == &session;
        status = handed_over_ ? 0 : -EINVAL;
        break;
      default:
        break;
    }
  }
  if (status < 0) counters_[kStatMessagesRefused]++;
  session.Send(type, request.header.request, status, reply);
}

int Keeper::Greet(Session& session, const Request& request, std::vector<uint8_t>* reply) {
  KeeperHello hello = {};
  if (!ReadFront(request, &hello)) return -EINVAL;
  if (!std::exchange(session.greeted, true)) {
    Log("proxy connected", {{"generation", hello.generation}, {"version", hello.version}});
  }
  const KeeperHelloReply answer = {static_cast<uint32_t>(getpid()), kKeeperVersion,
                                   static_cast<uint32_t>(pods_.all().size()),
                                   static_cast<uint32_t>(pairs_.all().size())};
  Append(*reply, answer);
  return 0;
}

int Keeper::PutListeners(Request& request) {
  auto pod = std::make_shared<Pod>();
  const int error = ParsePod(request, pod.get());
  if (error != 0) return error;
  if (pod->fds.empty()) return -EBADF;
  return pods_.Put(std::move(pod));
}

int Keeper::DropPod(const Request& request) {
  Request named = {request.header, request.body, request.body_bytes, {}};
  Pod pod;
  const int error = ParsePod(named, &pod);
  if (error != 0) return error;
  for (auto& session : sessions_) session->ForgetPod(pod.uid);
  return pods_.Drop(pod.uid);
}

int Keeper::List(Session& session, const Request& request, std::vector<uint8_t>* reply) {
  if (!session.idle()) return -EBUSY;  // one list at a time bounds what is queued
  for (const auto& [uid, pod] : pods_.all()) {
    std::vector<int> fds;
    for (const UniqueFd& fd : pod->fds) fds.push_back(fd.get());
    session.Send(kMessagePod, request.header.request, 0, PodBody(*pod), std::move(fds), pod);
  }
  Append(*reply, static_cast<uint32_t>(pods_.all().size()));
  return 0;
}

int Keeper::PutPair(Session& session, Request& request) {
  KeeperPair facts = {};
  if (request.body_bytes != sizeof(facts) || !ReadFront(request, &facts)) return -EINVAL;
  if (request.fds.size() != 2) return -EBADF;
  if (!session.owner.has_value()) {
    if (!session.process.valid()) return -EOPNOTSUPP;
    session.owner = pairs_.AddOwner(std::move(session.process));
  }
  return pairs_.Put(facts, *session.owner, std::move(request.fds[0]), std::move(request.fds[1]));
}

int Keeper::DropPair(const Request& request) {
  uint64_t cookie = 0;
  return ReadFront(request, &cookie) ? pairs_.Drop(cookie) : -EINVAL;
}

int Keeper::LetGo(const Request& request) {
  if (request.body_bytes % sizeof(uint64_t) != 0) return -EINVAL;
  for (size_t at = 0; at < request.body_bytes; at += sizeof(uint64_t)) {
    uint64_t cookie = 0;
    memcpy(&cookie, request.body + at, sizeof(cookie));
    pairs_.LetGo(cookie);
  }
  return 0;
}

int Keeper::Slots(std::vector<uint8_t>* reply) {
  for (const auto& [cookie, pair] : pairs_.all()) {
    for (const int32_t slot : {pair->facts.slot_to_server, pair->facts.slot_to_client}) {
      if (slot >= 0) Append(*reply, slot);
    }
  }
  return 0;
}

int Keeper::Patience(const Request& request) {
  KeeperPatience patience = {};
  if (request.body_bytes != sizeof(patience) || !ReadFront(request, &patience)) return -EINVAL;
  options_.give_up_after_ms = patience.give_up_after_ms;
  options_.remove_after_ms = patience.remove_after_ms;
  return 0;
}

int Keeper::Takeover(Session& session, const Request& request, std::vector<uint8_t>* reply) {
  uint32_t version = 0;
  if (!ReadFront(request, &version)) return -EINVAL;
  if (version < kKeeperVersion) return -EPERM;
  if (successor_ != nullptr) return -EBUSY;
  const int listed = List(session, request, reply);
  if (listed != 0) return listed;
  successor_ = &session;
  counters_[kStatTakeovers]++;
  pairs_.Pause();
  SendPairs(session, request.header.request);
  Append(*reply, static_cast<uint32_t>(pairs_.all().size()));
  return 0;
}

void Keeper::SendPairs(Session& session, uint32_t request) {
  for (const auto& [number, owner] : pairs_.owners()) {
    std::vector<uint8_t> body;
    Append(body, number);
    session.Send(kMessageOwner, request, 0, body, {owner.pidfd.get()});
  }
  for (const auto& [cookie, pair] : pairs_.all()) {
    KeeperPair facts = pair->facts;
    facts.flags = StateFlags(*pair);
    facts.held_to_server = static_cast<uint32_t>(pair->to_server.held.size());
    facts.held_to_client = static_cast<uint32_t>(pair->to_client.held.size());
    std::vector<uint8_t> body;
    Append(body, facts);
    AppendBytes(body, pair->to_server.held.data(), pair->to_server.held.size());
    AppendBytes(body, pair->to_client.held.data(), pair->to_client.held.size());
    session.Send(kMessagePair, request, 0, body, {pair->client.get(), pair->server.get()});
  }
}

}  // namespace sluice
