#include "keeper/takeover.h"

#include <poll.h>

#include <cerrno>
#include <map>

#include "keeper/parse.h"
#include "unix/messages.h"

namespace sluice {
namespace {

constexpr int kStepTimeoutMs = 5000;

// The older keeper, spoken to one message at a time.
class Predecessor {
 public:
  explicit Predecessor(UniqueFd fd) : fd_(std::move(fd)), buffer_(kMaxMessageBytes) {}

  int Send(KeeperMessage type, const std::vector<uint8_t>& body) {
    const KeeperHeader header = {kKeeperMagic, kKeeperProtocol, static_cast<uint16_t>(type), 1, 0};
    std::vector<uint8_t> bytes;
    Append(bytes, header);
    AppendBytes(bytes, body.data(), body.size());
    const long sent = SendMessage(fd_.get(), bytes.data(), bytes.size(), {});
    return sent < 0 ? static_cast<int>(sent) : 0;
  }

  // The next message; its body lives until the next call. 0, or -errno: -ECONNRESET when it has
  // closed.
  int Receive(Request* request) {
    pollfd wait = {fd_.get(), POLLIN, 0};
    const int ready = poll(&wait, 1, kStepTimeoutMs);
    if (ready <= 0) return ready == 0 ? -ETIMEDOUT : -errno;
    ReceivedMessage message;
    const int error =
        ReceiveMessage(fd_.get(), buffer_.data(), buffer_.size(), kMaxPodFds, &message);
    if (error != 0) return error;
    if (message.size == 0) return -ECONNRESET;
    if (message.size < sizeof(KeeperHeader)) return -EPROTO;
    memcpy(&request->header, buffer_.data(), sizeof(KeeperHeader));
    if (request->header.magic != kKeeperMagic) return -EPROTO;
    request->body = buffer_.data() + sizeof(KeeperHeader);
    request->body_bytes = message.size - sizeof(KeeperHeader);
    request->fds = std::move(message.fds);
    return request->header.status;
  }

 private:
  UniqueFd fd_;
  std::vector<uint8_t> buffer_;
};

using Owners = std::map<uint32_t, uint32_t>;  // its numbers -> ours

int TakePair(Request& request, const Owners& owners, Keeper& keeper) {
  KeeperPair facts = {};
  if (!ReadFront(request, &facts) || request.fds.size() != 2 || !owners.contains(facts.owner) ||
      request.body_bytes != sizeof(facts) + facts.held_to_server + facts.held_to_client) {
    return -EPROTO;
  }
  const uint8_t* held = request.body + sizeof(facts);
  std::vector<uint8_t> to_server(held, held + facts.held_to_server);
  held += facts.held_to_server;
  std::vector<uint8_t> to_client(held, held + facts.held_to_client);
  return keeper.pairs().PutTaken(facts, owners.at(facts.owner), std::move(request.fds[0]),
                                 std::move(request.fds[1]), std::move(to_server),
                                 std::move(to_client));
}

int TakeOne(Request& request, Owners& owners, Keeper& keeper) {
  if (request.header.type == kMessagePod) {
    auto pod = std::make_shared<Pod>();
    const int error = ParsePod(request, pod.get());
    return error != 0 ? error : keeper.pods().Put(std::move(pod));
  }
  if (request.header.type == kMessageOwner) {
    uint32_t number = 0;
    if (!ReadFront(request, &number) || request.fds.size() != 1) return -EPROTO;
    owners[number] = keeper.pairs().AddOwner(std::move(request.fds[0]));
    return 0;
  }
  return request.header.type == kMessagePair ? TakePair(request, owners, keeper) : -EPROTO;
}

int TakeAll(Predecessor& predecessor, Keeper& keeper) {
  std::vector<uint8_t> body;
  Append(body, static_cast<uint32_t>(kKeeperVersion));
  int error = predecessor.Send(kMessageTakeover, body);
  Owners owners;
  Request request;
  while (error == 0) {
    error = predecessor.Receive(&request);
    if (error != 0 || request.header.type == kMessageTakeover) break;
    error = TakeOne(request, owners, keeper);
  }
  // Nobody's session: forgotten with their last pair.
  for (const auto& [theirs, ours] : owners) keeper.pairs().ReleaseOwner(ours);
  return error;
}

}  // namespace

TakeoverOutcome TakeOver(const std::string& path, bool replace, Keeper& keeper, int* error) {
  const int fd = ConnectUnix(path);
  if (fd == -ENOENT || fd == -ECONNREFUSED) return TakeoverOutcome::kNobody;
  *error = -fd;
  if (fd < 0) return TakeoverOutcome::kFailed;
  Predecessor predecessor{UniqueFd(fd)};

  std::vector<uint8_t> hello;
  Append(hello, KeeperHello{0, kKeeperVersion});
  KeeperHelloReply reply = {};
  Request request;
  int result = predecessor.Send(kMessageHello, hello);
  if (result == 0) result = predecessor.Receive(&request);
  if (result == 0 && !ReadFront(request, &reply)) result = -EPROTO;
  *error = -result;
  if (result != 0) return TakeoverOutcome::kFailed;
  if (reply.version > kKeeperVersion || (reply.version == kKeeperVersion && !replace)) {
    return TakeoverOutcome::kServed;
  }

  result = TakeAll(predecessor, keeper);
  if (result == 0) result = predecessor.Send(kMessageTakeoverDone, {});
  if (result == 0) result = predecessor.Receive(&request);
  *error = -result;
  if (result != 0) return TakeoverOutcome::kFailed;
  // It may still hold the path; forwarding begins when it has let go of everything.
  result = predecessor.Receive(&request);
  *error = -result;
  return result == -ECONNRESET ? TakeoverOutcome::kTaken : TakeoverOutcome::kFailed;
}

}  // namespace sluice
