#include "http/endpoints.h"

#include <utility>

namespace sluice::http {

Endpoint* Endpoints::Add(int32_t id) {
  std::unique_ptr<Endpoint>& endpoint = by_id_[id];
  if (endpoint != nullptr) return nullptr;
  endpoint = std::make_unique<Endpoint>();
  endpoint->id = id;
  return endpoint.get();
}

Endpoint* Endpoints::Find(int32_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second.get();
}

void Endpoints::Remove(Endpoint* endpoint) {
  const auto found = by_id_.find(endpoint->id);
  std::unique_ptr<Endpoint> owned = std::move(found->second);
  by_id_.erase(found);
  owned->removed = true;
  if (owned->connections != 0) removed_.emplace(endpoint, std::move(owned));
}

std::vector<Connection*> Endpoints::AllIdle() const {
  std::vector<Connection*> all;
  for (const auto& [_, endpoint] : by_id_)
    all.insert(all.end(), endpoint->idle.begin(), endpoint->idle.end());
  return all;
}

void Endpoints::Release(Endpoint* endpoint) {
  if (--endpoint->connections == 0 && endpoint->removed) removed_.erase(endpoint);
}

}  // namespace sluice::http
