// What bounds a reactor: descriptors, connections, buffered bytes, a TypeScript that does not read.
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "reactor/socket_ops.h"
#include "test/check.h"
#include "test/reactor_lab.h"

namespace sluice::test {
namespace {

bool WasReset(int fd) {
  char byte;
  return recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
}

int BytesInto(int fd, const std::string& chunk) {
  int total = 0;
  for (;;) {
    const ssize_t sent = send(fd, chunk.data(), chunk.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return total;
    total += static_cast<int>(sent);
  }
}

struct Front {
  explicit Front(const LabOptions& options = {}) : lab(options), front(ListenLoopback(AF_INET)) {
    back = ListenLoopback(AF_INET);
    lab.target = AddressOf(back.get());
  }
  UniqueFd Client() { return ConnectTo(AddressOf(front.get())); }
  Lab lab;
  UniqueFd front;
  UniqueFd back;
};

TEST(APodOverItsConnectionsIsResetAndOthersAreNot) {
  Front path;
  const UniqueFd other = ListenLoopback(AF_INET);
  path.lab.Listen(1, path.front.get(), 1, kDirectionInbound, 2);
  path.lab.Listen(2, other.get(), 2);
  const UniqueFd first = path.Client();
  UniqueFd second = path.Client();
  path.lab.Expect(kEventConnected);
  path.lab.Expect(kEventConnected);
  for (int i = 0; i < 5; i++) CHECK(WasReset(path.Client().get()));
  int refused = 0;
  while (refused < 5) {
    const EventRecord event = path.lab.Expect(kEventListenerPaused);
    CHECK_EQ(event.words[0], 1);
    CHECK_EQ(event.words[1], kListenerPodLimit);
    refused += event.words[2];
  }
  CHECK_EQ(refused, 5);
  CHECK_EQ(path.lab.ReadStats().refusedOverLimit, 5u);
  const UniqueFd elsewhere = ConnectTo(AddressOf(other.get()));
  SendAll(elsewhere.get(), "x", 1);
  path.lab.Expect(kEventConnected);
  second.reset();
  AcceptFrom(path.back.get());
  AcceptFrom(path.back.get());
}

TEST(ATableThatIsFullResets) {
  Front path({.max_connections = 1});
  path.lab.Listen(1, path.front.get());
  const UniqueFd first = path.Client();
  path.lab.Expect(kEventConnected);
  CHECK(WasReset(path.Client().get()));
  CHECK_EQ(path.lab.Expect(kEventListenerPaused).words[1], kListenerTableFull);
}

// Epoll may have woken nobody else for what waits when it stops.
TEST(WhatWaitsIsTakenWhenItStopsListening) {
  for (const bool all : {false, true}) {
    Front path;
    path.lab.Listen(1, path.front.get());
    UniqueFd waiting;
    path.lab.Do([&] {
      waiting = path.Client();
      if (all) {
        path.lab.Command(kCommandDrain, {});
      } else {
        path.lab.Command(kCommandUnlisten, {1});
      }
    });
    path.lab.Expect(kEventConnected);
    AcceptFrom(path.back.get());
    const UniqueFd late = path.Client();
    AcceptFrom(path.front.get());
    CHECK_EQ(path.lab.Count(kEventAccept), 1u);
  }
}

// Without descriptors nothing is accepted, nothing spins, and it goes on by itself.
TEST(NoDescriptorsLeft) {
  Front path;
  path.lab.Listen(1, path.front.get());
  const UniqueFd client = path.Client();
  path.lab.Expect(kEventConnected);
  UniqueFd blocked(socket(AF_INET, SOCK_STREAM, 0));
  rlimit before;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{3, before.rlim_max};
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_storage to;
  const socklen_t length = ToSockaddr(AddressOf(path.front.get()), &to);
  CHECK_EQ(connect(blocked.get(), reinterpret_cast<sockaddr*>(&to), length), 0);
  const EventRecord paused = path.lab.Expect(kEventListenerPaused);
  CHECK_EQ(paused.words[1], kListenerNoDescriptors);
  CHECK_EQ(paused.words[3], EMFILE);
  const Stats first = path.lab.ReadStats();
  WaitUntil("another try", [&] { return path.lab.ReadStats().acceptPauses > first.acceptPauses; });
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  CHECK_EQ(path.lab.Expect(kEventListenerPaused).words[1], kListenerResumed);
  path.lab.Expect(kEventConnected);
  SendAll(blocked.get(), "late but well", 13);
  AcceptFrom(path.back.get());
  const UniqueFd server = AcceptFrom(path.back.get());
  CHECK(ReceiveExactly(server.get(), 13) == "late but well");
}

// Some descriptors are left for all that is no connection. Clients wait for a moment, are reset
// after it, and the next is served when there are descriptors again.
TEST(NearlyNoDescriptorsLeft) {
  rlimit before;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{256, before.rlim_max};
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  constexpr int kMost = 256 - 256 / 16;
  Front path;
  path.lab.Listen(1, path.front.get());
  const UniqueFd first = path.Client();
  path.lab.Expect(kEventConnected);
  std::vector<UniqueFd> others;
  do others.emplace_back(dup(0));
  while (others.back().valid() && others.back().get() < kMost);
  // A place for the next one's leg was kept before.
  const UniqueFd next_one = path.Client();
  path.lab.Expect(kEventConnected);
  const UniqueFd waiting = path.Client();
  const EventRecord paused = path.lab.Expect(kEventListenerPaused);
  CHECK_EQ(paused.words[1], kListenerNoDescriptors);
  CHECK_EQ(paused.words[2], 0);
  CHECK(WasReset(waiting.get()));
  const EventRecord refused = path.lab.Expect(kEventListenerPaused);
  CHECK_EQ(refused.words[1], kListenerNoDescriptors);
  CHECK_EQ(refused.words[2], 1);
  CHECK_EQ(path.lab.ReadStats().refusedNoDescriptors, 1u);
  CHECK_EQ(path.lab.ReadStats().accepted, 2u);
  others.clear();
  const UniqueFd next = path.Client();
  CHECK_EQ(path.lab.Expect(kEventListenerPaused).words[1], kListenerResumed);
  path.lab.Expect(kEventConnected);
  CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(AReaderThatDoesNotReadBoundsMemory) {
  Front path;
  path.lab.Listen(1, path.front.get());
  const std::string chunk(1 << 20, 'b');
  const UniqueFd client = path.Client();
  const UniqueFd server = AcceptFrom(path.back.get());
  size_t sent = 0;
  uint64_t buffered = 0;
  // Until nothing goes in any more, looked at often enough to be sure that it stays so.
  for (int quiet = 0; quiet < 50;) {
    const int more = BytesInto(client.get(), chunk);
    sent += static_cast<size_t>(more);
    quiet = more == 0 ? quiet + 1 : 0;
    buffered = path.lab.ReadStats().bufferedBytes;
    CHECK(buffered <= 256 * 1024);
  }
  CHECK(buffered > 0);
  CHECK(sent < (64u << 20));
  CHECK(ReceiveExactly(server.get(), sent) == std::string(sent, 'b'));
  CHECK_EQ(path.lab.ReadStats().bufferedBytes, 0u);
}

// A hundred streams towards readers that do not read, from one pod: the pod's limit holds but for a
// little per stream, and another pod is not touched.
TEST(APodsBufferedBytesAreBounded) {
  constexpr uint64_t kLimit = 1 << 20;
  Front path;
  const UniqueFd other = ListenLoopback(AF_INET);
  path.lab.Listen(1, path.front.get(), 1, kDirectionInbound, 0, kLimit);
  path.lab.Listen(2, other.get(), 2);
  const std::string chunk(1 << 20, 'c');
  std::vector<UniqueFd> clients, servers;
  for (int i = 0; i < 100; i++) {
    clients.push_back(path.Client());
    servers.push_back(AcceptFrom(path.back.get()));
    BytesInto(clients.back().get(), chunk);
  }
  uint64_t most = 0;
  for (int round = 0; round < 20; round++) {
    for (const UniqueFd& client : clients) BytesInto(client.get(), chunk);
    most = std::max(most, path.lab.ReadStats().bufferedBytes);
  }
  CHECK(most >= kLimit / 2);
  CHECK(most <= kLimit + 256 * 1024 + 100 * 4 * 1024);
  const UniqueFd elsewhere = ConnectTo(AddressOf(other.get()));
  const UniqueFd there = AcceptFrom(path.back.get());
  SendAll(elsewhere.get(), chunk.data(), 100'000);
  CHECK(ReceiveExactly(there.get(), 100'000).size() == 100'000);
}

// Events wait in the reactor, sockets are left alone, and afterwards all of it is told in order.
TEST(AFullEventRingStopsReadingAndDropsNothing) {
  Front path({.event_capacity = 256});
  path.lab.Listen(1, path.front.get());
  std::vector<UniqueFd> open;
  for (int i = 0; i < 20; i++) open.push_back(path.Client());
  for (int i = 0; i < 20; i++) path.lab.Expect(kEventConnected);
  path.lab.read_events = false;
  std::vector<UniqueFd> waiting;
  for (int i = 0; i < 60; i++) waiting.push_back(path.Client());
  for (UniqueFd& fd : open) {
    SetLingerZero(fd.get());
    fd.reset();
  }
  WaitUntil("the ring to be full", [&] { return path.lab.ReadStats().eventRingFull > 10; });
  const Stats full = path.lab.ReadStats();
  CHECK(full.accepted < 80);
  path.lab.read_events = true;
  path.lab.Do([] {});
  for (int i = 0; i < 20; i++)
    CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneClientReset);
  for (int i = 0; i < 60; i++) path.lab.Expect(kEventConnected);
  CHECK_EQ(path.lab.Count(kEventAccept), 80u);
  CHECK_EQ(path.lab.Count(kEventDone), 20u);
}

// Commands that end connections while no event fits: descriptors go at once, the word of it
// follows.
TEST(CommandsRunWhileTheEventRingIsFull) {
  Front path({.event_capacity = 256});
  path.lab.Listen(1, path.front.get());
  std::vector<int32_t> ids;
  path.lab.Do([&] {
    path.lab.on_connected = [&](const EventRecord& event) { ids.push_back(event.words[kConn]); };
  });
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 50; i++) clients.push_back(path.Client());
  for (int i = 0; i < 50; i++) path.lab.Expect(kEventConnected);
  path.lab.read_events = false;
  path.lab.Do([&] {
    for (const int32_t id : ids) path.lab.Command(kCommandClose, {id, kCloseReset});
  });
  for (const UniqueFd& client : clients) CHECK(WasReset(client.get()));
  path.lab.read_events = true;
  path.lab.Do([] {});
  for (int i = 0; i < 50; i++) {
    CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneShutdown);
  }
}

// The option is set on the listener alone, which saves a call per connection: accept(2) hands it
// on.
TEST(AcceptedSocketsHaveNoDelay) {
  for (const int family : {AF_INET, AF_INET6}) {
    const UniqueFd listener = ListenLoopback(family);
    CHECK_EQ(PrepareListener(listener.get()), 0);
    const UniqueFd client = ConnectTo(AddressOf(listener.get()));
    const UniqueFd accepted = AcceptFrom(listener.get());
    int no_delay = 0;
    socklen_t length = sizeof no_delay;
    CHECK_EQ(getsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &length), 0);
    CHECK(no_delay != 0);
  }
}

TEST(WrongListenersAreRefused) {
  Front path;
  const UniqueFd not_listening(socket(AF_INET, SOCK_STREAM, 0));
  path.lab.Listen(7, not_listening.get());
  EventRecord event = path.lab.Expect(kEventListenerPaused);
  CHECK_EQ(event.words[0], 7);
  CHECK_EQ(event.words[1], kListenerFailed);
  CHECK_EQ(event.words[3], EINVAL);
  path.lab.Listen(8, 12'345);
  CHECK_EQ(path.lab.Expect(kEventListenerPaused).words[3], EBADF);
  path.lab.Listen(1, path.front.get());
  path.lab.Listen(1, path.front.get());
  event = path.lab.Expect(kEventListenerPaused);
  CHECK_EQ(event.words[0], 1);
  CHECK_EQ(event.words[3], EEXIST);
}

TEST(UnlistenClosesItsDescriptorAndKeepsConnections) {
  Front path;
  path.lab.Listen(1, path.front.get());
  const UniqueFd client = path.Client();
  const UniqueFd server = AcceptFrom(path.back.get());
  path.lab.Expect(kEventConnected);
  const SocketAddress address = AddressOf(path.front.get());
  path.front.reset();
  path.lab.Do([&] { path.lab.Command(kCommandUnlisten, {1}); });
  const UniqueFd late(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_storage to;
  const socklen_t length = ToSockaddr(address, &to);
  CHECK(connect(late.get(), reinterpret_cast<sockaddr*>(&to), length) != 0);
  CHECK_EQ(errno, ECONNREFUSED);
  SendAll(client.get(), "still here", 10);
  CHECK(ReceiveExactly(server.get(), 10) == "still here");
  path.lab.Do([&] { path.lab.Command(kCommandUnlisten, {1}); });
  CHECK_EQ(path.lab.ReadStats().staleCommands, 1u);
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
