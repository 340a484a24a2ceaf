// The reactor and the kernel's maps: origins, leg intents, pairs, and flow control towards apps
// whose receive queue TCP does not limit. The maps are real; the test plays the BPF programs' part.
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "reactor/clock.h"
#include "reactor/socket_ops.h"
#include "test/check.h"
#include "test/reactor_kernel_maps.h"
#include "test/reactor_lab.h"

namespace sluice::test {
namespace {

constexpr uint64_t kLimit = 1 << 20;
constexpr int32_t kFirstSlot = 16, kSecondSlot = 17;  // of generation 1's quarter
enum {
  kAcceptOriginFlags = 3,
  kAcceptOrigin = 15,
  kAcceptOriginPort = 19,
  kAcceptCookie = 20,
  kAcceptLeg = 22
};

LabOptions OptionsFor(const TestMaps& maps) {
  LabOptions options;
  options.maps = maps.fds();
  options.generation = 1;
  options.pair_limit_bytes = kLimit;
  return options;
}

// A client in mode `full` and its server, through an outbound listener.
struct Path {
  Path() : lab(OptionsFor(maps)), front(ListenLoopback(AF_INET)), back(ListenLoopback(AF_INET)) {
    lab.target = AddressOf(back.get());
    lab.Listen(1, front.get(), 1, kDirectionOutbound);
    lab.leg_flags = SLUICE_LEG_ACCEL_FULL;
  }

