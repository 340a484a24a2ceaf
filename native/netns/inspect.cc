#include "netns/inspect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/unique_fd.h"

#ifndef SO_NETNS_COOKIE  // Linux 5.14; absent from older C library headers
#define SO_NETNS_COOKIE 71
#endif

namespace sluice {
namespace {

// Empty for addresses that are of no interest.
std::string AddressText(const ifaddrs& entry) {
  char text[INET6_ADDRSTRLEN] = {};
  if (entry.ifa_addr == nullptr) return {};
  if (entry.ifa_addr->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(entry.ifa_addr);
    const uint32_t host = ntohl(v4->sin_addr.s_addr);
    if ((host >> 24) == 127 || (host >> 16) == 0xa9fe) return {};  // 127.0.0.0/8, 169.254.0.0/16
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
  } else if (entry.ifa_addr->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr);
    if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) || IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)) return {};
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
  }
  return text;
}

int ReadAddresses(std::vector<std::string>* addresses) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return -errno;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    std::string text = AddressText(*entry);
    if (!text.empty()) addresses->push_back(std::move(text));
  }
  return 0;
}

int BindLoopback(int fd, int family) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(sockaddr_in);
  address.ss_family = static_cast<sa_family_t>(family);
  if (family == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    const int on = 1;
    if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) return -errno;
    reinterpret_cast<sockaddr_in6*>(&address)->sin6_addr = in6addr_loopback;
    size = sizeof(sockaddr_in6);
  }
  return bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 ? 0 : -errno;
}

}  // namespace

// /proc/sys/net shows the namespace of the thread that opens it.
int LocalPortsHere(int* first, int* last) {
  const UniqueFd file(open("/proc/sys/net/ipv4/ip_local_port_range", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return -errno;
  char text[64] = {};
  if (read(file.get(), text, sizeof(text) - 1) <= 0) return -EIO;
  return sscanf(text, "%d %d", first, last) == 2 ? 0 : -EINVAL;
}

int InspectHere(NetnsFacts* facts, std::string* step) {
  *step = "read its cookie";
  const UniqueFd probe(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return -errno;
  socklen_t size = sizeof(facts->cookie);
  if (getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &facts->cookie, &size) != 0)
    return -errno;
  *step = "list its addresses";
  const int addresses = ReadAddresses(&facts->addresses);
  if (addresses != 0) return addresses;
  *step = "read its net.ipv4.ip_local_port_range";
  return LocalPortsHere(&facts->local_port_first, &facts->local_port_last);
}

int ListenHere(int family, int backlog, std::string* step) {
  *step = family == AF_INET ? "open an IPv4 socket" : "open an IPv6 socket";
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd.valid()) return -errno;
  *step =
      family == AF_INET ? "bind to 127.0.0.1 (is lo up?)" : "bind to ::1 (is lo up, and IPv6 on?)";
  const int bound = BindLoopback(fd.get(), family);
  if (bound != 0) return bound;
  // What it accepts lies on the app's own ports, and takes this over: without it an app that sets
  // SO_REUSEADDR, as servers do, could not bind while one of them is open. After bind, so that no
  // other socket shares this port.
  *step = "set SO_REUSEADDR";
  const int on = 1;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) return -errno;
  *step = "listen";
  return listen(fd.get(), backlog) == 0 ? fd.release() : -errno;
}

}  // namespace sluice
