// Spliced connections whose proxy has died, under the sanitizers.
#include <random>

#include "test/keeper_lab.h"

namespace sluice {

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

TEST(what_a_live_proxy_has_let_go_of_goes_on_at_once) {
  TestKeeper test;
  TestProxy proxy(test.directory.Socket());
  proxy.Hello(test.keeper);
  Spliced left;
  Spliced held;
  std::vector<uint8_t> names;
  Append(names, Cookie(left.client.far));
  Append(names, uint64_t{1});  // has ended meanwhile
  for (const Spliced* each : {&left, &held}) {
    CHECK_EQ(proxy.Ask(test.keeper, kMessagePutPair, each->Body(), each->Legs()).header.status, 0);
    send(each->client_app(), "early", 5, 0);
  }
  left.client.far.reset();
  left.server.near.reset();
  CHECK_EQ(proxy.Ask(test.keeper, kMessageLetGo, names).header.status, 0);
  std::string got;
  test.Until([&] { return (got += ReadSome(left.server_app())) == "early"; });
  CHECK_EQ(test.Stat(kStatAdoptedPairs), 1);
  CHECK(ReadSome(held.server_app()).empty());
  // Nothing happens to it again.
  CHECK_EQ(proxy.Ask(test.keeper, kMessageLetGo, names).header.status, 0);
  CHECK_EQ(proxy.Ask(test.keeper, kMessageLetGo, {1, 2, 3}).header.status, -EINVAL);
  CHECK_EQ(test.Stat(kStatAdoptions), 1);
  shutdown(left.client_app(), SHUT_WR);
  shutdown(left.server_app(), SHUT_WR);
  test.Until([&] { return test.Stat(kStatPairs) == 1; });
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

}  // namespace sluice

TEST_MAIN()
