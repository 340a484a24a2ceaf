// The socket pool, in real network namespaces.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <set>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "netns/socket_pool.h"
#include "test/check.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace sluice {
namespace {

UniqueFd NewNamespace() {
  UniqueFd netns;
  std::thread([&] {
    CHECK_EQ(unshare(CLONE_NEWNET), 0);
    netns.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  CHECK(netns.valid());
  return netns;
}

template <typename T>
T Option(int fd, int level, int name) {
  T value = {};
  socklen_t size = sizeof(value);
  CHECK_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

uint64_t NetnsCookie(int fd) { return Option<uint64_t>(fd, SOL_SOCKET, SO_NETNS_COOKIE); }

uint64_t CookieOfNamespace(int netns) {
  uint64_t cookie = 0;
  std::thread([&] {
    CHECK_EQ(setns(netns, CLONE_NEWNET), 0);
    const UniqueFd probe(socket(AF_INET, SOCK_DGRAM, 0));
    cookie = NetnsCookie(probe.get());
  }).join();
  return cookie;
}

std::unique_ptr<SocketPool> NewPool() {
  int error = 0;
  auto pool = SocketPool::Create(&error);
  CHECK_EQ(error, 0);
  CHECK(pool != nullptr);
  return pool;
}

std::vector<SocketPoolNotice> WaitForNotices(SocketPool& pool) {
  pollfd event = {pool.notification_fd(), POLLIN, 0};
  CHECK_EQ(poll(&event, 1, 10'000), 1);
  std::vector<SocketPoolNotice> notices;
  pool.TakeNotices(notices);
  return notices;
}

// Waits for notices until a socket can be had, as the reactor does.
UniqueFd TakeOne(SocketPool& pool, uint32_t netns, SocketFamily family) {
  for (;;) {
    const int fd = pool.Take(netns, family);
    if (fd >= 0) return UniqueFd(fd);
    CHECK_EQ(fd, -EAGAIN);
    for (const SocketPoolNotice& notice : WaitForNotices(pool)) CHECK_EQ(notice.error, 0);
  }
}

// Waits until a condition that other threads bring about holds.
template <typename Condition>
void Eventually(Condition condition) {
  for (int i = 0; i < 10'000 && !condition(); i++) poll(nullptr, 0, 1);
  CHECK(condition());
}

size_t OpenDescriptors() {
  size_t open = 0;
  for (int fd = 0; fd < 20'000; fd++) open += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return open;
}

}  // namespace

TEST(sockets_are_plain_tcp_of_that_namespace) {
  const UniqueFd netns = NewNamespace();
  auto pool = NewPool();
  CHECK_EQ(pool->AddNamespace(7, netns.get(), 8), 0);
  const UniqueFd v4 = TakeOne(*pool, 7, SocketFamily::kIpv4);
  const UniqueFd v6 = TakeOne(*pool, 7, SocketFamily::kIpv6);
  for (const int fd : {v4.get(), v6.get()}) {
    CHECK_EQ(NetnsCookie(fd), CookieOfNamespace(netns.get()));
    CHECK_EQ(Option<int>(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    CHECK_EQ(Option<int>(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(Option<int>(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK_EQ(Option<int>(v4.get(), SOL_SOCKET, SO_DOMAIN), AF_INET);
  CHECK_EQ(Option<int>(v6.get(), SOL_SOCKET, SO_DOMAIN), AF_INET6);
  CHECK_EQ(Option<int>(v6.get(), IPPROTO_IPV6, IPV6_V6ONLY), 1);
}

TEST(unknown_and_taken_numbers_are_refused) {
  const UniqueFd netns = NewNamespace();
  auto pool = NewPool();
  CHECK_EQ(pool->Take(1, SocketFamily::kIpv4), -ENOENT);
  CHECK_EQ(pool->AddNamespace(1, netns.get(), 4), 0);
  CHECK_EQ(pool->AddNamespace(1, netns.get(), 4), -EEXIST);
  CHECK_EQ(pool->AddNamespace(2, -1, 4), -EBADF);
  pool->RemoveNamespace(1);
  pool->RemoveNamespace(1);
  CHECK_EQ(pool->Take(1, SocketFamily::kIpv4), -ENOENT);
}

TEST(empty_pool_gives_one_notice_then_sockets) {
  const UniqueFd netns = NewNamespace();
  auto pool = NewPool();
  CHECK_EQ(pool->AddNamespace(3, netns.get(), 16), 0);
  int starved = 0;
  std::vector<UniqueFd> taken;
  while (starved == 0) {
    const int fd = pool->Take(3, SocketFamily::kIpv6);  // nothing is made for IPv6 until asked
    if (fd >= 0)
      taken.emplace_back(fd);
    else
      starved = fd;
  }
  CHECK_EQ(starved, -EAGAIN);
  const auto notices = WaitForNotices(*pool);
  CHECK_EQ(notices.size(), 1);
  CHECK_EQ(notices[0].netns, 3);
  CHECK_EQ(notices[0].error, 0);
  CHECK(notices[0].family == SocketFamily::kIpv6);
  pollfd event = {pool->notification_fd(), POLLIN, 0};
  CHECK_EQ(poll(&event, 1, 0), 0);
  CHECK(UniqueFd(pool->Take(3, SocketFamily::kIpv6)).valid());
}

TEST(errors_are_reported_and_the_pool_recovers) {
  const UniqueFd not_a_namespace(open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto pool = NewPool();
  CHECK_EQ(pool->AddNamespace(1, not_a_namespace.get(), 4), 0);
  for (int round = 0; round < 3; round++) {
    CHECK_EQ(pool->Take(1, SocketFamily::kIpv4), -EAGAIN);
    const auto notices = WaitForNotices(*pool);
    CHECK_EQ(notices.size(), 1);
    CHECK_EQ(notices[0].error, EINVAL);
  }
  // The thread is home again and serves others.
  const UniqueFd netns = NewNamespace();
  CHECK_EQ(pool->AddNamespace(2, netns.get(), 4), 0);
  CHECK_EQ(NetnsCookie(TakeOne(*pool, 2, SocketFamily::kIpv4).get()),
           CookieOfNamespace(netns.get()));
}

TEST(a_hundred_thousand_sockets_from_one_pool) {
  const UniqueFd netns = NewNamespace();
  auto pool = NewPool();
  CHECK_EQ(pool->AddNamespace(9, netns.get(), 64), 0);
  const size_t before = OpenDescriptors();
  std::set<uint64_t> cookies;
  for (int i = 0; i < 100'000; i++) {
    const UniqueFd fd = TakeOne(*pool, 9, i % 4 == 0 ? SocketFamily::kIpv6 : SocketFamily::kIpv4);
    if (i % 100 == 0) cookies.insert(Option<uint64_t>(fd.get(), SOL_SOCKET, SO_COOKIE));
  }
  CHECK_EQ(cookies.size(), 1000);
  CHECK(pool->made_sockets() >= 100'000);
  CHECK(pool->ready_sockets() <= 2 * 64);
  CHECK(OpenDescriptors() <= before + 2 * 64);
}

TEST(shelves_shrink_while_nobody_takes) {
  const UniqueFd netns = NewNamespace();
  auto pool = NewPool();
  CHECK_EQ(pool->AddNamespace(1, netns.get(), 8), 0);
  for (int i = 0; i < 200; i++) TakeOne(*pool, 1, SocketFamily::kIpv6);
  Eventually([&] { return pool->ready_sockets() <= 1; });  // one IPv4 socket is always there
  CHECK(TakeOne(*pool, 1, SocketFamily::kIpv6).valid());
}

TEST(removal_closes_everything_also_a_batch_under_way) {
  auto pool = NewPool();
  const size_t before = OpenDescriptors();
  for (uint32_t round = 0; round < 300; round++) {
    const UniqueFd netns = NewNamespace();
    CHECK_EQ(pool->AddNamespace(round, netns.get(), 32), 0);
    for (int i = 0; i < 20; i++) UniqueFd(pool->Take(round, SocketFamily::kIpv4));
    pool->RemoveNamespace(round);
  }
  Eventually([&] { return OpenDescriptors() == before && pool->ready_sockets() == 0; });
  std::vector<SocketPoolNotice> notices;
  pool->TakeNotices(notices);
}

TEST(destruction_closes_everything) {
  const size_t before = OpenDescriptors();
  {
    const UniqueFd netns = NewNamespace();
    auto pool = NewPool();
    for (uint32_t i = 0; i < 10; i++) CHECK_EQ(pool->AddNamespace(i, netns.get(), 32), 0);
    for (uint32_t i = 0; i < 100; i++) UniqueFd(pool->Take(i % 10, SocketFamily::kIpv4));
  }
  CHECK_EQ(OpenDescriptors(), before);
}

}  // namespace sluice

TEST_MAIN()
