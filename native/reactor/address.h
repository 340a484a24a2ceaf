// Between the kernel's sockaddr and the mesh's 16-byte addresses (IPv4 as v4-mapped), as in
// bpf/abi.h.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "abi.h"

namespace sluice {

struct SocketAddress {
  sluice_addr addr{};
  uint16_t port = 0;  // host order
};

bool IsIpv4(const sluice_addr& addr);
bool IsUnspecified(const sluice_addr& addr);

// False for a family that is neither IPv4 nor IPv6.
bool FromSockaddr(const sockaddr_storage& from, SocketAddress* to);

// The length to pass along with it. v4-mapped addresses become AF_INET.
socklen_t ToSockaddr(const SocketAddress& from, sockaddr_storage* to);

}  // namespace sluice
