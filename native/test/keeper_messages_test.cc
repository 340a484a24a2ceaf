// The keeper, message by message, under the sanitizers. Its life beside real proxies is tested from
// test/kernel/keeper.test.ts.
#include <random>
#include <thread>

#include "keeper/takeover.h"
#include "test/keeper_lab.h"

namespace sluice {

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
