// TCP connections of a network namespace, named so that they can be ended later and nothing else
// is. To be called on a thread that is inside the namespace.
#pragma once

#include <linux/inet_diag.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

// As plain bytes in TypeScript's hands: what it says is given back as it is.
struct ConnectionName {
  uint32_t family;
  inet_diag_sockid id;  // with the socket's cookie: another one on the same ports is not meant
};
static_assert(sizeof(ConnectionName) == 52, "connectionNameBytes in src/nodeproxy/native.ts");

// Open connections, without those of the loopback. 0 or -errno, with *step naming the call.
int ListConnectionsHere(std::vector<ConnectionName>* names, std::string* step);

// Ends them as if their peers had: the app's next call fails with ECONNABORTED, the peer gets a
// reset. *ended counts them; one that is gone already is no error. -EOPNOTSUPP: the kernel has no
// CONFIG_INET_DIAG_DESTROY.
int EndConnectionsHere(const std::vector<ConnectionName>& names, uint32_t* ended,
                       std::string* step);

}  // namespace sluice
