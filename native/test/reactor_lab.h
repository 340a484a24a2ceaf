// A reactor on a thread of its own with a small policy in TypeScript's place, and sockets to talk
// through it.
#pragma once

#include <netinet/in.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "reactor/reactor.h"

namespace sluice::test {

// Sockets of this process's own namespace, under number 1 (and those added). Can be told to have
// none ready.
class OwnSockets final : public SocketSource {
 public:
  OwnSockets();
  int AddNamespace(uint32_t netns, int netns_fd, uint32_t ready) override;
  void RemoveNamespace(uint32_t netns) override;
  int Take(uint32_t netns, bool ipv6) override;
  int notification_fd() const override { return notification_.get(); }
  void TakeNotices(std::vector<SocketNotice>& out) override;

  // From the reactor's thread. `ready` < 0: as many as are wanted.
  void SetReady(int ready) { ready_ = ready; }
  void SetNoneOfIpv6() { none_of_ipv6_ = true; }
  void Notify(const SocketNotice& notice);

 private:
  UniqueFd notification_;
  int ready_ = -1;
  bool none_of_ipv6_ = false;
  std::vector<SocketNotice> notices_;
};

struct EventRecord {
  int type;
  std::vector<int32_t> words;
  uint64_t U64(size_t index) const {
    return static_cast<uint32_t>(words[index]) | uint64_t{static_cast<uint32_t>(words[index + 1])}
                                                     << 32;
  }
};

// Where each field of an event stands (protocol.h).
enum { kConn = 0, kAcceptListener = 1, kAcceptFlags = 2, kAcceptPod = 4, kAcceptPeerPort = 9 };
enum {
  kDoneReason = 1,
  kDoneErrno = 2,
  kDoneReceived = 3,
  kDoneSent = 5,
  kDoneDirectUp = 9,
  kDoneDirectDown = 11
};

struct LabOptions {
  uint32_t max_connections = 20'000;
  uint32_t event_capacity = 16'384;    // words
  uint32_t command_capacity = 16'384;  // words
  uint32_t generation = 0;
  uint64_t pair_limit_bytes = 4 << 20;
  KernelMapFds maps = {};
};

class Lab {
 public:
  explicit Lab(const LabOptions& options = {});
  ~Lab();

  // Policy, called on the reactor's thread. Defaults: connect to `target`; reset what cannot be
  // connected.
  std::function<void(const EventRecord&)> on_accept;
  std::function<void(const EventRecord&)> on_connect_failed;
  std::function<void(const EventRecord&)> on_connected;
  std::function<void(const EventRecord&)> on_request;
  std::function<void(const EventRecord&)> on_response_head;
  std::function<void(const EventRecord&)> on_attempt_failed;
  std::function<void(const EventRecord&)> on_opaque;
  SocketAddress target;
  uint16_t leg_flags = 0;
  std::atomic<bool> read_events{true};  // false: TypeScript is stuck

  // Runs on the reactor's thread before its next turn, and waits for it.
  void Do(const std::function<void()>& work);

  // Only on the reactor's thread.
  void Command(int type, const std::vector<int32_t>& payload);
  void Raw(const std::vector<int32_t>& words);
  void Connect(int32_t conn, int32_t attempt, const SocketAddress& to, uint32_t timeout_ms = 5'000,
               const sluice_addr& source = {}, uint32_t netns = 1);
  // Puts bytes where commands may point to; the offset.
  int32_t Place(const std::string& bytes);
  std::string Slab(int32_t offset, int32_t length) const;
  Reactor& reactor() { return *reactor_; }
  OwnSockets& sockets() { return *sockets_; }

  // From the test's thread.
  void Listen(int32_t number, int fd, int32_t pod = 1, int32_t direction = kDirectionInbound,
              int32_t max_connections = 0, int32_t max_buffered_bytes = 0);
  // Waits (10 s at most, then the test fails) until an event that `matches` has come, and takes it
  // out.
  EventRecord Expect(int type, const std::function<bool(const EventRecord&)>& matches = nullptr);
  // Waits until all connections have ended.
  void ExpectIdle();
  size_t Count(int type);
  Stats ReadStats();

 private:
  void Run();
  void ReadEvents();
  void Dispatch(EventRecord event);

  std::vector<int32_t> events_;
  std::vector<int32_t> commands_;
  std::vector<uint8_t> slab_;
  uint32_t placed_ = 0;
  OwnSockets* sockets_ = nullptr;
  std::unique_ptr<Reactor> reactor_;
  UniqueFd wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  std::vector<EventRecord> seen_;
  std::map<int, size_t> counts_;
  uint64_t work_done_ = 0;
  uint64_t work_given_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

// Loopback sockets; family AF_INET or AF_INET6. Blocking unless said otherwise, with a timeout of
// 20 s.
UniqueFd ListenLoopback(int family, int backlog = 4096);
SocketAddress AddressOf(int fd);
UniqueFd ConnectTo(const SocketAddress& to, int receive_buffer = 0);
UniqueFd AcceptFrom(int listener);

// All of it, or the test fails.
void SendAll(int fd, const void* data, size_t size);
std::string ReceiveExactly(int fd, size_t size);
// Until FIN; "" and errno when it is a reset (then *error is set).
std::string ReceiveToEnd(int fd, int* error = nullptr);
void SetLingerZero(int fd);

// Waits for a condition, looking again every millisecond; the test fails after 20 s.
void WaitUntil(const char* what, const std::function<bool()>& condition);

// A byte stream that anyone can compute at any offset: catches loss, order and duplication.
class Pattern {
 public:
  explicit Pattern(uint64_t seed) : seed_(seed) {}
  void Fill(uint8_t* data, size_t size, uint64_t offset) const;
  // Where the first wrong word begins, or -1.
  int64_t Check(const uint8_t* data, size_t size, uint64_t offset) const;

 private:
  uint64_t Word(uint64_t index) const;
  uint64_t seed_;
};

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  uint64_t Below(uint64_t bound) { return Next() % bound; }

 private:
  uint64_t state_;
};

}  // namespace sluice::test
