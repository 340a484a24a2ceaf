#include "sockets/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "base/unique_fd.h"

namespace sluice {
namespace {

constexpr char kLoopback[] = "lo";

int BringUp(int control) {
  ifreq request = {};
  std::memcpy(request.ifr_name, kLoopback, sizeof(kLoopback));
  if (ioctl(control, SIOCGIFFLAGS, &request) != 0) return -errno;
  request.ifr_flags = static_cast<int16_t>(request.ifr_flags | IFF_UP);
  return ioctl(control, SIOCSIFFLAGS, &request) == 0 ? 0 : -errno;
}

// ioctl(2) knows one IPv4 address per interface name; an alias (lo:1, lo:2) is one more.
int AddIpv4(int control, const in_addr& address, size_t alias) {
  ifreq request = {};
  const std::string name = std::string(kLoopback) + ":" + std::to_string(alias);
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  auto* to = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  to->sin_family = AF_INET;
  to->sin_addr = address;
  if (ioctl(control, SIOCSIFADDR, &request) != 0) return -errno;
  to->sin_addr.s_addr = htonl(INADDR_BROADCAST);
  return ioctl(control, SIOCSIFNETMASK, &request) == 0 ? 0 : -errno;
}

int AddIpv6(const in6_addr& address) {
  const UniqueFd control(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (control.get() < 0) return -errno;
  in6_ifreq request = {};
  request.ifr6_addr = address;
  request.ifr6_prefixlen = 128;
  request.ifr6_ifindex = static_cast<int>(if_nametoindex(kLoopback));
  return ioctl(control.get(), SIOCSIFADDR, &request) == 0 ? 0 : -errno;
}

constexpr int kUsableTries = 5000;
constexpr useconds_t kUsableWaitUs = 1000;

// A work queue of the kernel's makes an IPv6 address usable, also where it has no duplicates to
// look for: before that nobody can bind to it, and a little later there is a route to it.
int WaitUsable(const in6_addr& address) {
  sockaddr_in6 name = {};
  name.sin6_family = AF_INET6;
  name.sin6_addr = address;
  name.sin6_port = htons(9);
  const auto* to = reinterpret_cast<const sockaddr*>(&name);
  for (int attempt = 0; attempt < kUsableTries; attempt++) {
    const UniqueFd probe(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (probe.get() < 0) return -errno;
    if (bind(probe.get(), to, sizeof(name)) == 0 && connect(probe.get(), to, sizeof(name)) == 0) {
      return 0;
    }
    usleep(kUsableWaitUs);
  }
  return -EADDRNOTAVAIL;
}

int AddAddress(int control, const std::string& text, size_t alias) {
  in_addr v4 = {};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return AddIpv4(control, v4, alias);
  in6_addr v6 = {};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return -EINVAL;
  const int added = AddIpv6(v6);
  return added == 0 ? WaitUsable(v6) : added;
}

int CreateHere(const std::vector<std::string>& addresses, std::string* step) {
  *step = "unshare(CLONE_NEWNET)";
  if (unshare(CLONE_NEWNET) != 0) return -errno;
  const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  *step = "socket(2)";
  if (control.get() < 0) return -errno;
  *step = "bring lo up";
  const int up = BringUp(control.get());
  if (up != 0) return up;
  for (size_t i = 0; i < addresses.size(); i++) {
    *step = "add " + addresses[i] + " to lo";
    const int added = AddAddress(control.get(), addresses[i], i + 1);
    if (added != 0) return added;
  }
  *step = "open /proc/thread-self/ns/net";
  const int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  return netns >= 0 ? netns : -errno;
}

// The namespace is changed on a thread that ends right after: no thread of Node's ever changes its
// own. Not std::thread, which without exceptions aborts the process when no thread can be had.
int OnOwnThread(const std::function<int()>& call) {
  struct Task {
    const std::function<int()>& call;
    int result;
  } task{call, 0};
  const auto run = [](void* data) -> void* {
    auto* own = static_cast<Task*>(data);
    own->result = own->call();
    return nullptr;
  };
  pthread_t thread = {};
  const int error = pthread_create(&thread, nullptr, run, &task);
  if (error != 0) return -error;
  pthread_join(thread, nullptr);
  return task.result;
}

}  // namespace

bool ToSockaddr(const Endpoint& endpoint, sockaddr_storage* out, socklen_t* size) {
  *out = {};
  auto* v4 = reinterpret_cast<sockaddr_in*>(out);
  if (inet_pton(AF_INET, endpoint.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    *size = sizeof(sockaddr_in);
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(out);
  if (inet_pton(AF_INET6, endpoint.address.c_str(), &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(endpoint.port);
  *size = sizeof(sockaddr_in6);
  return true;
}

bool FromSockaddr(const sockaddr_storage& from, Endpoint* out) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* address = nullptr;
  if (from.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&from);
    address = &v4->sin_addr;
    out->port = ntohs(v4->sin_port);
  } else if (from.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from);
    address = &v6->sin6_addr;
    out->port = ntohs(v6->sin6_port);
  }
  if (address == nullptr || inet_ntop(from.ss_family, address, text, sizeof(text)) == nullptr) {
    return false;
  }
  out->address = text;
  return true;
}

int CreateNamespace(const std::vector<std::string>& addresses, std::string* step) {
  return OnOwnThread([&] { return CreateHere(addresses, step); });
}

int OpenSocket(int netns_fd, int family, int protocol) {
  return OnOwnThread([&]() -> int {
    if (setns(netns_fd, CLONE_NEWNET) != 0) return -errno;
    const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0) return -errno;
    const int off = 0;
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    return fd;
  });
}

}  // namespace sluice
