#include "reactor/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

namespace sluice {

namespace {

const uint32_t kMappedPrefix = htonl(0xffff);

}  // namespace

bool IsIpv4(const sluice_addr& addr) {
  return addr.word[0] == 0 && addr.word[1] == 0 && addr.word[2] == kMappedPrefix;
}

bool IsUnspecified(const sluice_addr& addr) {
  return (addr.word[0] | addr.word[1] | addr.word[2] | addr.word[3]) == 0;
}

bool FromSockaddr(const sockaddr_storage& from, SocketAddress* to) {
  if (from.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(from);
    to->addr = {{0, 0, kMappedPrefix, in.sin_addr.s_addr}};
    to->port = ntohs(in.sin_port);
    return true;
  }
  if (from.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(from);
    std::memcpy(to->addr.word, &in6.sin6_addr, sizeof to->addr.word);
    to->port = ntohs(in6.sin6_port);
    return true;
  }
  return false;
}

socklen_t ToSockaddr(const SocketAddress& from, sockaddr_storage* to) {
  std::memset(to, 0, sizeof *to);
  if (IsIpv4(from.addr)) {
    auto* in = reinterpret_cast<sockaddr_in*>(to);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = from.addr.word[3];
    in->sin_port = htons(from.port);
    return sizeof *in;
  }
  auto* in6 = reinterpret_cast<sockaddr_in6*>(to);
  in6->sin6_family = AF_INET6;
  std::memcpy(&in6->sin6_addr, from.addr.word, sizeof from.addr.word);
  in6->sin6_port = htons(from.port);
  return sizeof *in6;
}

}  // namespace sluice
