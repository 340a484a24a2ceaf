// The keeper, message by message, under the sanitizers. Its life beside real proxies is tested from
// test/kernel/keeper.test.ts.
#include <fcntl.h>
#include <sys/wait.h>

#include <random>
#include <thread>

#include "keeper/parse.h"
#include "keeper/takeover.h"
#include "test/keeper_client.h"

namespace sluice {
namespace {

struct TestKeeper {
  TempDir directory;
  FakeMaps fake;
  Keeper keeper{Options(), fake.maps};

  TestKeeper() {
    fake.Beat(0);
    CHECK(keeper.Open());
    CHECK_EQ(keeper.Serve(), 0);
  }
  KeeperOptions Options() const {
    KeeperOptions options;
    options.socket_path = directory.Socket();
    options.tick_ms = 5;
    return options;
  }
  uint64_t Stat(KeeperStat stat) { return keeper.counters()[stat]; }

  template <typename Condition>
  void Until(Condition condition) {
    for (int i = 0; i < 2000; i++) {
      if (condition()) return;
      keeper.RunOnce();
    }
    CHECK(!"the condition in time");
  }
};

std::vector<uint8_t> NamedPod(const std::string& uid, const std::string& alive = "",
                              const std::string& facts = "") {
  Pod pod;
  pod.uid = uid;
  pod.alive_path = alive;
  pod.facts = facts;
  return PodBody(pod);
}

size_t OpenDescriptors() {
  size_t open = 0;
  for (int fd = 0; fd < 4096; fd++) open += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return open;
}

// What a proxy has of a connection: the leg to the client and the leg to the server, whose other
// ends are the apps.
struct Spliced {
  TcpPair client = ConnectTcp();  // near: the app
  TcpPair server = ConnectTcp();  // near: the leg

