// Plain socket calls for preflight and for tests that must see what an app sees. Every socket is
// non-blocking and close-on-exec; results are values or -errno. Nothing here knows about BPF.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

// An address and port as text, and as the kernel wants it.
struct Endpoint {
  std::string address;
  uint16_t port = 0;
};

// False when the text is neither an IPv4 nor an IPv6 address.
bool ToSockaddr(const Endpoint& endpoint, sockaddr_storage* out, socklen_t* size);
bool FromSockaddr(const sockaddr_storage& from, Endpoint* out);

// Makes a network namespace, brings its loopback up and puts the addresses on it. Nothing names it,
// so it ends with its last descriptor. The descriptor, or -errno with *step naming the call that
// failed.
int CreateNamespace(const std::vector<std::string>& addresses, std::string* step);

// A stream socket of AF_INET or AF_INET6 inside a namespace; `protocol` is 0 or IPPROTO_MPTCP. V6
// sockets take v4-mapped addresses too, as most runtimes set them up.
int OpenSocket(int netns_fd, int family, int protocol);

}  // namespace sluice
