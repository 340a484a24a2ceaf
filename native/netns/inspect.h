// What is done inside a namespace for the agent, without any of Node's types. To be called on a
// thread that is inside it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

struct NetnsFacts {
  uint64_t cookie = 0;
  std::vector<std::string> addresses;  // of all interfaces, without loopback and link-local ones
  int local_port_first = 0;
  int local_port_last = 0;
};

// 0 or -errno, with *step naming the call that failed.
int InspectHere(NetnsFacts* facts, std::string* step);

// net.ipv4.ip_local_port_range, which is for IPv6, too. 0 or -errno.
int LocalPortsHere(int* first, int* last);

// A plain TCP listener on the loopback address and a port of the kernel's choice: its descriptor,
// or -errno.
int ListenHere(int family, int backlog, std::string* step);

}  // namespace sluice
