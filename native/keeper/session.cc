#include "keeper/session.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstring>

#include "unix/messages.h"

namespace sluice {
namespace {

constexpr int kMessagesPerTurn = 32;
constexpr size_t kMaxQueued = kMaxPods + kMaxPairs * 2 + 64;

}  // namespace

Session::Session(EventLoop& loop, UniqueFd fd, std::function<void(Session&, Request&)> on_request,
                 std::function<void(Session&)> on_closed)
    : loop_(loop),
      fd_(std::move(fd)),
      on_request_(std::move(on_request)),
      on_closed_(std::move(on_closed)) {
  loop_.Add(fd_.get(), EPOLLIN, [this](uint32_t events) { OnEvents(events); });
}

Session::~Session() { loop_.Remove(fd_.get()); }

void Session::OnEvents(uint32_t) {
  bool open = Flush();
  for (int i = 0; open && i < kMessagesPerTurn; i++) {
    if (!ReadOne()) break;
    open = !broken_;
  }
  if (!open || broken_) {
    const auto on_closed = on_closed_;  // this is destroyed in the call
    on_closed(*this);
  }
}

// False when nothing waits, or the connection is over (then broken_).
bool Session::ReadOne() {
  uint8_t bytes[kMaxMessageBytes];
  ReceivedMessage message;
  const int error = ReceiveMessage(fd_.get(), bytes, sizeof(bytes), kMaxPodFds, &message);
  if (error == -EAGAIN) return false;
  if ((error != 0 && error != -EMSGSIZE) || message.size == 0) {
    broken_ = true;
    return false;
  }
  Request request = {};
  if (message.size >= sizeof(KeeperHeader)) memcpy(&request.header, bytes, sizeof(KeeperHeader));
  if (request.header.magic != kKeeperMagic) {
    // Not one of ours: nothing it says can be answered.
    broken_ = true;
    return false;
  }
  if (error != 0) {  // cut off, or no room for its descriptors
    Send(static_cast<KeeperMessage>(request.header.type), request.header.request, error, {});
    return true;
  }
  request.body = bytes + sizeof(KeeperHeader);
  request.body_bytes = message.size - sizeof(KeeperHeader);
  request.fds = std::move(message.fds);
  on_request_(*this, request);
  return true;
}

void Session::Send(KeeperMessage type, uint32_t request, int status,
                   const std::vector<uint8_t>& body, std::vector<int> fds,
                   std::shared_ptr<const Pod> pod) {
  if (queue_.size() >= kMaxQueued) {
    broken_ = true;
    return;
  }
  const KeeperHeader header = {kKeeperMagic, kKeeperProtocol, static_cast<uint16_t>(type), request,
                               status};
  Outgoing outgoing;
  Append(outgoing.bytes, header);
  AppendBytes(outgoing.bytes, body.data(), body.size());
  outgoing.fds = std::move(fds);
  outgoing.pod = std::move(pod);
  queue_.push_back(std::move(outgoing));
  if (queue_.size() == 1) Flush();
}

// False when the connection is over.
bool Session::Flush() {
  while (!queue_.empty()) {
    const Outgoing& next = queue_.front();
    const long sent = SendMessage(fd_.get(), next.bytes.data(), next.bytes.size(), next.fds);
    if (sent == -EAGAIN) break;
    if (sent < 0) {
      broken_ = true;
      break;
    }
    queue_.pop_front();
  }
  loop_.Change(fd_.get(), EPOLLIN | (queue_.empty() ? 0u : EPOLLOUT));
  return !broken_;
}

void Session::ForgetPod(const std::string& uid) {
  std::erase_if(queue_,
                [&](const Outgoing& outgoing) { return outgoing.pod && outgoing.pod->uid == uid; });
}

}  // namespace sluice
