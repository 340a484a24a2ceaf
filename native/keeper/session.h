// One connection to the keeper: whole messages in, whole messages out.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "keeper/event_loop.h"
#include "keeper/pods.h"
#include "keeper/protocol.h"

namespace sluice {

struct Request {
  KeeperHeader header = {};
  const uint8_t* body = nullptr;
  size_t body_bytes = 0;
  std::vector<UniqueFd> fds;
};

class Session {
 public:
  // `on_request` for every message whose header is right; `on_closed` once, and it destroys the
  // session.
  Session(EventLoop& loop, UniqueFd fd, std::function<void(Session&, Request&)> on_request,
          std::function<void(Session&)> on_closed);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Queued when the other side does not read; one that reads nothing for long is closed. The
  // descriptors stay the caller's and must live until they are sent; `pod` keeps those of a pod.
  void Send(KeeperMessage type, uint32_t request, int status, const std::vector<uint8_t>& body,
            std::vector<int> fds = {}, std::shared_ptr<const Pod> pod = nullptr);
  // Takes back what is queued of a pod that was dropped: its listeners must be closed in time.
  void ForgetPod(const std::string& uid);
  bool idle() const { return queue_.empty(); }

  // Who is at the other end.
  std::optional<uint32_t> owner;
  UniqueFd process;  // pidfd; invalid where the process can not be seen
  bool greeted = false;

 private:
  struct Outgoing {
    std::vector<uint8_t> bytes;
    std::vector<int> fds;
    std::shared_ptr<const Pod> pod;
  };

  void OnEvents(uint32_t events);
  bool ReadOne();
  bool Flush();

  EventLoop& loop_;
  UniqueFd fd_;
  std::function<void(Session&, Request&)> on_request_;
  std::function<void(Session&)> on_closed_;
  std::deque<Outgoing> queue_;
  bool broken_ = false;
};

// Appends the bytes of a plain struct, or of a string.
inline void AppendBytes(std::vector<uint8_t>& to, const void* bytes, size_t size) {
  const size_t at = to.size();
  to.resize(at + size);
  if (size > 0) memcpy(to.data() + at, bytes, size);
}
template <typename T>
void Append(std::vector<uint8_t>& to, const T& value) {
  AppendBytes(to, &value, sizeof(T));
}

}  // namespace sluice
