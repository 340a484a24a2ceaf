// What commands do, and what they do not: attempts, timeouts, sources, timers, endings, nonsense.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "reactor/clock.h"
#include "test/check.h"
#include "test/reactor_lab.h"

namespace sluice::test {
namespace {

sluice_addr Ipv4(const char* text) {
  sluice_addr addr{{0, 0, htonl(0xffff), 0}};
  CHECK_EQ(inet_pton(AF_INET, text, &addr.word[3]), 1);
  return addr;
}

SocketAddress PeerOf(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  CHECK_EQ(getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length), 0);
  SocketAddress address;
  CHECK(FromSockaddr(storage, &address));
  return address;
}

struct Front {
  Front() : front(ListenLoopback(AF_INET)), back(ListenLoopback(AF_INET)) {
    lab.target = AddressOf(back.get());
    lab.Listen(1, front.get());
  }
  // A client whose connection TypeScript has not answered, and its id.
  int32_t Undecided() {
    lab.Do([&] { lab.on_accept = nullptr; });
    client = ConnectTo(AddressOf(front.get()));
    return lab.Expect(kEventAccept).words[kConn];
  }
  Lab lab;
  UniqueFd front;
  UniqueFd back;
  UniqueFd client;
};

TEST(RefusedThenAnotherEndpoint) {
  Front path;
  UniqueFd closed = ListenLoopback(AF_INET);
  const SocketAddress nobody = AddressOf(closed.get());
  closed.reset();
  path.lab.Do([&] {
    path.lab.target = nobody;
    path.lab.on_connect_failed = [&](const EventRecord& event) {
      path.lab.Connect(event.words[kConn], event.words[1] + 1, AddressOf(path.back.get()));
    };
  });
  path.client = ConnectTo(AddressOf(path.front.get()));
  SendAll(path.client.get(), "patience", 8);
  const EventRecord failed = path.lab.Expect(kEventConnectFailed);
  CHECK_EQ(failed.words[1], 1);
  CHECK_EQ(failed.words[2], ECONNREFUSED);
  const EventRecord connected = path.lab.Expect(kEventConnected);
  CHECK_EQ(connected.words[1], 2);
  const UniqueFd server = AcceptFrom(path.back.get());
  CHECK_EQ(connected.words[3], PeerOf(server.get()).port);
  CHECK(ReceiveExactly(server.get(), 8) == "patience");
}

TEST(ConnectTimesOut) {
  Front path;
  const UniqueFd full = ListenLoopback(AF_INET, 0);
  const UniqueFd filler = ConnectTo(AddressOf(full.get()));
  const int32_t conn = path.Undecided();
  path.lab.Do([&] { path.lab.Connect(conn, 3, AddressOf(full.get()), 30); });
  const EventRecord failed = path.lab.Expect(kEventConnectFailed);
  CHECK_EQ(failed.words[1], 3);
  CHECK_EQ(failed.words[2], ETIMEDOUT);
  CHECK(failed.words[3] >= 30'000);
  CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneRefused);
}

TEST(SourceIsBoundAndItsPortIsChosenAtConnect) {
  Front path;
  const int32_t conn = path.Undecided();
  path.lab.Do(
      [&] { path.lab.Connect(conn, 1, AddressOf(path.back.get()), 1'000, Ipv4("127.7.8.9")); });
  const UniqueFd server = AcceptFrom(path.back.get());
  const SocketAddress peer = PeerOf(server.get());
  CHECK_EQ(peer.addr.word[3], Ipv4("127.7.8.9").word[3]);
  CHECK_EQ(path.lab.Expect(kEventConnected).words[3], peer.port);
}

TEST(SourceThatIsNotHere) {
  Front path;
  const int32_t conn = path.Undecided();
  path.lab.Do(
      [&] { path.lab.Connect(conn, 1, AddressOf(path.back.get()), 1'000, Ipv4("192.0.2.1")); });
  CHECK_EQ(path.lab.Expect(kEventConnectFailed).words[2], EADDRNOTAVAIL);
}

TEST(UnknownNamespace) {
  Front path;
  const int32_t conn = path.Undecided();
  path.lab.Do([&] { path.lab.Connect(conn, 1, AddressOf(path.back.get()), 1'000, {}, 99); });
  CHECK_EQ(path.lab.Expect(kEventConnectFailed).words[2], ENOENT);
}

TEST(WaitsForASocketInOrder) {
  Front path;
  path.lab.Do([&] { path.lab.sockets().SetReady(0); });
  std::vector<UniqueFd> clients;
  const auto come = [&](char name) {
    clients.push_back(ConnectTo(AddressOf(path.front.get())));
    SendAll(clients.back().get(), &name, 1);
    path.lab.Expect(kEventAccept);
  };
  for (char name = 'a'; name < 'f'; name++) come(name);
  WaitUntil("five to wait", [&] { return path.lab.ReadStats().socketWaits == 5; });
  // Made for those five, of which nobody was told yet: a sixth does not overtake them.
  path.lab.Do([&] { path.lab.sockets().SetReady(1); });
  come('f');
  WaitUntil("six to wait", [&] { return path.lab.ReadStats().socketWaits == 6; });
  // Two now; the others wait again, and are served first come, first served.
  for (const int ready : {2, -1}) {
    path.lab.Do([&] {
      path.lab.sockets().SetReady(ready);
      path.lab.sockets().Notify({1, false, 0});
    });
  }
  for (char name = 'a'; name <= 'f'; name++) {
    const UniqueFd server = AcceptFrom(path.back.get());
    CHECK(ReceiveExactly(server.get(), 1) == std::string(1, name));
  }
}

// A connection that gave up waiting for an IPv4 socket, and now waits for one of IPv6 for ever.
struct WaitsElsewhere : Front {
  WaitsElsewhere() : other(ListenLoopback(AF_INET6)) {
    lab.Do([&] {
      lab.sockets().SetReady(0);
      lab.sockets().SetNoneOfIpv6();
      lab.on_connect_failed = [&](const EventRecord& event) {
        lab.Connect(event.words[kConn], 2, AddressOf(other.get()), 0);
      };
    });
    const int32_t conn = Undecided();
    lab.Do([&] { lab.Connect(conn, 1, AddressOf(back.get()), 20); });
    CHECK_EQ(lab.Expect(kEventConnectFailed).words[2], ETIMEDOUT);
    WaitUntil("both waits", [&] { return lab.ReadStats().socketWaits == 2; });
  }
  UniqueFd other;
};

TEST(WhoWaitsElsewhereHoldsNobodyUp) {
  WaitsElsewhere path;
  const UniqueFd first = std::move(path.client);
  const int32_t behind = path.Undecided();
  path.lab.Do([&] { path.lab.Connect(behind, 1, AddressOf(path.back.get()), 0); });
  path.lab.Do([&] {
    path.lab.sockets().SetReady(-1);
    path.lab.sockets().Notify({1, false, 0});
  });
  CHECK_EQ(path.lab.Expect(kEventConnected).words[kConn], behind);
}

TEST(WhatFailsOfOneKindIsNoFailureOfAnother) {
  WaitsElsewhere path;
  path.lab.Do([&] { path.lab.sockets().Notify({1, false, EMFILE}); });
  path.lab.Expect(kEventNetnsFailed);
  CHECK_EQ(path.lab.ReadStats().connectFailed, 1);
}

TEST(NoSocketCanBeMade) {
  Front path;
  path.lab.Do([&] { path.lab.sockets().SetReady(0); });
  path.client = ConnectTo(AddressOf(path.front.get()));
  path.lab.Expect(kEventAccept);
  path.lab.Do([&] { path.lab.sockets().Notify({1, false, EMFILE}); });
  const EventRecord told = path.lab.Expect(kEventNetnsFailed);
  CHECK_EQ(told.words[0], 1);
  CHECK_EQ(told.words[1], 4);
  CHECK_EQ(told.words[2], EMFILE);
  CHECK_EQ(path.lab.Expect(kEventConnectFailed).words[2], EMFILE);
}

TEST(NamespaceRemovedWhileWaiting) {
  Front path;
  path.lab.Do([&] { path.lab.sockets().SetReady(0); });
  path.client = ConnectTo(AddressOf(path.front.get()));
  path.lab.Expect(kEventAccept);
  path.lab.Do([&] { path.lab.Command(kCommandNetnsRemove, {1}); });
  CHECK_EQ(path.lab.Expect(kEventConnectFailed).words[2], ENOENT);
}

TEST(TimeoutWhileWaitingForASocket) {
  Front path;
  path.lab.Do([&] { path.lab.sockets().SetReady(0); });
  const int32_t conn = path.Undecided();
  path.lab.Do([&] { path.lab.Connect(conn, 1, AddressOf(path.back.get()), 20); });
  CHECK_EQ(path.lab.Expect(kEventConnectFailed).words[2], ETIMEDOUT);
  // The socket that comes later is not for this one any more.
  path.lab.Do([&] {
    path.lab.sockets().SetReady(-1);
    path.lab.sockets().Notify({1, false, 0});
  });
  CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneRefused);
  CHECK_EQ(path.lab.ReadStats().connected, 0u);
}

constexpr int32_t kIdleMs = 150;

// A byte at a time for much longer than the limit. False when the connection was ended for a pause
// that a busy machine made, and not we: that tells nothing.
bool StaysBusy(int client, int server) {
  const uint64_t start = MonotonicUs();
  uint64_t sent = start;
  while (MonotonicUs() - start < 400'000) {
    char byte = 'x';
    const uint64_t now = MonotonicUs();
    if (send(client, &byte, 1, MSG_NOSIGNAL) != 1 || recv(server, &byte, 1, 0) != 1) {
      CHECK(MonotonicUs() - sent >= kIdleMs * 1'000);
      return false;
    }
    sent = now;
  }
  return true;
}

TEST(IdleConnectionsEndAndBusyOnesDoNot) {
  Front path;
  path.lab.Do([&] {
    path.lab.on_connected = [&](const EventRecord& event) {
      path.lab.Command(kCommandIdleTimeout, {event.words[kConn], kIdleMs});
    };
  });
  for (int round = 0; round < 100; round++) {
    path.client = ConnectTo(AddressOf(path.front.get()));
    const UniqueFd server = AcceptFrom(path.back.get());
    const EventRecord connected = path.lab.Expect(kEventConnected);
    const bool stayed = StaysBusy(path.client.get(), server.get());
    const EventRecord done = path.lab.Expect(kEventDone);
    CHECK_EQ(done.words[kConn], connected.words[kConn]);
    CHECK_EQ(done.words[kDoneReason], kDoneIdle);
    if (!stayed) continue;
    CHECK(ReceiveToEnd(path.client.get()).empty());
    CHECK(ReceiveToEnd(server.get()).empty());
    return;
  }
  CHECK(!"a machine that lets us send every 150 ms");
}

TEST(IdleTimeoutCanBeTakenBack) {
  Front path;
  path.client = ConnectTo(AddressOf(path.front.get()));
  const UniqueFd server = AcceptFrom(path.back.get());
  const int32_t conn = path.lab.Expect(kEventConnected).words[kConn];
  path.lab.Do([&] {
    path.lab.Command(kCommandIdleTimeout, {conn, 20});
    path.lab.Command(kCommandIdleTimeout, {conn, 0});
    path.lab.Command(kCommandTimer, {5, 80});
  });
  path.lab.Expect(kEventTimer);
  SendAll(path.client.get(), "alive", 5);
  CHECK(ReceiveExactly(server.get(), 5) == "alive");
}

TEST(TimersFireMoveAndCancel) {
  Front path;
  path.lab.Do([&] {
    path.lab.Command(kCommandTimer, {1, 60});
    path.lab.Command(kCommandTimer, {2, 20});
    path.lab.Command(kCommandTimer, {3, 10});
    path.lab.Command(kCommandTimer, {3, 0});
    path.lab.Command(kCommandTimer, {4, 10});
    path.lab.Command(kCommandTimer, {4, 40});
  });
  for (const int32_t id : {2, 4, 1}) CHECK_EQ(path.lab.Expect(kEventTimer).words[0], id);
  CHECK_EQ(path.lab.Count(kEventTimer), 3u);
}

TEST(CloseByFinAndByReset) {
  for (const int32_t how : {kCloseFin, kCloseReset}) {
    Front path;
    path.client = ConnectTo(AddressOf(path.front.get()));
    const UniqueFd server = AcceptFrom(path.back.get());
    const int32_t conn = path.lab.Expect(kEventConnected).words[kConn];
    path.lab.Do([&] { path.lab.Command(kCommandClose, {conn, how}); });
    CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneShutdown);
    for (const int fd : {path.client.get(), server.get()}) {
      int error = 0;
      ReceiveToEnd(fd, &error);
      CHECK_EQ(error, how == kCloseFin ? 0 : ECONNRESET);
    }
  }
}

TEST(DrainKeepsConnections) {
  Front path;
  path.client = ConnectTo(AddressOf(path.front.get()));
  const UniqueFd server = AcceptFrom(path.back.get());
  path.lab.Do([&] { path.lab.Command(kCommandDrain, {}); });
  SendAll(path.client.get(), "x", 1);
  ReceiveExactly(server.get(), 1);
  const UniqueFd waits = ConnectTo(AddressOf(path.front.get()));  // into the backlog alone
  path.lab.Do([] {});
  CHECK_EQ(path.lab.Count(kEventAccept), 1u);
}

TEST(StaleAndSenselessCommandsAreCounted) {
  Front path;
  const int32_t conn = path.Undecided();
  path.lab.Do([&] {
    path.lab.Command(kCommandPair, {conn, 0, 1});            // not forwarding
    path.lab.Command(kCommandClose, {conn, 77});             // no such way
    path.lab.Command(kCommandClose, {conn, kCloseAdopted});  // nobody else has it
    path.lab.Command(kCommandClose, {conn, kCloseReset});
  });
  path.lab.Expect(kEventDone);
  path.lab.Do([&] {
    path.lab.Command(kCommandClose, {conn, kCloseReset});
    path.lab.Connect(conn, 2, AddressOf(path.back.get()));
    path.lab.Command(kCommandIdleTimeout, {12'345, 1});
  });
  const Stats stats = path.lab.ReadStats();
  CHECK_EQ(stats.commandErrors, 3u);
  CHECK_EQ(stats.staleCommands, 3u);
}

TEST(ConnectTwiceIsAnError) {
  Front path;
  const int32_t conn = path.Undecided();
  path.lab.Do([&] {
    path.lab.Connect(conn, 1, AddressOf(path.back.get()));
    path.lab.Connect(conn, 2, AddressOf(path.back.get()));
  });
  CHECK_EQ(path.lab.Expect(kEventConnected).words[1], 1);
  CHECK_EQ(path.lab.ReadStats().commandErrors, 1u);
}

// Of streams that nobody knows, or laid out and not built: the lengths are known, so what follows
// such a record is still understood.
TEST(RequestCommandsAreRefused) {
  Front path;
  path.lab.Do([&] {
    for (int type = kCommandForward; type <= kCommandTrailersOut; type++) {
      path.lab.Command(type, std::vector<int32_t>(static_cast<size_t>(CommandPayloadWords(type))));
    }
    path.lab.Command(kCommandForward, {1});
    path.lab.Command(99, {1});
    path.lab.Command(kCommandTimer, {6, 1});
  });
  CHECK_EQ(path.lab.Expect(kEventTimer).words[0], 6);
  const Stats stats = path.lab.ReadStats();
  CHECK_EQ(stats.commandErrors, 2u);
  CHECK_EQ(stats.staleCommands, 7u);
}

TEST(ABrokenRingIsEmptiedAndGoesOn) {
  Front path;
  path.lab.Do([&] {
    path.lab.Raw({kCommandTimer | 9'999 << 8, 1, 1});
    path.lab.reactor().RunCommands();
    path.lab.Command(kCommandTimer, {6, 1});
  });
  CHECK_EQ(path.lab.Expect(kEventTimer).words[0], 6);
  CHECK_EQ(path.lab.ReadStats().ringCorruptions, 1u);
}

TEST(ALegWithFlagsButNoKernelMapFails) {
  Front path;
  const int32_t conn = path.Undecided();
  path.lab.Do([&] {
    path.lab.leg_flags = SLUICE_LEG_BYPASS;
    path.lab.Connect(conn, 1, AddressOf(path.back.get()));
  });
  CHECK_EQ(path.lab.Expect(kEventConnectFailed).words[2], ENOTSUP);
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