  // As sockops: published before the SYN leaves.
  void Connect(uint16_t flags = SLUICE_POD_ACCEL_FULL, bool publish = true) {
    client = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage;
    SocketAddress loopback = AddressOf(front.get());
    socklen_t length = ToSockaddr({loopback.addr, 0}, &storage);
    CHECK_EQ(bind(client.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
    sluice_origin origin{};
    origin.client_cookie = SocketCookie(client.get());
    origin.addr = loopback.addr;
    origin.port = 8'080;
    origin.flags = flags;
    if (publish) maps.SetOrigin(loopback, AddressOf(client.get()), origin);
    length = ToSockaddr(loopback, &storage);
    CHECK_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  }

  void Open() {
    Connect();
    server = AcceptFrom(back.get());
    const EventRecord connected = lab.Expect(kEventConnected);
    conn = connected.words[kConn];
    leg_cookie = connected.U64(4);
  }

  void LinkServer() { maps.SetPeer(leg_cookie, SocketCookie(server.get())); }

  EventRecord PairNow(int32_t up = kFirstSlot, int32_t down = kSecondSlot) {
    lab.Do([&] { lab.Command(kCommandPair, {conn, up, down}); });
    return lab.Expect(kEventPaired);
  }

  std::pair<int, int> Share() {
    std::pair<int, int> fds{-1, -1};
    lab.Do([&] { CHECK(lab.reactor().ShareFds(conn, &fds)); });
    return fds;
  }

  TestMaps maps;
  Lab lab;
  UniqueFd front, back, client, server;
  int32_t conn = 0;
  uint64_t leg_cookie = 0;
};

TEST(UnpublishedIsReset) {
  Path path;
  path.Connect(0, false);
  CHECK_EQ(path.lab.Expect(kEventAccept).words[kAcceptFlags], 0);
  CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneUnpublished);
  char byte;
  CHECK(recv(path.client.get(), &byte, 1, 0) < 0);
  CHECK_EQ(errno, ECONNRESET);
  CHECK_EQ(path.lab.ReadStats().unpublished, 1u);
}

TEST(PublishedIsToldWithItsOrigin) {
  Path path;
  path.Connect(SLUICE_POD_ACCEL_AUTO);
  const EventRecord accept = path.lab.Expect(kEventAccept);
  CHECK_EQ(accept.words[kAcceptFlags], kAcceptOriginFound);
  CHECK_EQ(accept.words[kAcceptOriginFlags], SLUICE_POD_ACCEL_AUTO);
  CHECK_EQ(accept.words[kAcceptOriginPort], 8'080);
  CHECK_EQ(static_cast<uint32_t>(accept.words[kAcceptOrigin + 3]),
           AddressOf(path.front.get()).addr.word[3]);
  CHECK_EQ(accept.U64(kAcceptCookie), SocketCookie(path.client.get()));
  CHECK(accept.U64(kAcceptLeg) != 0);
  CHECK(accept.U64(kAcceptLeg) != accept.U64(kAcceptCookie));
}

TEST(TheLegsIntentIsThereBeforeItConnects) {
  Path path;
  path.Open();
  path.LinkServer();
  CHECK_EQ(path.PairNow().words[3], 0);
  sluice_leg leg{};
  CHECK(path.maps.LegIntent(path.Share().second, &leg));
  CHECK_EQ(leg.flags, SLUICE_LEG_ACCEL_FULL);
  CHECK_EQ(leg.generation, 1u);
}

TEST(PairedAndTakenApart) {
  Path path;
  sluice_pair_stats stats{};
  stats.direct_bytes = 1'000;  // of the slot's last owner
  path.maps.SetStats(kFirstSlot, stats);
  path.Open();
  const uint64_t a = SocketCookie(path.client.get()), b = SocketCookie(path.server.get());
  path.lab.Do([&] { path.lab.Command(kCommandPair, {path.conn, kFirstSlot, kSecondSlot}); });
  // The server's socket is not linked yet: it is asked for again.
  WaitUntil("tries", [&] { return path.lab.ReadStats().turns > 5; });
  CHECK_EQ(path.lab.Count(kEventPaired), 0u);
  path.LinkServer();
  CHECK_EQ(path.lab.Expect(kEventPaired).words[3], 0);
  sluice_pair pair{};
  CHECK(path.maps.Pair(a, &pair));
  CHECK_EQ(pair.peer_app_cookie, b);
  CHECK_EQ(pair.slot, static_cast<uint32_t>(kFirstSlot));
  CHECK_EQ(pair.generation, 1u);
  CHECK(path.maps.Pair(b, &pair));
  CHECK_EQ(pair.peer_app_cookie, a);
  CHECK_EQ(pair.slot, static_cast<uint32_t>(kSecondSlot));
  for (const int32_t slot : {kFirstSlot, kSecondSlot}) CHECK_EQ(path.maps.Control(slot).want, 1u);

  SendAll(path.client.get(), "by the proxy", 12);
  CHECK(ReceiveExactly(path.server.get(), 12) == "by the proxy");
  WaitUntil("the direction to be free", [&] { return path.maps.Control(kFirstSlot).busy == 0; });
  stats.direct_bytes = 1'000 + 5'000;
  path.maps.SetStats(kFirstSlot, stats);
  stats.direct_bytes = 70;
  path.maps.SetStats(kSecondSlot, stats);
  path.client.reset();
  path.server.reset();
  const EventRecord done = path.lab.Expect(kEventDone);
  CHECK_EQ(done.U64(kDoneReceived), 12u);
  CHECK_EQ(done.U64(kDoneDirectUp), 5'000u);
  CHECK_EQ(done.U64(kDoneDirectDown), 70u);
  CHECK(!path.maps.Pair(a, &pair));
  CHECK(!path.maps.Pair(b, &pair));
  for (const int32_t slot : {kFirstSlot, kSecondSlot}) CHECK_EQ(path.maps.Control(slot).want, 0u);
}

// While bytes of a direction are in the reactor's hands, nobody may overtake them.
TEST(BusyWhileBytesAreHeld) {
  Path path;
  path.Open();
  path.LinkServer();
  CHECK_EQ(path.PairNow().words[3], 0);
  path.maps.SetQueued(kLimit * 8);
  const std::string chunk(kLimit, 'q');
  for (int i = 0; i < 3; i++) SendAll(path.client.get(), chunk.data(), chunk.size());
  WaitUntil("the reactor to hold", [&] { return path.lab.ReadStats().holds > 3; });
  CHECK_EQ(path.maps.Control(kFirstSlot).busy, 1u);
  CHECK_EQ(path.maps.Control(kSecondSlot).busy, 0u);
  const Stats stats = path.lab.ReadStats();
  CHECK(stats.bytesFromClients <= kLimit);
  CHECK(stats.bufferedBytes > 0 && stats.bufferedBytes <= 256 * 1024);
  path.maps.SetQueued(0);
  CHECK(ReceiveExactly(path.server.get(), 3 * kLimit) == std::string(3 * kLimit, 'q'));
  WaitUntil("the direction to be free", [&] { return path.maps.Control(kFirstSlot).busy == 0; });
}

// A pair made while bytes are held starts out busy.
TEST(PairedMidStream) {
  Path path;
  path.Open();
  path.maps.SetQueued(kLimit * 8);
  path.LinkServer();
  const std::string chunk(2 * kLimit, 'm');
  SendAll(path.server.get(), chunk.data(), chunk.size());
  WaitUntil("the reactor to hold", [&] { return path.lab.ReadStats().holds > 3; });
  CHECK_EQ(path.PairNow().words[3], 0);
  CHECK_EQ(path.maps.Control(kSecondSlot).busy, 1u);
  CHECK_EQ(path.maps.Control(kFirstSlot).busy, 0u);
  path.maps.SetQueued(0);
  CHECK(ReceiveExactly(path.client.get(), 2 * kLimit) == chunk);
  WaitUntil("the direction to be free", [&] { return path.maps.Control(kSecondSlot).busy == 0; });
}

// A reader that keeps up costs one question per limit's worth of bytes.
TEST(QueuesAreAskedRarely) {
  Path path;
  path.Open();
  path.LinkServer();
  path.maps.SetQueued(0);
  const std::string chunk(64 * 1024, 'r');
  for (int i = 0; i < 256; i++) {
    SendAll(path.client.get(), chunk.data(), chunk.size());
    ReceiveExactly(path.server.get(), chunk.size());
  }
  const Stats stats = path.lab.ReadStats();
  CHECK(stats.queueQueries >= 10);
  CHECK(stats.queueQueries <= 20);
  CHECK_EQ(stats.holds, 0u);
}

// The program saw the queue over the limit: the next send asks, whatever we believed.
TEST(WhatTheProgramSawIsBelieved) {
  Path path;
  path.Open();
  path.LinkServer();
  CHECK_EQ(path.PairNow().words[3], 0);
  path.maps.SetQueued(kLimit * 2);
  sluice_pair_stats stats{};
  stats.receiver_queued_bytes = kLimit * 2;
  path.maps.SetStats(kFirstSlot, stats);
  SendAll(path.client.get(), "wait", 4);
  WaitUntil("the reactor to hold", [&] { return path.lab.ReadStats().holds > 0; });
  path.maps.SetQueued(10);
  CHECK(ReceiveExactly(path.server.get(), 4) == "wait");
}

TEST(SlotsOfOthersAreNotTouched) {
  Path path;
  path.Open();
  path.LinkServer();
  path.lab.Do([&] {
    for (const auto& slots :
         {std::pair{0, 1}, {15, 16}, {31, 32}, {-1, 16}, {16, 16}, {1 << 30, 17}}) {
      path.lab.Command(kCommandPair, {path.conn, slots.first, slots.second});
    }
  });
  CHECK_EQ(path.lab.ReadStats().commandErrors, 6u);
  CHECK_EQ(path.lab.Count(kEventPaired), 0u);
  for (uint32_t slot = 0; slot < TestMaps::kSlots; slot++) {
    CHECK_EQ(path.maps.Control(static_cast<int32_t>(slot)).want, 0u);
  }
  CHECK_EQ(path.PairNow(16, 31).words[3], 0);
}

TEST(AServerThatIsNeverLinkedIsNotPaired) {
  Path path;
  path.Open();
  CHECK_EQ(path.PairNow().words[3], EAGAIN);
  CHECK_EQ(path.lab.ReadStats().pairFailed, 1u);
  SendAll(path.client.get(), "all the same", 12);
  CHECK(ReceiveExactly(path.server.get(), 12) == "all the same");
  path.LinkServer();
  CHECK_EQ(path.PairNow().words[3], 0);
}

TEST(AdoptedConnectionsLiveOn) {
  Path path;
  path.Open();
  path.LinkServer();
  CHECK_EQ(path.PairNow().words[3], 0);
  const auto [client_leg, server_leg] = path.Share();
  const UniqueFd kept_client(fcntl(client_leg, F_DUPFD_CLOEXEC, 0));
  const UniqueFd kept_server(fcntl(server_leg, F_DUPFD_CLOEXEC, 0));
  path.lab.Do([&] { path.lab.Command(kCommandClose, {path.conn, kCloseAdopted}); });
  CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneAdopted);
  sluice_pair pair{};
  CHECK(path.maps.Pair(SocketCookie(path.client.get()), &pair));
  CHECK_EQ(path.maps.Control(kFirstSlot).want, 1u);
  SendAll(path.client.get(), "to the keeper", 13);
  CHECK(ReceiveExactly(kept_client.get(), 13) == "to the keeper");
  SendAll(kept_server.get(), "from the keeper", 15);
  CHECK(ReceiveExactly(path.server.get(), 15) == "from the keeper");
  CHECK_EQ(path.lab.ReadStats().commandErrors, 0u);
}

TEST(AConnectionNeedNotBePairedToBeAdopted) {
  Path path;
  path.Open();
  SendAll(path.client.get(), "forwarded", 9);
  CHECK(ReceiveExactly(path.server.get(), 9) == "forwarded");
  const auto [client_leg, server_leg] = path.Share();
  const UniqueFd kept_client(fcntl(client_leg, F_DUPFD_CLOEXEC, 0));
  const UniqueFd kept_server(fcntl(server_leg, F_DUPFD_CLOEXEC, 0));
  path.lab.Do([&] { path.lab.Command(kCommandClose, {path.conn, kCloseAdopted}); });
  CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneAdopted);
  SendAll(path.client.get(), "to the keeper", 13);
  CHECK(ReceiveExactly(kept_client.get(), 13) == "to the keeper");
  SendAll(kept_server.get(), "from the keeper", 15);
  CHECK(ReceiveExactly(path.server.get(), 15) == "from the keeper");
  CHECK_EQ(path.lab.ReadStats().commandErrors, 0u);
}

// Somebody else's duplicate must not keep an ending from the apps.
TEST(SharedDescriptorsEndAllTheSame) {
  for (const bool reset : {true, false}) {
    Path path;
    path.Open();
    path.LinkServer();
    CHECK_EQ(path.PairNow().words[3], 0);
    const auto [client_leg, server_leg] = path.Share();
    const UniqueFd kept_client(fcntl(client_leg, F_DUPFD_CLOEXEC, 0));
    const UniqueFd kept_server(fcntl(server_leg, F_DUPFD_CLOEXEC, 0));
    path.lab.Do(
        [&] { path.lab.Command(kCommandClose, {path.conn, reset ? kCloseReset : kCloseFin}); });
    path.lab.Expect(kEventDone);
    for (const int fd : {path.client.get(), path.server.get()}) {
      int error = 0;
      ReceiveToEnd(fd, &error);
      CHECK_EQ(error, reset ? ECONNRESET : 0);
    }
    // Its registration is gone too: what happens there now is nobody's business here.
    const Stats before = path.lab.ReadStats();
    path.client.reset();
    path.server.reset();
    CHECK(path.lab.ReadStats().turns - before.turns < 20);
  }
}

TEST(DirectBytesCountAgainstIdleness) {
  Path path;
  path.Open();
  path.LinkServer();
  CHECK_EQ(path.PairNow().words[3], 0);
  path.lab.Do([&] { path.lab.Command(kCommandIdleTimeout, {path.conn, 100}); });
  const uint64_t start = MonotonicUs();
  sluice_pair_stats stats{};
  while (MonotonicUs() - start < 300'000) {
    stats.last_direct_ns = MonotonicUs() * 1'000;
    path.maps.SetStats(kSecondSlot, stats);
  }
  CHECK_EQ(path.lab.Count(kEventDone), 0u);
  CHECK_EQ(path.lab.Expect(kEventDone).words[kDoneReason], kDoneIdle);
}

}  // namespace
}  // namespace sluice::test

TEST_MAIN()