  std::vector<uint8_t> Body(int32_t to_server = 0, int32_t to_client = 1) const {
    KeeperPair facts = {};
    facts.client_leg_cookie = Cookie(client.far);
    facts.server_leg_cookie = Cookie(server.near);
    facts.slot_to_server = to_server;
    facts.slot_to_client = to_client;
    std::vector<uint8_t> body;
    Append(body, facts);
    return body;
  }
  std::vector<int> Legs() const { return {client.far.get(), server.near.get()}; }
  int client_app() const { return client.near.get(); }
  int server_app() const { return server.far.get(); }
};

// A process that puts the pair and is gone; the legs here are closed too, so the keeper has the
// last. `keeper` works in between, so what it forwards is forwarded by a process that lives.
void PutAndDie(TestKeeper& test, Spliced& spliced, int32_t to_server = 0, int32_t to_client = 1) {
  const std::string path = test.directory.Socket();
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    TestProxy proxy(path);
    std::vector<uint8_t> hello;
    Append(hello, KeeperHello{0, kKeeperVersion});
    proxy.Send(kMessageHello, hello);
    proxy.Send(kMessagePutPair, spliced.Body(to_server, to_client), spliced.Legs());
    Reply reply;
    for (int answers = 0; answers < 2;) {
      if (proxy.TryReceive(&reply)) {
        if (reply.header.status != 0) _exit(1);
        answers++;
      }
      poll(nullptr, 0, 1);
    }
    _exit(0);
  }
  spliced.client.far.reset();
  spliced.server.near.reset();
  int status = -1;
  test.Until([&] { return waitpid(child, &status, WNOHANG) == child; });
  CHECK_EQ(status, 0);
}

std::string ReadSome(int fd) {
  char bytes[65536];
  const ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  return n > 0 ? std::string(bytes, static_cast<size_t>(n)) : std::string();
}

bool AtEnd(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

bool WasReset(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET;
}

}  // namespace

TEST(greeting_comes_first_and_versions_are_checked) {
  TestKeeper test;
  TestProxy proxy(test.directory.Socket());
  CHECK_EQ(proxy.Ask(test.keeper, kMessageStats, {}).header.status, -EPERM);
  CHECK_EQ(proxy.Hello(test.keeper).header.status, 0);
  CHECK_EQ(proxy.Ask(test.keeper, kMessageStats, {}).body.size(), kStatCount * sizeof(uint64_t));
  CHECK_EQ(proxy.Ask(test.keeper, 99, {}).header.status, -EINVAL);
  const KeeperHeader other = {kKeeperMagic, kKeeperProtocol + 1, kMessageStats, 7, 0};
  std::vector<uint8_t> bytes;
  Append(bytes, other);
  proxy.SendRaw(bytes, {});
  CHECK_EQ(proxy.Receive(test.keeper).header.status, -EPROTONOSUPPORT);
}

TEST(pods_are_put_listed_replaced_and_dropped) {
  TestKeeper test;
  TestProxy proxy(test.directory.Socket());
  proxy.Hello(test.keeper);
  const TcpPair any = ConnectTcp();
  CHECK_EQ(proxy
               .Ask(test.keeper, kMessagePutListeners, NamedPod("a", "", "first"),
                    {any.near.get(), any.far.get()})
               .header.status,
           0);
  CHECK_EQ(
      proxy.Ask(test.keeper, kMessagePutListeners, NamedPod("a", "", "second"), {any.far.get()})
          .header.status,
      0);
  proxy.Send(kMessageList, {});
  Reply pod = proxy.Receive(test.keeper);
  CHECK_EQ(pod.header.type, kMessagePod);
  CHECK_EQ(pod.fds.size(), 1);
  CHECK_EQ(Cookie(pod.fds[0]), Cookie(any.far));
  CHECK_EQ(memcmp(pod.body.data(), NamedPod("a", "", "second").data(), pod.body.size()), 0);
  CHECK_EQ(proxy.Receive(test.keeper).header.type, kMessageList);
  CHECK_EQ(test.Stat(kStatListeners), 1);
  CHECK_EQ(proxy.Ask(test.keeper, kMessageDropPod, NamedPod("a")).header.status, 0);
  CHECK_EQ(proxy.Ask(test.keeper, kMessageDropPod, NamedPod("a")).header.status, -ENOENT);
  CHECK_EQ(test.Stat(kStatPods), 0);
}

TEST(bodies_are_checked) {
  TestKeeper test;
  TestProxy proxy(test.directory.Socket());
  proxy.Hello(test.keeper);
  const TcpPair any = ConnectTcp();
  const auto put = [&](const std::vector<uint8_t>& body, const std::vector<int>& fds) {
    return proxy.Ask(test.keeper, kMessagePutListeners, body, fds).header.status;
  };
  CHECK_EQ(put({}, {any.near.get()}), -EINVAL);
  CHECK_EQ(put(NamedPod("a"), {}), -EBADF);
  CHECK_EQ(put(NamedPod(""), {any.near.get()}), -EMSGSIZE);
  CHECK_EQ(put(NamedPod(std::string(kMaxUidBytes + 1, 'x')), {any.near.get()}), -EMSGSIZE);
  CHECK_EQ(put(NamedPod("a", "", std::string(kMaxFactsBytes + 1, 'x')), {any.near.get()}),
           -EMSGSIZE);
  CHECK_EQ(put(NamedPod("a"), std::vector<int>(kMaxPodFds + 1, any.near.get())), -EMSGSIZE);
  std::vector<uint8_t> cut = NamedPod("abc");
  cut.pop_back();
  CHECK_EQ(put(cut, {any.near.get()}), -EINVAL);
  Spliced spliced;
  const auto pair = [&](const std::vector<uint8_t>& body, const std::vector<int>& fds) {
    return proxy.Ask(test.keeper, kMessagePutPair, body, fds).header.status;
  };
  CHECK_EQ(pair({}, spliced.Legs()), -EINVAL);
  CHECK_EQ(pair(spliced.Body(), {any.near.get()}), -EBADF);
  CHECK_EQ(pair(spliced.Body(), {any.near.get(), any.far.get()}), -ESTALE);
  CHECK_EQ(pair(spliced.Body(), spliced.Legs()), 0);
  CHECK_EQ(test.Stat(kStatPairs), 1);
}

TEST(random_messages_do_no_harm) {
  TestKeeper test;
  const TcpPair any = ConnectTcp();
  const size_t before = OpenDescriptors();
  std::mt19937 random(20240607);
  const auto proxy_until_closed = [&] {
    TestProxy proxy(test.directory.Socket());
    proxy.Hello(test.keeper);
    for (int i = 0; i < 60; i++) {
      std::vector<uint8_t> bytes(random() % 200);
      for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 4 == 0 ? random() : 0);
      const KeeperHeader header = {kKeeperMagic, kKeeperProtocol,
                                   static_cast<uint16_t>(random() % 15),
                                   static_cast<uint32_t>(random()), 0};
      // One in a hundred is not even ours, and ends the connection.
      if (random() % 100 != 0 && bytes.size() >= sizeof(header)) {
        memcpy(bytes.data(), &header, sizeof(header));
      }
      proxy.SendRaw(bytes, std::vector<int>(random() % 11, any.near.get()));
      test.keeper.RunOnce();
      Reply reply;
      while (proxy.TryReceive(&reply)) {
        if (reply.header.type == 0) return;
      }
    }
  };
  for (int round = 0; round < 300; round++) proxy_until_closed();
  TestProxy proxy(test.directory.Socket());
  CHECK_EQ(proxy.Hello(test.keeper).header.status, 0);
  test.keeper.pods().Clear();
  for (int i = 0; i < 20; i++) test.keeper.RunOnce();
  CHECK(OpenDescriptors() <= before + 8);
}

