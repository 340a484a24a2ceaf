// Endpoints as TypeScript names them, and the idle connections to each.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "reactor/connection.h"

namespace sluice::http {

struct Endpoint {
  int32_t id = 0;
  ConnectRequest connect;  // the client's port is that of the request that opens it
  uint32_t idle_ms = 0;
  uint32_t most_idle = 0;
  uint32_t connections = 0;
  bool removed = false;
  std::vector<Connection*> idle;  // the one that was used last is used next
};

class Endpoints {
 public:
  // Nullptr for a number that is in use.
  Endpoint* Add(int32_t id);
  Endpoint* Find(int32_t id) const;
  // Known to nobody any more, and gone with its last connection.
  void Remove(Endpoint* endpoint);
  void Release(Endpoint* endpoint);
  std::vector<Connection*> AllIdle() const;
  size_t size() const { return by_id_.size(); }

 private:
  std::unordered_map<int32_t, std::unique_ptr<Endpoint>> by_id_;
  std::unordered_map<Endpoint*, std::unique_ptr<Endpoint>> removed_;
};

}  // namespace sluice::http
