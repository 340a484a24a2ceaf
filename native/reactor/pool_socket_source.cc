#include "reactor/pool_socket_source.h"

#include <utility>

#include "netns/socket_pool.h"

namespace sluice {

namespace {

class PoolSocketSource final : public SocketSource {
 public:
  explicit PoolSocketSource(std::unique_ptr<SocketPool> pool) : pool_(std::move(pool)) {}

  int AddNamespace(uint32_t netns, int netns_fd, uint32_t ready) override {
    return pool_->AddNamespace(netns, netns_fd, ready);
  }

  void RemoveNamespace(uint32_t netns) override { pool_->RemoveNamespace(netns); }

  int Take(uint32_t netns, bool ipv6) override {
    return pool_->Take(netns, ipv6 ? SocketFamily::kIpv6 : SocketFamily::kIpv4);
  }

  int notification_fd() const override { return pool_->notification_fd(); }

  void TakeNotices(std::vector<SocketNotice>& out) override {
    pool_->TakeNotices(notices_);
    out.clear();
    for (const SocketPoolNotice& notice : notices_) {
      out.push_back({notice.netns, notice.family == SocketFamily::kIpv6, notice.error});
    }
  }

 private:
  std::unique_ptr<SocketPool> pool_;
  std::vector<SocketPoolNotice> notices_;
};

}  // namespace

std::unique_ptr<SocketSource> CreatePoolSocketSource(int* error) {
  std::unique_ptr<SocketPool> pool = SocketPool::Create(error);
  if (pool == nullptr) return nullptr;
  return std::make_unique<PoolSocketSource>(std::move(pool));
}

}  // namespace sluice