TEST(a_pod_whose_path_is_gone_is_dropped) {
  TestKeeper test;
  TestProxy proxy(test.directory.Socket());
  proxy.Hello(test.keeper);
  TcpPair any = ConnectTcp();
  const TempDir cgroup;
  std::string path = cgroup.Socket();
  path.resize(path.rfind('/'));
  proxy.Ask(test.keeper, kMessagePutListeners, NamedPod("stays", path), {any.near.get()});
  proxy.Ask(test.keeper, kMessagePutListeners, NamedPod("goes", path + "/gone"), {any.far.get()});
  test.Until([&] { return test.Stat(kStatPodsVanished) == 1; });
  CHECK_EQ(test.keeper.pods().all().size(), 1);
  CHECK(test.keeper.pods().all().contains("stays"));
}

TEST(a_dead_proxys_pair_goes_on_with_half_close) {
  TestKeeper test;
  Spliced spliced;
  send(spliced.client_app(), "early", 5, 0);
  PutAndDie(test, spliced);
  std::string got;
  test.Until([&] { return (got += ReadSome(spliced.server_app())) == "early"; });
  CHECK_EQ(test.Stat(kStatAdoptedPairs), 1);
  send(spliced.server_app(), "answer", 6, 0);
  shutdown(spliced.client_app(), SHUT_WR);
  got.clear();
  test.Until([&] { return (got += ReadSome(spliced.client_app())) == "answer"; });
  test.Until([&] { return AtEnd(spliced.server_app()); });
  CHECK(!AtEnd(spliced.client_app()));
  send(spliced.server_app(), "after", 5, 0);
  got.clear();
  test.Until([&] { return (got += ReadSome(spliced.client_app())) == "after"; });
  shutdown(spliced.server_app(), SHUT_WR);
  test.Until([&] { return AtEnd(spliced.client_app()); });
  test.Until([&] { return test.Stat(kStatPairs) == 0; });
  CHECK_EQ(test.Stat(kStatForwardedBytes), 16);
}

TEST(a_pair_whose_proxy_may_have_held_bytes_is_reset) {
  for (const int busy_slot : {2, 3}) {
    TestKeeper test;
    Spliced spliced;
    test.fake.maps.SetBusy(busy_slot, true);
    PutAndDie(test, spliced, 2, 3);
    test.Until([&] { return WasReset(spliced.client_app()); });
    test.Until([&] { return WasReset(spliced.server_app()); });
    CHECK_EQ(test.Stat(kStatAdoptionsRefused), 1);
    CHECK_EQ(test.Stat(kStatPairs), 0);
    CHECK(!test.fake.maps.Busy(busy_slot));
  }
}

