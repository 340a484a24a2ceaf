// The second leg: from TypeScript's answer to an established connection, or the errno why not.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "reactor/core.h"
#include "reactor/socket_source.h"

namespace sluice {

class Connector {
 public:
  Connector(Core* core, std::unique_ptr<SocketSource> sockets);

  // 0 or an errno: watches the socket source's notices.
  int Open();

  void AddNamespace(uint32_t netns, int netns_fd, uint32_t ready);
  void RemoveNamespace(uint32_t netns);

  // False when the connection is not one that waits for this.
  bool Start(Connection* connection, const ConnectRequest& request);
  // The leg's socket is ready or failed. True when the connection now forwards.
  bool Finish(Connection* connection);
  void TimedOut(Connection* connection);
  void SocketsReady();

 private:
  static uint64_t WaitKey(uint32_t netns, bool ipv6) {
    return uint64_t{netns} << 1 | (ipv6 ? 1 : 0);
  }

  static uint64_t KeyOf(const ConnectRequest& request) {
    return WaitKey(request.netns, !IsIpv4(request.destination.addr));
  }
  static bool Waits(const Connection* connection, uint64_t key);

  void Attempt(Connection* connection);
  void WaitForSocket(Connection* connection, uint64_t key);
  int Configure(Connection* connection, int fd, const ConnectRequest& request);
  void Fail(Connection* connection, int error);
  void FailWaiting(uint64_t key, int error);
  void ServeWaiting(uint64_t key);

  Core* core_;
  std::unique_ptr<SocketSource> sockets_;
  std::unordered_map<uint64_t, std::deque<int32_t>> waiting_;
  std::vector<SocketNotice> notices_;
};

}  // namespace sluice
