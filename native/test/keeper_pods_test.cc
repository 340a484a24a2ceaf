// Connections that wait for nobody, and a keeper that is out of descriptors.
#include <sys/resource.h>

#include "test/keeper_lab.h"

namespace sluice {
namespace {

// New descriptors get no number from `numbers` on.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(int numbers) {
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const rlimit now = {static_cast<rlim_t>(numbers), before_.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

// One connection in the backlog of a kept listener. What waits is to be reset.
struct OneWaits {
  EventLoop loop;
  Counters counters;
  int asked = 0;
  Pods pods{loop, counters, [this] { return ++asked > 0; }};
  UniqueFd client{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

  OneWaits() {
    CHECK(loop.Open());
    UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    CHECK_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    CHECK_EQ(listen(listener.get(), 8), 0);
    CHECK_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    CHECK_EQ(connect(client.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    auto pod = std::make_shared<Pod>();
    pod->uid = "a";
    pod->fds.push_back(std::move(listener));
    CHECK_EQ(pods.Put(std::move(pod)), 0);
    pods.SetResetting(true);
  }
  // As many turns as ticks pass, and some.
  void RunTicks() {
    for (int i = 0; i < 10; i++) {
      loop.RunOnce(1);
      pods.SetResetting(true);
    }
  }
};

}  // namespace

TEST(what_waits_is_reset_although_no_descriptor_is_free) {
  OneWaits test;
  const int lowest_free = dup(test.client.get());
  CHECK_EQ(close(lowest_free), 0);
  const DescriptorLimit full(lowest_free);
  CHECK_EQ(dup(test.client.get()), -1);
  test.RunTicks();
  CHECK(WasReset(test.client.get()));
  CHECK_EQ(test.counters[kStatWaitingReset], 1);
}

TEST(a_connection_that_cannot_be_accepted_is_left_alone_between_ticks) {
  OneWaits test;
  {
    const DescriptorLimit none(0);
    for (int i = 0; i < 20; i++) test.loop.RunOnce(1);
    CHECK_EQ(test.asked, 1);
    test.RunTicks();
    CHECK(!WasReset(test.client.get()));
  }
  test.RunTicks();
  CHECK(WasReset(test.client.get()));
}

}  // namespace sluice

TEST_MAIN()