TEST(a_reset_of_one_app_reaches_the_other) {
  TestKeeper test;
  Spliced spliced;
  PutAndDie(test, spliced);
  test.Until([&] { return test.Stat(kStatAdoptedPairs) == 1; });
  const linger reset = {1, 0};
  setsockopt(spliced.client_app(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  spliced.client.near.reset();
  test.Until([&] { return WasReset(spliced.server_app()); });
  CHECK_EQ(test.Stat(kStatPairs), 0);
}

TEST(megabytes_both_ways_against_slow_readers) {
  TestKeeper test;
  Spliced spliced;
  PutAndDie(test, spliced);
  constexpr size_t kTotal = 8 << 20;
  std::vector<uint8_t> pattern(kTotal);
  std::mt19937 random(7);
  for (uint8_t& byte : pattern) byte = static_cast<uint8_t>(random());
  struct Side {
    int fd;
    size_t sent = 0;
    size_t received = 0;
  } sides[2] = {{spliced.client_app()}, {spliced.server_app()}};
  std::vector<uint8_t> buffer(1 << 20);
  const auto work = [&](Side& side) {
    if (side.sent < kTotal) {
      const ssize_t n = send(side.fd, pattern.data() + side.sent, kTotal - side.sent, MSG_DONTWAIT);
      if (n > 0) side.sent += static_cast<size_t>(n);
      if (side.sent == kTotal) shutdown(side.fd, SHUT_WR);
    }
    const size_t slice = 1 + random() % 200'000;
    const ssize_t n = recv(side.fd, buffer.data(), slice, MSG_DONTWAIT);
    if (n <= 0) return;
    CHECK_EQ(memcmp(buffer.data(), pattern.data() + side.received, static_cast<size_t>(n)), 0);
    side.received += static_cast<size_t>(n);
  };
  for (int i = 0; i < 200'000 && test.Stat(kStatPairs) > 0; i++) {
    work(sides[0]);
    work(sides[1]);
    test.keeper.RunOnce();
  }
  for (Side& side : sides) {
    for (int i = 0; i < 10'000 && side.received < kTotal; i++) work(side);
    CHECK_EQ(side.received, kTotal);
    CHECK(AtEnd(side.fd));
  }
}

TEST(a_live_proxys_pair_ends_with_its_legs) {
  TestKeeper test;
  TestProxy proxy(test.directory.Socket());
  proxy.Hello(test.keeper);
  Spliced spliced;
  CHECK_EQ(proxy.Ask(test.keeper, kMessagePutPair, spliced.Body(), spliced.Legs()).header.status,
           0);
  std::vector<uint8_t> name;
  Append(name, Cookie(spliced.client.far));
  const Reply slots = proxy.Ask(test.keeper, kMessageSlots, {});
  CHECK_EQ(slots.body.size(), 2 * sizeof(int32_t));
  CHECK_EQ(proxy.Ask(test.keeper, kMessageDropPair, name).header.status, 0);
  CHECK_EQ(proxy.Ask(test.keeper, kMessageDropPair, name).header.status, -ENOENT);
  // Dropped, not ended: the legs are the proxy's.
  send(spliced.client_app(), "x", 1, 0);
  CHECK_EQ(ReadSome(spliced.client.far.get()).size(), 1);

  CHECK_EQ(proxy.Ask(test.keeper, kMessagePutPair, spliced.Body(), spliced.Legs()).header.status,
           0);
  // The proxy forgets to say so; both ends are over.
  shutdown(spliced.client.far.get(), SHUT_WR);
  shutdown(spliced.client_app(), SHUT_WR);
  test.Until([&] { return test.Stat(kStatPairs) == 0; });
}

TEST(waiting_connections_are_reset_when_no_proxy_beats) {
  TestKeeper test;
  TestProxy proxy(test.directory.Socket());
  proxy.Hello(test.keeper);
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  CHECK_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  CHECK_EQ(listen(listener.get(), 100), 0);
  getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  const auto connect_one = [&] {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    CHECK_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    return fd;
  };
  proxy.Ask(test.keeper, kMessagePutListeners, NamedPod("a"), {listener.get()});

  test.fake.Beat(1000);
  const UniqueFd first = connect_one();
  for (int i = 0; i < 20; i++) test.keeper.RunOnce();
  CHECK(!WasReset(first.get()));
  // Nothing beats any more, and what did is long ago: as if two seconds had passed.
  KeeperOptions impatient = test.Options();
  impatient.give_up_after_ms = 0;
  impatient.socket_path += ".2";
  FakeMaps silent;
  Keeper other(impatient, silent.maps);
  CHECK(other.Open());
  CHECK_EQ(other.Serve(), 0);
  TestProxy second_proxy(impatient.socket_path);
  second_proxy.Hello(other);
  second_proxy.Ask(other, kMessagePutListeners, NamedPod("a"), {listener.get()});
  for (int i = 0; i < 2000 && !WasReset(first.get()); i++) other.RunOnce();
  CHECK_EQ(other.counters()[kStatWaitingReset], 1);
  // One beat, from the future as it were, and it is left alone again.
  silent.Beat(static_cast<uint64_t>(-3'600'000));
  for (int i = 0; i < 20; i++) other.RunOnce();
  const UniqueFd later = connect_one();
  for (int i = 0; i < 20; i++) other.RunOnce();
  CHECK(!WasReset(later.get()));
  CHECK_EQ(other.counters()[kStatWaitingReset], 1);
}

TEST(another_keeper_takes_everything_over) {
  TestKeeper test;
  Spliced alive;
  Spliced adopted;
  TestProxy proxy(test.directory.Socket());
  proxy.Hello(test.keeper);
  const TcpPair any = ConnectTcp();
  for (int i = 0; i < 300; i++) {
    proxy.Ask(test.keeper, kMessagePutListeners, NamedPod("pod" + std::to_string(i)),
              {any.near.get()});
  }
  proxy.Ask(test.keeper, kMessagePutPair, alive.Body(2, 3), alive.Legs());
  PutAndDie(test, adopted, 4, 5);
  // Bytes that nobody reads yet: some are held in the keeper when it is taken over from.
  std::string sent;
  for (ssize_t n = 1; n > 0;) {
    const std::string chunk(10'000, static_cast<char>('a' + sent.size() % 26));
    n = send(adopted.client_app(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n > 0) sent += chunk.substr(0, static_cast<size_t>(n));
    test.keeper.RunOnce();
  }
  CHECK(test.fake.maps.Busy(4));

  Keeper successor(test.Options(), test.fake.maps);
  CHECK(successor.Open());
  int error = 0;
  std::atomic<int> outcome = -1;
  const std::string path = test.directory.Socket();
  std::thread taking([&] { outcome = static_cast<int>(TakeOver(path, true, successor, &error)); });
  // What the old one has is destroyed with it, on this thread, as its process would end.
  while (!test.keeper.handed_over()) test.keeper.RunOnce();
  test.keeper.~Keeper();
  taking.join();
  new (&test.keeper) Keeper(test.Options(), test.fake.maps);
  CHECK_EQ(outcome.load(), static_cast<int>(TakeoverOutcome::kTaken));
  CHECK_EQ(successor.Serve(), 0);
  CHECK_EQ(successor.pods().all().size(), 300);
  CHECK_EQ(successor.counters()[kStatPairs], 2);
  CHECK_EQ(successor.counters()[kStatAdoptedPairs], 1);
  shutdown(adopted.client_app(), SHUT_WR);
  std::string got;
  for (int i = 0; i < 20'000 && got.size() < sent.size(); i++) {
    successor.RunOnce();
    got += ReadSome(adopted.server_app());
  }
  CHECK(got == sent);
  TestProxy again(path);
  CHECK_EQ(again.Hello(successor).header.status, 0);
}

TEST(a_takeover_that_breaks_off_changes_nothing) {
  TestKeeper test;
  Spliced spliced;
  PutAndDie(test, spliced);
  test.Until([&] { return test.Stat(kStatAdoptedPairs) == 1; });
  {
    TestProxy taker(test.directory.Socket());
    taker.Hello(test.keeper);
    std::vector<uint8_t> version;
    Append(version, static_cast<uint32_t>(kKeeperVersion));
    taker.Send(kMessageTakeover, version);
    while (taker.Receive(test.keeper).header.type != kMessageTakeover) {
    }
    TestProxy other(test.directory.Socket());
    CHECK_EQ(other.Hello(test.keeper).header.status, 0);
    CHECK_EQ(other.Ask(test.keeper, kMessageList, {}).header.status, -EAGAIN);
  }
  send(spliced.client_app(), "on", 2, 0);
  std::string got;
  test.Until([&] { return (got += ReadSome(spliced.server_app())) == "on"; });
  CHECK(!test.keeper.handed_over());
}

}  // namespace sluice

TEST_MAIN()
